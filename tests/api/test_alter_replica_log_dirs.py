"""AlterReplicaLogDirs: every version, refusals, and where replicas go that were not here yet."""

from __future__ import annotations

import asyncio

import pytest
from tests.api import kit

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

ALTER = ApiKey.ALTER_REPLICA_LOG_DIRS
TWO = {"log.dirs": "/data/one,/data/two"}


async def _alter(
    client: kit.Client, path: str, topic: str, *partitions: int, version: int = 2, broker: int = 1
) -> list[int]:
    topics = [Message(name=topic, partitions=list(partitions))]
    message = Message(dirs=[Message(path=path, topics=topics)])
    answer = await client.ask(ALTER, version, message, broker=broker)
    (result,) = answer.results
    assert result.topic_name == topic
    assert [p.partition_index for p in result.partitions] == list(partitions)
    return [p.error_code for p in result.partitions]


async def _placed(client: kit.Client, broker: int = 1) -> dict[str, str]:
    """Partition -> its directory; those that move have two, the second with ``(future)``."""
    answer = await client.ask(ApiKey.DESCRIBE_LOG_DIRS, 4, Message(topics=None), broker=broker)
    return {
        f"{t.name}-{p.partition_index}{' (future)' if p.is_future_key else ''}": r.log_dir
        for r in answer.results
        for t in r.topics
        for p in t.partitions
    }


def test_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t", 2)
        placed = await _placed(client)
        for version in kit.versions(ALTER):
            here = placed["t-0"]
            assert await _alter(client, here, "t", 0, version=version) == [0]
            assert (
                await _alter(client, "/data/three", "t", 0, 1, version=version)
                == [ErrorCode.LOG_DIR_NOT_FOUND] * 2
            )
            assert await _alter(client, here, "t", 0, 7, version=version) == [
                0,
                ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            ]
            unknown = [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
            assert await _alter(client, here, "nobody", 0, version=version) == unknown
        assert await _placed(client) == placed

    kit.run(scenario, settings=TWO)


def test_a_replica_that_comes_later_goes_where_it_was_told() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.place("t", (1,), (1,), (1,))
        expected = [ErrorCode.REPLICA_NOT_AVAILABLE]
        while (found := await _alter(client, "/data/two", "t", 0, broker=2)) != expected:
            assert found == [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION], "it has not heard of it yet"
        for number in (1, 2):
            assert await _alter(client, "/data/two", "t", number, broker=2) == expected
        moves = [Message(partition_index=i, replicas=[2]) for i in range(3)]
        message = Message(timeout=10_000, topics=[Message(name="t", partitions=moves)])
        api = ApiKey.ALTER_PARTITION_REASSIGNMENTS
        await client.ask(api, 0, message, broker=await client.controller())
        while len(there := await _placed(client, broker=2)) < 3:
            pass
        assert set(there.values()) == {"/data/two"}, "not where the fewest are"

    kit.run(scenario, brokers=2, settings=TWO)


async def _until_placed(client: kit.Client, expected: dict[str, str], broker: int) -> None:
    while True:
        try:
            if await _placed(client, broker) == expected:
                return
        except OSError:
            pass
        await asyncio.sleep(0.01)


async def _bounds(client: kit.Client, broker: int) -> list[int]:
    """(log start, log end) of the copy of one broker, whatever its role; -1 if not to be had."""
    found = []
    for timestamp in (-2, -1):
        part = Message(partition_index=0, timestamp=timestamp, current_leader_epoch=-1)
        topics = [Message(name="t", partitions=[part])]
        message = Message(replica_id=-2, isolation_level=0, topics=topics)
        answer = await client.ask(ApiKey.LIST_OFFSETS, 9, message, broker=broker)
        found.append(answer.topics[0].partitions[0].offset)
    return found


async def _leader(client: kit.Client) -> int:
    while True:
        view = await client.ask(ApiKey.METADATA, 12, Message(topics=None))
        if view.topics and view.topics[0].partitions[0].leader_id > 0:
            return int(view.topics[0].partitions[0].leader_id)
        await asyncio.sleep(0.1)


async def _write(client: kit.Client, leader: int, base: int, batches: int) -> None:
    for number in range(batches):
        done = await client.produce("t", b"x" * 3000, b"y", broker=leader)
        assert (done.error_code, done.base_offset) == (0, base + 2 * number)


async def _move_about(client: kit.Client, leader: int, base: int, broker: int) -> None:
    (here,) = (await _placed(client, broker)).values()
    there = {"/data/one": "/data/two", "/data/two": "/data/one"}[here]
    assert await _alter(client, there, "t", 0, broker=broker) == [0]
    writing = asyncio.create_task(_write(client, leader, base, 50))
    await _until_placed(client, {"t-0": there}, broker)
    await writing
    # Back again, and there once more in one breath: given up, begun anew.
    for path in (here, there, here):
        assert await _alter(client, path, "t", 0, broker=broker) == [0]
    await _until_placed(client, {"t-0": here}, broker)


@pytest.mark.parametrize("flush", ["false", "true"])
def test_a_replica_moves_while_it_is_written_to_and_read(flush: str) -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t", 1, 2, **{"segment.bytes": "20000"})
        leader = await _leader(client)
        await _write(client, leader, 0, 200)
        part = Message(partition_index=0, offset=101)
        message = Message(topics=[Message(name="t", partitions=[part])], timeout=10_000)
        await client.ask(ApiKey.DELETE_RECORDS, 2, message, broker=leader)
        for base, broker in ((400, leader), (500, 3 - leader)):
            await _move_about(client, leader, base, broker)
            assert await _bounds(client, broker) == [101, base + 100]
        process = client.simulation.processes[f"b{3 - leader}"]
        placed = await _placed(client, 3 - leader)
        process.kill()
        process.start()
        await _until_placed(client, placed, 3 - leader)
        for _ in range(300):  # it has its role a moment later
            if await _bounds(client, 3 - leader) == [101, 600]:
                break
            await asyncio.sleep(0.1)
        assert await _bounds(client, 3 - leader) == [101, 600]

    kit.run(scenario, brokers=2, settings={**TWO, "log.flush.before.ack": flush})
