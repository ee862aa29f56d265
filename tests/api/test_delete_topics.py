"""DeleteTopics: every version, and every way to refuse."""

from __future__ import annotations

import uuid
from typing import Any

from tests.api import kit

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


def _deletion(*names: str, timeout: int = 10_000) -> Message:
    topics = [Message(name=name, topic_id=None) for name in names]
    return Message(topics=topics, topic_names=list(names), timeout=timeout)


def test_every_version_deletes() -> None:
    async def scenario(client: kit.Client) -> None:
        for version in kit.versions(ApiKey.DELETE_TOPICS):
            await client.create(f"doomed{version}")
            deletion = _deletion(f"doomed{version}")
            answer = await client.ask(ApiKey.DELETE_TOPICS, version, deletion)
            assert [(r.name, r.error_code) for r in answer.responses] == [(f"doomed{version}", 0)]

    kit.run(scenario)


def test_only_the_controller_deletes() -> None:
    async def scenario(client: kit.Client) -> None:
        other = 3 - await client.controller()
        for version in kit.versions(ApiKey.DELETE_TOPICS):
            deletion = _deletion("nobody")
            answer = await client.ask(ApiKey.DELETE_TOPICS, version, deletion, broker=other)
            assert answer.responses[0].error_code == ErrorCode.NOT_CONTROLLER

    kit.run(scenario, brokers=2)


def test_deletion_by_id_and_what_is_refused() -> None:
    async def scenario(client: kit.Client) -> None:
        created = await client.create("t")

        async def delete(name: str | None, topic_id: uuid.UUID | None, **others: Any) -> Any:
            topics = [Message(name=name, topic_id=topic_id)]
            message = Message(**{"topics": topics, "timeout": 10_000, **others})
            return (await client.ask(ApiKey.DELETE_TOPICS, 6, message)).responses[0]

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
        for version in kit.versions(ApiKey.DELETE_TOPICS):
            answer = await client.ask(ApiKey.DELETE_TOPICS, version, _deletion("t"))
            expected = ErrorCode.TOPIC_DELETION_DISABLED
            if version < 3:
                expected = ErrorCode.INVALID_REQUEST
            assert answer.responses[0].error_code == expected

    kit.run(scenario, settings={"delete.topic.enable": "false"})


def test_more_topics_than_are_looked_at_in_one_go() -> None:
    async def scenario(client: kit.Client) -> None:
        names = [f"x{number}" for number in range(100)]
        answer = await client.ask(ApiKey.DELETE_TOPICS, 6, _deletion(*names))
        assert [result.name for result in answer.responses] == names
        errors = {result.error_code for result in answer.responses}
        assert errors == {ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}

    kit.run(scenario)
