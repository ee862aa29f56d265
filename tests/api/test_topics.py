"""CreateTopics, CreatePartitions, DeleteTopics: every version, and every way to refuse."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from tests.api import kit

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.zk import paths

CREATE, GROW, DELETE = ApiKey.CREATE_TOPICS, ApiKey.CREATE_PARTITIONS, ApiKey.DELETE_TOPICS


def _growth(name: str, count: int, **others: Any) -> Message:
    topic = Message(name=name, count=count, assignments=others.pop("assignments", None))
    return Message(**{"topics": [topic], "timeout": 10_000, "validate_only": False, **others})


def _deletion(*names: str, timeout: int = 10_000) -> Message:
    topics = [Message(name=name, topic_id=None) for name in names]
    return Message(topics=topics, topic_names=list(names), timeout=timeout)


async def _controller(client: kit.Client) -> int:
    return int((await client.ask(ApiKey.METADATA, 1, Message(topics=[]))).controller_id)


def test_every_version_creates_grows_and_deletes() -> None:
    async def scenario(client: kit.Client) -> None:
        for version in kit.versions(CREATE):
            answer = await client.ask(CREATE, version, kit.create_message(f"t{version}", 2))
            (topic,) = answer.topics
            assert (topic.name, topic.error_code) == (f"t{version}", 0)
            if version >= 5:
                assert (topic.num_partitions, topic.replication_factor) == (2, 1)
                configs = {c.name: c.value for c in topic.configs}
                assert configs["retention.ms"] == "604800000"
                assert configs["cleanup.policy"] == "delete"
            if version >= 7:
                assert topic.topic_id is not None
        for version in kit.versions(GROW):
            answer = await client.ask(GROW, version, _growth("t2", 3 + version))
            assert [(r.name, r.error_code) for r in answer.results] == [("t2", 0)]
        view = await client.ask(ApiKey.METADATA, 9, Message(topics=None))
        assert {t.name: len(t.partitions) for t in view.topics}["t2"] == 6
        for version in kit.versions(DELETE):
            await client.create(f"doomed{version}")
            answer = await client.ask(DELETE, version, _deletion(f"doomed{version}"))
            assert [(r.name, r.error_code) for r in answer.responses] == [(f"doomed{version}", 0)]

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
        answer = await client.ask(CREATE, 7, message)
        assert answer.topics[0].error_code == expected
        assert answer.topics[0].error_message

    kit.run(scenario)


def test_a_creation_that_is_only_asked_about_or_not_waited_for() -> None:
    async def scenario(client: kit.Client) -> None:
        answer = await client.ask(CREATE, 7, kit.create_message("t", validate_only=True))
        assert (answer.topics[0].error_code, answer.topics[0].topic_id) == (0, None)
        view = await client.ask(ApiKey.METADATA, 9, Message(topics=None))
        assert view.topics == ()
        answer = await client.ask(CREATE, 7, kit.create_message("t", timeout=0))
        assert answer.topics[0].error_code == ErrorCode.REQUEST_TIMED_OUT
        twice = kit.create_message("u")
        twice.topics *= 2
        answer = await client.ask(CREATE, 7, twice)
        assert [(t.name, t.error_code) for t in answer.topics] == [("u", 42)] * 2

    kit.run(scenario)


def test_only_the_controller_serves_them() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        other = 3 - await _controller(client)
        for version in kit.versions(CREATE):
            answer = await client.ask(CREATE, version, kit.create_message("u"), broker=other)
            assert answer.topics[0].error_code == ErrorCode.NOT_CONTROLLER
        for version in kit.versions(GROW):
            answer = await client.ask(GROW, version, _growth("t", 2), broker=other)
            assert answer.results[0].error_code == ErrorCode.NOT_CONTROLLER
        for version in kit.versions(DELETE):
            answer = await client.ask(DELETE, version, _deletion("nobody"), broker=other)
            assert answer.responses[0].error_code == ErrorCode.NOT_CONTROLLER

    kit.run(scenario, brokers=2)


def test_growth_that_is_refused() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t", 2)

        async def error(message: Message) -> int:
            return int((await client.ask(GROW, 3, message)).results[0].error_code)

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


def test_deletion_by_id_and_what_is_refused() -> None:
    async def scenario(client: kit.Client) -> None:
        created = await client.create("t")

        async def delete(name: str | None, topic_id: uuid.UUID | None, **others: Any) -> Any:
            topics = [Message(name=name, topic_id=topic_id)]
            message = Message(**{"topics": topics, "timeout": 10_000, **others})
            return (await client.ask(DELETE, 6, message)).responses[0]

        unknown = await delete(None, uuid.UUID(int=9))
        assert (unknown.name, unknown.error_code) == (None, ErrorCode.UNKNOWN_TOPIC_ID)
        unknown = await delete("nobody", None)
        assert unknown.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert (await delete("t", created.topic_id)).error_code == ErrorCode.INVALID_REQUEST
        done = await delete(None, created.topic_id)
        assert (done.name, done.topic_id, done.error_code) == ("t", created.topic_id, 0)
        again = await client.create("u")
        late = await delete(None, again.topic_id, timeout=0)
        assert late.error_code == ErrorCode.REQUEST_TIMED_OUT

    kit.run(scenario)


def test_deletion_can_be_forbidden() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        for version in kit.versions(DELETE):
            answer = await client.ask(DELETE, version, _deletion("t"))
            expected = ErrorCode.TOPIC_DELETION_DISABLED
            if version < 3:
                expected = ErrorCode.INVALID_REQUEST
            assert answer.responses[0].error_code == expected

    kit.run(scenario, settings={"delete.topic.enable": "false"})


def test_a_creation_that_is_refused_leaves_no_settings() -> None:
    """Of several at a time, one creates the topic, and the settings are its own."""

    async def create(client: kit.Client, name: str, size: int) -> int:
        request = kit.create_message(name, 1, configs={"segment.bytes": str(size)})
        answer = await client.ask(CREATE, 5, request, client_id=f"client-{size}")
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
