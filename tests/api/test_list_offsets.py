"""ListOffsets in every version."""

from __future__ import annotations

from typing import Any

from tests.api import kit

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED = -1, -2, -3, -4, -5


def _listing(timestamp: int, topic: str = "t", epoch: int = -1, partition: int = 0) -> Message:
    part = Message(partition_index=partition, timestamp=timestamp, current_leader_epoch=epoch)
    return Message(
        replica_id=-1, isolation_level=0, topics=[Message(name=topic, partitions=[part])]
    )


async def _list(client: kit.Client, version: int, message: Message) -> Any:
    return (await client.ask(ApiKey.LIST_OFFSETS, version, message)).topics[0].partitions[0]


def test_list_offsets_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        assert (await _list(client, 9, _listing(MAX_TIMESTAMP))).offset == -1
        await client.produce("t", b"a", b"b", b"c")
        first = {LATEST: 1, EARLIEST: 1, MAX_TIMESTAMP: 7, EARLIEST_LOCAL: 8, LATEST_TIERED: 9}
        expected = {
            LATEST: (-1, 3),
            EARLIEST: (-1, 0),
            MAX_TIMESTAMP: (kit.NOW_MS + 2, 2),
            EARLIEST_LOCAL: (-1, 0),
            LATEST_TIERED: (-1, -1),
            kit.NOW_MS + 1: (kit.NOW_MS + 1, 1),
            kit.NOW_MS + 9: (-1, -1),
            -6: (-1, -1),
        }
        for version in kit.versions(ApiKey.LIST_OFFSETS)[1:]:
            for timestamp, pair in expected.items():
                found = await _list(client, version, _listing(timestamp))
                if timestamp == -6 or version < first.get(timestamp, 0):
                    assert found.error_code == ErrorCode.UNSUPPORTED_VERSION
                    assert (found.timestamp, found.offset) == (-1, -1)
                else:
                    assert found.error_code == 0
                    assert (found.timestamp, found.offset) == pair
                    if version >= 4 and found.offset >= 0:
                        assert found.leader_epoch == 0

    kit.run(scenario)


def test_offsets_by_the_times_of_files() -> None:
    """Version 0: where segments begin, the greatest first."""

    async def scenario(client: kit.Client) -> None:
        await client.create("t", **{"segment.bytes": "1048576"})
        await client.create("s", **{"segment.bytes": "200"})

        async def ask(topic: str, timestamp: int, most: int = 9, **others: Any) -> Any:
            message = _listing(timestamp, topic)
            message.replica_id = others.get("replica_id", -1)
            message.topics[0].partitions[0].max_num_offsets = most
            answer = await client.ask(ApiKey.LIST_OFFSETS, 0, message)
            found = answer.topics[0].partitions[0]
            return list(found.old_style_offsets) if not found.error_code else found.error_code

        far = 2**62
        assert [await ask("t", when) for when in (LATEST, EARLIEST, far, 0)] == [[0], [0], [0], []]
        await client.produce("t", b"a", b"b", b"c")
        assert [await ask("t", when) for when in (LATEST, EARLIEST, far)] == [[3, 0], [0], [3, 0]]
        assert await ask("t", 5) == []
        for _ in range(3):
            await client.produce("s", b"a" * 60)
        assert await ask("s", LATEST) == [3, 2, 1, 0]
        assert await ask("s", LATEST, 2) == [3, 2]
        assert await ask("s", EARLIEST, 2) == [0]
        assert await ask("s", LATEST, 0) == []
        assert await ask("s", LATEST, replica_id=-2) == [3, 2, 1, 0]
        assert await ask("s", LATEST, -1) == ErrorCode.INVALID_REQUEST
        assert await ask("s", MAX_TIMESTAMP) == ErrorCode.UNSUPPORTED_VERSION
        assert await ask("nobody", LATEST) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION

    kit.run(scenario)


def test_list_offsets_refused() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert (await _list(client, 5, _listing(LATEST, "nobody"))).error_code == unknown
        assert (await _list(client, 5, _listing(LATEST, partition=4))).error_code == unknown
        newer = await _list(client, 5, _listing(LATEST, epoch=3))
        assert newer.error_code == ErrorCode.UNKNOWN_LEADER_EPOCH
        twice = _listing(LATEST)
        twice.topics[0].partitions *= 2
        answer = await client.ask(ApiKey.LIST_OFFSETS, 5, twice)
        assert [p.error_code for p in answer.topics[0].partitions] == [
            ErrorCode.INVALID_REQUEST
        ] * 2

    kit.run(scenario)


def test_only_a_debugging_consumer_may_ask_a_follower() -> None:
    async def scenario(client: kit.Client) -> None:
        view = await client.ask(ApiKey.METADATA, 1, Message(topics=[]))
        leader, follower = view.controller_id, 3 - view.controller_id
        message = kit.create_message(
            "t", -1, -1, assignments=[Message(partition_index=0, broker_ids=[leader, follower])]
        )
        await client.ask(ApiKey.CREATE_TOPICS, 5, message, broker=leader)
        records = kit.produce_message("t", b"a", b"b")
        await client.ask(ApiKey.PRODUCE, 9, records, broker=leader)
        for replica, expected in ((-1, ErrorCode.NOT_LEADER_OR_FOLLOWER), (-2, ErrorCode.NONE)):
            message = _listing(LATEST)
            message.replica_id = replica
            answer = await client.ask(ApiKey.LIST_OFFSETS, 5, message, broker=follower)
            (found,) = answer.topics[0].partitions
            assert found.error_code == expected
            if expected == ErrorCode.NONE:
                assert found.offset == 2

    kit.run(scenario, brokers=2)
