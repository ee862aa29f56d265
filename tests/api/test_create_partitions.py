"""CreatePartitions: every version, and every way to refuse."""

from __future__ import annotations

from typing import Any

from tests.api import kit

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.zk import paths


def _growth(name: str, count: int, **others: Any) -> Message:
    topic = Message(name=name, count=count, assignments=others.pop("assignments", None))
    return Message(**{"topics": [topic], "timeout": 10_000, "validate_only": False, **others})


def test_every_version_grows() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t", 2)
        for version in kit.versions(ApiKey.CREATE_PARTITIONS):
            growth = _growth("t", 3 + version)
            answer = await client.ask(ApiKey.CREATE_PARTITIONS, version, growth)
            assert [(r.name, r.error_code) for r in answer.results] == [("t", 0)]
        view = await client.ask(ApiKey.METADATA, 9, Message(topics=None))
        assert {t.name: len(t.partitions) for t in view.topics}["t"] == 6

    kit.run(scenario)


def test_only_the_controller_grows() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        other = 3 - await client.controller()
        for version in kit.versions(ApiKey.CREATE_PARTITIONS):
            growth = _growth("t", 2)
            answer = await client.ask(ApiKey.CREATE_PARTITIONS, version, growth, broker=other)
            assert answer.results[0].error_code == ErrorCode.NOT_CONTROLLER

    kit.run(scenario, brokers=2)


def test_growth_that_is_refused() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t", 2)

        async def error(message: Message) -> int:
            return int(
                (await client.ask(ApiKey.CREATE_PARTITIONS, 3, message)).results[0].error_code
            )

        assert await error(_growth("t", 2)) == ErrorCode.INVALID_PARTITIONS
        assert await error(_growth("t", 1)) == ErrorCode.INVALID_PARTITIONS
        assert await error(_growth("nobody", 3)) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        placed = [Message(broker_ids=[7])]
        refused = ErrorCode.INVALID_REPLICA_ASSIGNMENT
        assert await error(_growth("t", 3, assignments=placed)) == refused
        assert await error(_growth("t", 4, assignments=placed)) == refused
        twice = _growth("t", 3)
        twice.topics *= 2
        assert await error(twice) == ErrorCode.INVALID_REQUEST
        assert await error(_growth("t", 3, validate_only=True)) == ErrorCode.NONE
        zookeeper = await kit.zookeeper(client.env)
        assert b'"2"' not in (await zookeeper.get(paths.topic_path("t")))[0]
        assert await error(_growth("t", 3, timeout=0)) == ErrorCode.REQUEST_TIMED_OUT
        await zookeeper.close()

    kit.run(scenario)


def test_partitions_are_added_up_over_all_topics_of_a_request() -> None:
    async def scenario(client: kit.Client) -> None:
        for name in ("t", "u", "v"):
            await client.create(name)
        growth = _growth("t", 6_001, validate_only=True)
        growth.topics += _growth("u", 6_001).topics + _growth("v", 4_001).topics
        answer = await client.ask(ApiKey.CREATE_PARTITIONS, 3, growth)
        assert [result.error_code for result in answer.results] == [
            ErrorCode.NONE,
            ErrorCode.POLICY_VIOLATION,
            ErrorCode.NONE,
        ]

    kit.run(scenario)


def test_more_topics_than_are_looked_at_in_one_go() -> None:
    async def scenario(client: kit.Client) -> None:
        names = [f"x{number}" for number in range(100)]
        growth = _growth("x", 2)
        growth.topics = [topic for name in names for topic in _growth(name, 2).topics]
        results = (await client.ask(ApiKey.CREATE_PARTITIONS, 3, growth)).results
        assert [result.name for result in results] == names
        assert {r.error_code for r in results} == {ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}

    kit.run(scenario)
