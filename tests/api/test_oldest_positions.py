"""OffsetCommit v0, OffsetFetch v0: positions in ZooKeeper, as the first consumers kept them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api import kit
from tests.api.group_kit import SETTINGS, commit, fetch_message, find, position

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

PATH = "/consumers/g/offsets/t/0"


async def _position(client: kit.Client, topic: str = "t", partition: int = 0) -> tuple[int, int]:
    wanted = [Message(name=topic, partition_indexes=[partition])]
    answer = await client.ask(ApiKey.OFFSET_FETCH, 0, fetch_message("g", wanted))
    (found,) = answer.topics[0].partitions
    assert found.metadata == ""
    return found.error_code, found.committed_offset


def test_they_are_kept_where_only_v0_finds_them() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t", 2)
        await find(client, "g")
        unknown = (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1)
        assert await _position(client) == unknown
        for offset in (7, 2**40):
            assert await commit(client, "g", offset, 0) == 0
            assert await _position(client) == (0, offset)
            zookeeper = await kit.zookeeper(client.env)
            assert (await zookeeper.get(PATH))[0] == b"%d" % offset
        assert (await position(client, "g", 1)).committed_offset == -1
        assert await commit(client, "g", 5, 1) == 0
        assert await _position(client) == (0, 2**40)
        for topic, partition in (("t", 1), ("t", 2), ("nobody", 0)):
            assert await _position(client, topic, partition) == unknown

    kit.run(scenario, settings=SETTINGS)


def test_what_is_refused() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        too_long = await commit(client, "g", 1, 0, metadata="x" * 11)
        assert too_long == ErrorCode.OFFSET_METADATA_TOO_LARGE
        nowhere = await commit(client, "g", 1, 0, topic="nowhere")
        assert nowhere == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        for group in ("", "..", "a/b", "a\n"):
            assert await commit(client, group, 1, 0) == ErrorCode.INVALID_GROUP_ID
            wanted: Any = fetch_message(group, [Message(name="t", partition_indexes=[0])])
            answer = await client.ask(ApiKey.OFFSET_FETCH, 0, wanted)
            (found,) = answer.topics[0].partitions
            assert found.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        zookeeper = await kit.zookeeper(client.env)
        assert (await zookeeper.children("/consumers"))[0] == []

    kit.run(scenario, settings=SETTINGS)


@pytest.mark.parametrize("text", [b"", b"x", b"9" * 20, b"1 ", b"\xff"])
def test_a_node_that_is_no_number(text: bytes) -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        zookeeper = await kit.zookeeper(client.env)
        await zookeeper.create(PATH, text, make_parents=True)
        assert await _position(client) == (ErrorCode.UNKNOWN_SERVER_ERROR, -1)
        assert await commit(client, "g", 1, 0) == 0
        assert await _position(client) == (0, 1)

    kit.run(scenario, settings=SETTINGS)


def test_very_many_partitions() -> None:
    async def scenario(client: kit.Client) -> None:
        count = 900
        await client.create("t", count)
        ids = range(count)
        parts = [
            Message(partition_index=p, committed_offset=p, committed_metadata=None) for p in ids
        ]
        asked = Message(group_id="g", topics=[Message(name="t", partitions=parts)])
        answer = await client.ask(ApiKey.OFFSET_COMMIT, 0, asked)
        assert {p.error_code for p in answer.topics[0].partitions} == {0}
        wanted = [Message(name="t", partition_indexes=list(ids))]
        found = await client.ask(ApiKey.OFFSET_FETCH, 0, fetch_message("g", wanted))
        assert [p.committed_offset for p in found.topics[0].partitions] == list(ids)

    kit.run(scenario, settings=SETTINGS)
