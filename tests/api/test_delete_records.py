"""DeleteRecords: every version, refusals, and what is left after deaths and restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from tests.api import kit

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

DELETE, LIST = ApiKey.DELETE_RECORDS, ApiKey.LIST_OFFSETS
EARLIEST, LATEST = -2, -1
DEBUGGING = -2


def _message(offsets: Mapping[int, int], topic: str = "t", timeout: int = 20_000) -> Message:
    parts = [Message(partition_index=p, offset=o) for p, o in offsets.items()]
    return Message(topics=[Message(name=topic, partitions=parts)], timeout=timeout)


async def _delete(
    client: kit.Client, offset: int, topic: str = "t", *, version: int = 2, broker: int = 1
) -> tuple[int, int]:
    """(error, low watermark) for partition 0."""
    answer = await client.ask(DELETE, version, _message({0: offset}, topic), broker=broker)
    (found,) = answer.topics[0].partitions
    return found.error_code, found.low_watermark


async def _offset(client: kit.Client, timestamp: int, broker: int = 1) -> int:
    """What a broker's own copy says; any broker tells a debugging consumer."""
    part = Message(partition_index=0, timestamp=timestamp, current_leader_epoch=-1)
    topics = [Message(name="t", partitions=[part])]
    message = Message(replica_id=DEBUGGING, isolation_level=0, topics=topics)
    answer = await client.ask(LIST, 9, message, broker=broker)
    found = answer.topics[0].partitions[0]
    return int(found.offset) if found.error_code == 0 else -1


async def _until_start(client: kit.Client, expected: int, brokers: tuple[int, ...]) -> None:
    for broker in brokers:
        while True:
            try:
                if await _offset(client, EARLIEST, broker) == expected:
                    break
            except OSError:
                pass
            await asyncio.sleep(0.1)


async def _leader(client: kit.Client, broker: int) -> int:
    """Of partition 0, as a broker knows it."""
    message = Message(topics=[Message(topic_id=None, name="t")], allow_auto_topic_creation=False)
    while True:
        view = await client.ask(ApiKey.METADATA, 9, message, broker=broker)
        if view.topics[0].partitions and view.topics[0].partitions[0].leader_id > 0:
            return int(view.topics[0].partitions[0].leader_id)
        await asyncio.sleep(0.1)


async def _until_leader(client: kit.Client, broker: int) -> None:
    while True:
        if await _leader(client, broker) == broker:
            return
        await asyncio.sleep(0.1)


def test_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        for _ in range(10):
            await client.produce("t", b"a", b"b")
        for version in kit.versions(DELETE):
            offset = 3 + version * 4
            assert await _delete(client, offset, version=version) == (0, offset)
            assert await _offset(client, EARLIEST) == offset
        assert await _delete(client, 5) == (0, 11), "below the start: nothing to do"
        assert await _delete(client, -1) == (0, 20)
        assert await _offset(client, EARLIEST) == await _offset(client, LATEST) == 20
        assert (await client.produce("t", b"c")).base_offset == 20
        twice = _message({0: 21})
        twice.topics *= 2
        answer = await client.ask(DELETE, 2, twice)
        assert [len(t.partitions) for t in answer.topics] == [1]

    kit.run(scenario)


def test_refused() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t", 2)
        await client.create("kept", **{"cleanup.policy": "compact"})
        await client.create("both", **{"cleanup.policy": "compact,delete"})
        await client.produce("t", b"a")
        out_of_range, unknown = (
            ErrorCode.OFFSET_OUT_OF_RANGE,
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        )
        for offset in (-2, 2, 2**63 - 1, -(2**63)):
            assert await _delete(client, offset) == (out_of_range, -1)
        assert await _delete(client, 0, "nobody") == (unknown, -1)
        assert await _delete(client, 0, "no/body") == (unknown, -1)
        assert await _delete(client, 0, "kept") == (ErrorCode.POLICY_VIOLATION, -1)
        assert await _delete(client, 0, "both") == (0, 0)
        internal = ErrorCode.INVALID_TOPIC_EXCEPTION
        assert await _delete(client, 0, "__consumer_offsets") == (internal, -1)
        answer = await client.ask(DELETE, 2, _message({0: 1, 1: 1, 9999: -1}))
        assert [(p.partition_index, p.error_code) for p in answer.topics[0].partitions] == [
            (0, 0),
            (1, out_of_range),
            (9999, unknown),
        ]

    kit.run(scenario)


def test_only_the_leader_deletes() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t", 1, 2)
        leader = await _leader(client, 1)
        assert await _delete(client, 0, broker=leader) == (0, 0)
        refused = await _delete(client, 0, broker=3 - leader)
        assert refused == (ErrorCode.NOT_LEADER_OR_FOLLOWER, -1)

    kit.run(scenario, brokers=2)


def test_a_start_inside_a_segment_survives_a_killed_broker() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        for _ in range(6):
            await client.produce("t", b"a", b"b")
        assert await _delete(client, 5) == (0, 5)
        await asyncio.sleep(0.5)
        broker = client.simulation.processes["b1"]
        broker.kill()
        broker.start()
        await _until_start(client, 5, (1,))
        assert await _offset(client, LATEST) == 12

    kit.run(scenario)


def test_starts_survive_a_failover_and_reach_who_was_away() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t", 1, 3)
        leader = await _leader(client, 1)
        first, away = (b for b in (1, 2, 3) if b != leader)
        for _ in range(4):
            await client.produce("t", b"a", b"b", broker=leader)
        processes = client.simulation.processes
        processes[f"b{away}"].kill()
        # Whoever is dead is not waited for; the request may be there before that is known.
        assert await _delete(client, 5, broker=leader) == (0, 5)
        assert await _offset(client, EARLIEST, first) == 5
        processes[f"b{leader}"].kill()
        await _until_leader(client, first)
        assert await _offset(client, EARLIEST, first) == 5
        assert await _delete(client, 6, broker=first) == (0, 6)
        for broker in (leader, away):
            processes[f"b{broker}"].start()
        await _until_start(client, 6, (1, 2, 3))
        for broker in (1, 2, 3):
            assert await _offset(client, LATEST, broker) == 8

    kit.run(scenario, brokers=3, settings={"zookeeper.session.timeout.ms": "6000"})


def test_who_does_not_answer_is_waited_for_until_the_time_is_up() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t", 1, 2)
        leader = await _leader(client, 1)
        await client.produce("t", b"a", broker=leader)
        client.simulation.processes[f"b{3 - leader}"].pause()
        answer: Any = await client.ask(DELETE, 2, _message({0: 1}, timeout=700), broker=leader)
        (found,) = answer.topics[0].partitions
        assert (found.error_code, found.low_watermark) == (ErrorCode.REQUEST_TIMED_OUT, -1)
        assert await _offset(client, EARLIEST, leader) == 1

    kit.run(scenario, brokers=2)
