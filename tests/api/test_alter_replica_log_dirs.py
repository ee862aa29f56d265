"""AlterReplicaLogDirs: every version, refusals, and where replicas go that were not here yet."""

from __future__ import annotations

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
        placed = [Message(partition_index=i, broker_ids=[1]) for i in range(3)]
        view = await client.ask(ApiKey.METADATA, 1, Message(topics=[]))
        message = kit.create_message("t", -1, -1, assignments=placed)
        await client.ask(ApiKey.CREATE_TOPICS, 7, message, broker=view.controller_id)
        expected = [ErrorCode.REPLICA_NOT_AVAILABLE]
        while (found := await _alter(client, "/data/two", "t", 0, broker=2)) != expected:
            assert found == [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION], "it has not heard of it yet"
        for number in (1, 2):
            assert await _alter(client, "/data/two", "t", number, broker=2) == expected
        moves = [Message(partition_index=i, replicas=[2]) for i in range(3)]
        message = Message(timeout=10_000, topics=[Message(name="t", partitions=moves)])
        api = ApiKey.ALTER_PARTITION_REASSIGNMENTS
        await client.ask(api, 0, message, broker=view.controller_id)
        while len(there := await _placed(client, broker=2)) < 3:
            pass
        assert set(there.values()) == {"/data/two"}, "not where the fewest are"

    kit.run(scenario, brokers=2, settings=TWO)
