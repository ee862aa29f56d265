"""IncrementalAlterConfigs: what is written, what is refused, who follows."""

from __future__ import annotations

import pytest
from tests.api import kit
from tests.api.config_kit import (
    APPEND,
    BROKER,
    DEFAULT,
    DELETE,
    INVALID_CONFIG,
    INVALID_REQUEST,
    LOGGER,
    METRICS,
    OF_ALL,
    OF_TOPIC,
    SET,
    SUBTRACT,
    TOPIC,
    Operation,
    alter,
    alteration,
    described,
)

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.zk import paths
from barnabas.zk.admin import read_config


def test_topics_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t", **{"retention.ms": "5000"})
        for version in kit.versions(ApiKey.INCREMENTAL_ALTER_CONFIGS):
            done = await alter(
                client,
                TOPIC,
                "t",
                (SET, "segment.bytes", str(20_000 + version)),
                (APPEND, "cleanup.policy", "compact"),
                (DELETE, "retention.ms", None),
                version=version,
            )
            assert (done.error_code, done.error_message) == (0, None)
            segment = await described(client, TOPIC, "t", "segment.bytes")
            assert segment is not None
            assert segment[:2] == (str(20_000 + version), OF_TOPIC)
            policy = await described(client, TOPIC, "t", "cleanup.policy")
            assert policy is not None
            assert policy[:2] == ("delete,compact", OF_TOPIC)
            kept = await described(client, TOPIC, "t", "retention.ms")
            assert kept is not None
            assert kept[1] == DEFAULT
        await alter(client, TOPIC, "t", (SUBTRACT, "cleanup.policy", "delete"))
        policy = await described(client, TOPIC, "t", "cleanup.policy")
        assert policy is not None
        assert policy[0] == "compact"

    kit.run(scenario)


@pytest.mark.parametrize(
    ("kind", "name", "operations", "code", "message"),
    [
        (TOPIC, "", [], INVALID_REQUEST, "Default topic resources are not allowed."),
        (TOPIC, "u", [], ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "The topic 'u' does not exist."),
        (TOPIC, "a/b", [], ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, None),
        (TOPIC, "t", [(SET, "flies", "1")], INVALID_CONFIG, "Unknown topic config name: flies"),
        (TOPIC, "t", [(SET, "segment.bytes", "x")], INVALID_CONFIG, None),
        (TOPIC, "t", [(SET, "cleanup.policy", "burn")], INVALID_CONFIG, None),
        (TOPIC, "t", [(APPEND, "segment.bytes", "1")], INVALID_CONFIG, None),
        (TOPIC, "t", [(SET, "segment.bytes", None)], INVALID_REQUEST, None),
        (TOPIC, "t", [(9, "segment.bytes", "99")], INVALID_REQUEST, None),
        (
            TOPIC,
            "t",
            [(SET, "segment.ms", "99"), (DELETE, "segment.ms", None)],
            INVALID_REQUEST,
            "Error due to duplicate config keys",
        ),
        (
            TOPIC,
            "t",
            [(SET, "max.compaction.lag.ms", "5"), (SET, "min.compaction.lag.ms", "6")],
            INVALID_CONFIG,
            None,
        ),
        (BROKER, "2", [], INVALID_REQUEST, "Unexpected broker id, expected 1, but received 2"),
        (BROKER, "x", [], INVALID_REQUEST, "Node id must be an integer, but it is: x"),
        (BROKER, "1", [(SET, "broker.id", "4")], INVALID_REQUEST, None),
        (BROKER, "", [(SET, "advertised.listeners", "PLAINTEXT://x:1")], INVALID_REQUEST, None),
        (BROKER, "1", [(SET, "listeners", "PLAINTEXT://x:1")], INVALID_REQUEST, None),
        (BROKER, "1", [(SET, "log.segment.bytes", "1")], INVALID_REQUEST, None),
        (BROKER, "1", [(APPEND, "log.segment.bytes", "1")], INVALID_CONFIG, None),
        (METRICS, "m", [], INVALID_REQUEST, None),
        (99, "m", [], INVALID_REQUEST, "Unknown resource type 99"),
        (LOGGER, "1", [(SET, "nobody", "INFO")], INVALID_CONFIG, None),
        (LOGGER, "1", [(SET, "root", "LOUD")], INVALID_CONFIG, None),
        (LOGGER, "1", [(APPEND, "root", "INFO")], INVALID_REQUEST, None),
        (LOGGER, "1", [(DELETE, "root", None)], INVALID_REQUEST, None),
        (LOGGER, "2", [(SET, "root", "INFO")], INVALID_REQUEST, None),
    ],
)
def test_refused(
    kind: int, name: str, operations: list[Operation], code: ErrorCode, message: str | None
) -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t", **{"segment.bytes": "30000"})
        found = await alter(client, kind, name, *operations)
        assert found.error_code == code
        assert message is None or found.error_message == message
        zookeeper = await kit.zookeeper(client.env)
        entity = paths.topic_entity("t")
        assert await read_config(zookeeper, entity) == {"segment.bytes": "30000"}

    kit.run(scenario)


def test_several_resources_each_on_its_own_and_validation_writes_nothing() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        change: list[Operation] = [(SET, "retention.ms", "5")]
        resources = [
            alteration(TOPIC, "t", change),
            alteration(TOPIC, "u", change),
            alteration(BROKER, "", [(SET, "log.retention.ms", "7")]),
            alteration(BROKER, "1", []),
            alteration(BROKER, "1", []),
        ]
        for validate_only in (True, False):
            message = Message(resources=resources, validate_only=validate_only)
            answer = await client.ask(ApiKey.INCREMENTAL_ALTER_CONFIGS, 1, message)
            assert [r.error_code for r in answer.responses] == [
                0,
                ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
                0,
                INVALID_REQUEST,
                INVALID_REQUEST,
            ]
            kept = await described(client, TOPIC, "t", "retention.ms")
            assert kept is not None
            assert kept[0] == ("604800000" if validate_only else "5")
        kept = await described(client, TOPIC, "t", "retention.ms")
        assert kept == (
            "5",
            OF_TOPIC,
            [
                ("retention.ms", "5", OF_TOPIC),
                ("log.retention.ms", "7", OF_ALL),
                ("log.retention.hours", "168", DEFAULT),
            ],
        )

    kit.run(scenario)
