"""CreateTopics: every version, and every way to refuse."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.api import kit

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


def test_every_version_creates() -> None:
    async def scenario(client: kit.Client) -> None:
        for version in kit.versions(ApiKey.CREATE_TOPICS):
            message = kit.create_message(f"t{version}", 2)
            answer = await client.ask(ApiKey.CREATE_TOPICS, version, message)
            (topic,) = answer.topics
            assert (topic.name, topic.error_code) == (f"t{version}", 0)
            if version >= 5:
                assert (topic.num_partitions, topic.replication_factor) == (2, 1)
                configs = {c.name: c.value for c in topic.configs}
                assert configs["retention.ms"] == "604800000"
                assert configs["cleanup.policy"] == "delete"
            if version >= 7:
                assert topic.topic_id is not None

    kit.run(scenario)


def test_settings_of_a_creation_and_who_made_them() -> None:
    async def scenario(client: kit.Client) -> None:
        topic = await client.create("t", 1, 1, **{"retention.ms": "5000"})
        entries = {c.name: (c.value, c.config_source) for c in topic.configs}
        assert entries["retention.ms"] == ("5000", 1)
        assert entries["segment.bytes"] == ("16384", 4)
        assert entries["flush.messages"][1] == 5

    kit.run(scenario, settings={"log.segment.bytes": "16384"})


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ({"name": "a/b"}, ErrorCode.INVALID_TOPIC_EXCEPTION),
        ({"name": "."}, ErrorCode.INVALID_TOPIC_EXCEPTION),
        ({"name": "x" * 250}, ErrorCode.INVALID_TOPIC_EXCEPTION),
        ({"name": "same.name"}, ErrorCode.INVALID_TOPIC_EXCEPTION),
        ({"name": "same_name", "replicas": 9}, ErrorCode.TOPIC_ALREADY_EXISTS),
        ({"partitions": 0}, ErrorCode.INVALID_PARTITIONS),
        ({"replicas": 2}, ErrorCode.INVALID_REPLICATION_FACTOR),
        ({"replicas": 0}, ErrorCode.INVALID_REPLICATION_FACTOR),
        ({"configs": {"retention.ms": "soon"}}, ErrorCode.INVALID_CONFIG),
        ({"configs": {"retention.parsecs": "1"}}, ErrorCode.INVALID_CONFIG),
        ({"configs": {"retention.ms": None}}, ErrorCode.INVALID_CONFIG),
        (
            {"assignments": [Message(partition_index=0, broker_ids=[1])]},
            ErrorCode.INVALID_REQUEST,
        ),
        (
            {
                "partitions": -1,
                "replicas": -1,
                "assignments": [Message(partition_index=1, broker_ids=[1])],
            },
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        ),
    ],
)
def test_creations_that_are_refused(others: dict[str, Any], expected: ErrorCode) -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("same_name")
        message = kit.create_message(**{"name": "t", **others})
        answer = await client.ask(ApiKey.CREATE_TOPICS, 7, message)
        assert answer.topics[0].error_code == expected
        assert answer.topics[0].error_message

    kit.run(scenario)


def test_a_creation_that_is_only_asked_about_or_not_waited_for() -> None:
    async def scenario(client: kit.Client) -> None:
        answer = await client.ask(
            ApiKey.CREATE_TOPICS, 7, kit.create_message("t", validate_only=True)
        )
        assert (answer.topics[0].error_code, answer.topics[0].topic_id) == (0, None)
        view = await client.ask(ApiKey.METADATA, 9, Message(topics=None))
        assert view.topics == ()
        answer = await client.ask(ApiKey.CREATE_TOPICS, 7, kit.create_message("t", timeout=0))
        assert answer.topics[0].error_code == ErrorCode.REQUEST_TIMED_OUT
        twice = kit.create_message("u")
        twice.topics *= 2
        answer = await client.ask(ApiKey.CREATE_TOPICS, 7, twice)
        assert [(t.name, t.error_code) for t in answer.topics] == [("u", 42)] * 2

    kit.run(scenario)


def test_only_the_controller_creates() -> None:
    async def scenario(client: kit.Client) -> None:
        other = 3 - await client.controller()
        for version in kit.versions(ApiKey.CREATE_TOPICS):
            message = kit.create_message("u")
            answer = await client.ask(ApiKey.CREATE_TOPICS, version, message, broker=other)
            assert answer.topics[0].error_code == ErrorCode.NOT_CONTROLLER

    kit.run(scenario, brokers=2)


def test_a_creation_that_is_refused_leaves_no_settings() -> None:
    """Of several at a time, one creates the topic, and the settings are its own."""

    async def create(client: kit.Client, name: str, size: int) -> int:
        request = kit.create_message(name, 1, configs={"segment.bytes": str(size)})
        answer = await client.ask(ApiKey.CREATE_TOPICS, 5, request, client_id=f"client-{size}")
        return int(answer.topics[0].error_code)

    async def scenario(client: kit.Client) -> None:
        sizes = [1000 + number for number in range(4)]
        for name in ("a", "b", "c", "d"):
            errors = await asyncio.gather(*(create(client, name, size) for size in sizes))
            made = [size for size, error in zip(sizes, errors, strict=True) if not error]
            assert len(made) == 1
            resource = Message(
                resource_type=2, resource_name=name, configuration_keys=["segment.bytes"]
            )
            request = Message(resources=[resource], include_synonyms=False)
            answer = await client.ask(ApiKey.DESCRIBE_CONFIGS, 1, request)
            assert [c.value for c in answer.results[0].configs] == [str(made[0])]

    kit.run(scenario)
