"""Fetches and commits with odd limits, isolation levels, replica ids, and without partitions."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api import kit

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

VERSIONS = (4, 7, 11, 12)


def _fetch(partitions: int = 1, **others: Any) -> Message:
    wanted = [
        Message(
            partition=p,
            current_leader_epoch=-1,
            fetch_offset=0,
            log_start_offset=-1,
            partition_max_bytes=1000,
            last_fetched_epoch=-1,
        )
        for p in range(partitions)
    ]
    usual: dict[str, Any] = {
        "replica_id": -1,
        "max_wait": 0,
        "min_bytes": 1,
        "max_bytes": 1000,
        "isolation_level": 0,
        "session_id": 0,
        "session_epoch": -1,
        "topics": [Message(topic="t", partitions=wanted)],
        "forgotten_topics_data": [],
        "rack_id": "",
    }
    return Message(**usual | others)


def _parts(answer: Any) -> list[tuple[int, bool]]:
    """(error code, whether there are records) of each partition."""
    return [(p.error_code, bool(p.records)) for t in answer.responses for p in t.partitions]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_isolation_level_that_does_not_exist(version: int) -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await client.produce("t", b"a")
        for level in (2, -1, 127, -128):
            answer = await client.ask(ApiKey.FETCH, version, _fetch(isolation_level=level))
            assert getattr(answer, "error_code", 42) == ErrorCode.INVALID_REQUEST
            assert _parts(answer) == [(ErrorCode.INVALID_REQUEST, False)]

    kit.run(scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_leader_does_not_copy_from_itself(version: int) -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await client.produce("t", b"a")
        answer = await client.ask(ApiKey.FETCH, version, _fetch(replica_id=1))
        assert _parts(answer) == [(ErrorCode.NOT_LEADER_OR_FOLLOWER, False)]

    kit.run(scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_limit_below_zero_is_an_error_of_the_first_partition(version: int) -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t", partitions=3)
        for number in range(3):
            message = kit.produce_message("t", b"a", partition=number)
            await client.ask(ApiKey.PRODUCE, 9, message)
        for limit in (-1, -(2**31)):
            answer = await client.ask(ApiKey.FETCH, version, _fetch(3, max_bytes=limit))
            refused = (ErrorCode.UNKNOWN_SERVER_ERROR, False)
            assert _parts(answer) == [refused, (0, True), (0, False)]
        answer = await client.ask(ApiKey.FETCH, version, _fetch(3, max_bytes=0))
        assert _parts(answer) == [(0, True), (0, False), (0, False)]

    kit.run(scenario)


@pytest.mark.parametrize("version", [2, 8, 9])
def test_a_topic_without_partitions_is_left_out_of_a_commit(version: int) -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        commit = Message(
            group_id="g",
            generation_id_or_member_epoch=-1,
            member_id="",
            group_instance_id=None,
            retention_time=-1,
            topics=[Message(name="t", partitions=[])],
        )
        answer = await client.ask(ApiKey.OFFSET_COMMIT, version, commit)
        assert not answer.topics

    kit.run(scenario)
