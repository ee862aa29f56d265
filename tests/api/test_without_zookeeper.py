"""What clients hear that ask for something of ZooKeeper while it is away: a code, and in time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.api import kit

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

REQUEST_TIMEOUT_S = 5.0
SETTINGS = {
    "zookeeper.session.timeout.ms": "6000",
    "request.timeout.ms": str(int(REQUEST_TIMEOUT_S * 1000)),
    "offsets.topic.replication.factor": "1",
}
TOPIC = 2
CONFIGS = [Message(name="retention.ms", value="1", config_operation=0)]
RESOURCES = [
    Message(resource_type=TOPIC, resource_name="t", configs=CONFIGS, configuration_keys=None)
]
NAMED = [Message(name="new", topic_id=None)]
GROWN = [Message(name="t", count=2, assignments=None)]
GROUP = 0

NOW, LATER = ErrorCode.REQUEST_TIMED_OUT, ErrorCode.LEADER_NOT_AVAILABLE
NOBODY = ErrorCode.COORDINATOR_NOT_AVAILABLE
QUESTIONS: dict[ApiKey, tuple[int, Message, str, ErrorCode]] = {
    ApiKey.METADATA: (9, Message(topics=NAMED), "topics", LATER),
    ApiKey.CREATE_TOPICS: (7, kit.create_message("newer"), "topics", NOW),
    ApiKey.DELETE_TOPICS: (
        6,
        Message(topics=[Message(name="t", topic_id=None)], timeout=20_000),
        "responses",
        NOW,
    ),
    ApiKey.CREATE_PARTITIONS: (
        3,
        Message(topics=GROWN, timeout=20_000, validate_only=False),
        "results",
        NOW,
    ),
    ApiKey.DESCRIBE_CONFIGS: (4, Message(resources=RESOURCES), "results", NOW),
    ApiKey.ALTER_CONFIGS: (2, Message(resources=RESOURCES), "responses", NOW),
    ApiKey.INCREMENTAL_ALTER_CONFIGS: (1, Message(resources=RESOURCES), "responses", NOW),
    ApiKey.FIND_COORDINATOR: (
        4,
        Message(key_type=GROUP, coordinator_keys=["g"]),
        "coordinators",
        NOBODY,
    ),
}
"""(version, request, field of the answers, what they say)."""


async def _ask(client: kit.Client, api: ApiKey) -> ErrorCode:
    version, message, field, _ = QUESTIONS[api]
    answer: Any = await client.ask(api, version, message, client_id=api.name)
    return ErrorCode(int(getattr(answer, field)[0].error_code))


@pytest.mark.parametrize("api", QUESTIONS, ids=lambda api: api.name)
def test_a_coordinator_that_stays_away(api: ApiKey) -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await client.connection(client_id=api.name)
        client.simulation.processes["zk"].kill()
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        assert await _ask(client, api) == QUESTIONS[api][-1]
        assert loop.time() - asked_at < REQUEST_TIMEOUT_S + 0.5

    kit.run(scenario, settings=SETTINGS)


def test_a_session_that_ends_meanwhile() -> None:
    """The coordinator comes back and knows nothing of the broker. No answer is better than a
    traceback, a code is better than no answer."""

    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        for api in QUESTIONS:
            await client.connection(client_id=api.name)
        client.simulation.processes["zk"].kill()
        asking = {api: asyncio.ensure_future(_ask(client, api)) for api in QUESTIONS}
        await asyncio.sleep(REQUEST_TIMEOUT_S / 2)
        client.simulation.processes["zk"].start()
        for api, answer in asking.items():
            assert await answer in {QUESTIONS[api][-1], ErrorCode.NOT_CONTROLLER}

    kit.run(scenario, settings=SETTINGS)
