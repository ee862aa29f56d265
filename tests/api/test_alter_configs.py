"""AlterConfigs and IncrementalAlterConfigs: every version, refusals, and what changes with them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from tests.api import kit

from barnabas.broker.dynamic_config import DynamicBrokerConfig
from barnabas.config.broker_config import BrokerConfig
from barnabas.errors import ConfigError, ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.zk import paths
from barnabas.zk.admin import read_config, write_config

ALTER, INCREMENTAL = ApiKey.ALTER_CONFIGS, ApiKey.INCREMENTAL_ALTER_CONFIGS
TOPIC, BROKER, LOGGER, METRICS = 2, 4, 8, 16
SET, DELETE, APPEND, SUBTRACT = range(4)
OF_TOPIC, OF_BROKER, OF_ALL, OF_FILE, DEFAULT = range(1, 6)

Operation = tuple[int, str, str | None]


def _resource(kind: int, name: str, operations: list[Operation]) -> Message:
    configs = [Message(config_operation=o, name=n, value=v) for o, n, v in operations]
    return Message(resource_type=kind, resource_name=name, configs=configs)


async def _alter(
    client: kit.Client,
    kind: int,
    name: str,
    *operations: Operation,
    api: ApiKey = INCREMENTAL,
    version: int = 1,
    validate_only: bool = False,
    broker: int = 1,
) -> Any:
    message = Message(
        resources=[_resource(kind, name, list(operations))], validate_only=validate_only
    )
    (result,) = (await client.ask(api, version, message, broker=broker)).responses
    assert (result.resource_type, result.resource_name) == (kind, name)
    return result


async def _value(
    client: kit.Client, kind: int, name: str, key: str, *, broker: int = 1
) -> tuple[str | None, int, list[tuple[str, str | None, int]]] | None:
    """(value, source, synonyms) as described; None if it is not."""
    resource = Message(resource_type=kind, resource_name=name, configuration_keys=[key])
    message = Message(resources=[resource], include_synonyms=True, include_documentation=False)
    (result,) = (await client.ask(ApiKey.DESCRIBE_CONFIGS, 4, message, broker=broker)).results
    assert result.error_code == 0
    for entry in result.configs:
        synonyms = [(s.name, s.value, s.source) for s in entry.synonyms]
        return entry.value, entry.config_source, synonyms
    return None


async def _until(condition: Callable[[], Any]) -> None:
    while True:
        if await condition():
            return
        await asyncio.sleep(0.1)


def test_topics_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t", **{"retention.ms": "5000"})
        for version in kit.versions(INCREMENTAL):
            done = await _alter(
                client,
                TOPIC,
                "t",
                (SET, "segment.bytes", str(20_000 + version)),
                (APPEND, "cleanup.policy", "compact"),
                (DELETE, "retention.ms", None),
                version=version,
            )
            assert (done.error_code, done.error_message) == (0, None)
            segment = await _value(client, TOPIC, "t", "segment.bytes")
            assert segment is not None
            assert segment[:2] == (str(20_000 + version), OF_TOPIC)
            policy = await _value(client, TOPIC, "t", "cleanup.policy")
            assert policy is not None
            assert policy[:2] == ("delete,compact", OF_TOPIC)
            kept = await _value(client, TOPIC, "t", "retention.ms")
            assert kept is not None
            assert kept[1] == DEFAULT
        await _alter(client, TOPIC, "t", (SUBTRACT, "cleanup.policy", "delete"))
        policy = await _value(client, TOPIC, "t", "cleanup.policy")
        assert policy is not None
        assert policy[0] == "compact"
        for version in kit.versions(ALTER):
            one = (SET, "retention.ms", str(version))
            done = await _alter(client, TOPIC, "t", one, api=ALTER, version=version)
            assert done.error_code == 0
            found = await read_config(await kit.zookeeper(client.env), paths.topic_entity("t"))
            assert found == {"retention.ms": str(version)}, "all others are gone"

    kit.run(scenario)


def test_a_log_goes_by_new_settings() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        assert (await client.produce("t", b"x" * 200)).error_code == 0
        await _alter(client, TOPIC, "t", (SET, "max.message.bytes", "100"))

        async def too_large() -> bool:
            found = await client.produce("t", b"x" * 200)
            return bool(found.error_code == ErrorCode.MESSAGE_TOO_LARGE)

        await _until(too_large)
        await _alter(client, TOPIC, "t", (DELETE, "max.message.bytes", None))
        await _alter(client, BROKER, "", (SET, "message.max.bytes", "120"))
        await _until(too_large)

    kit.run(scenario)


INVALID_CONFIG, INVALID_REQUEST = ErrorCode.INVALID_CONFIG, ErrorCode.INVALID_REQUEST


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
        found = await _alter(client, kind, name, *operations)
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
            _resource(TOPIC, "t", change),
            _resource(TOPIC, "u", change),
            _resource(BROKER, "", [(SET, "log.retention.ms", "7")]),
            _resource(BROKER, "1", []),
            _resource(BROKER, "1", []),
        ]
        for validate_only in (True, False):
            message = Message(resources=resources, validate_only=validate_only)
            answer = await client.ask(INCREMENTAL, 1, message)
            assert [r.error_code for r in answer.responses] == [
                0,
                ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
                0,
                INVALID_REQUEST,
                INVALID_REQUEST,
            ]
            kept = await _value(client, TOPIC, "t", "retention.ms")
            assert kept is not None
            assert kept[0] == ("604800000" if validate_only else "5")
        kept = await _value(client, TOPIC, "t", "retention.ms")
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


def test_layers_of_a_broker() -> None:
    async def scenario(client: kit.Client) -> None:
        name = "log.segment.bytes"
        await _alter(client, BROKER, "", (SET, name, "20000"), (SET, "num.io.threads", "9"))
        await _alter(client, BROKER, "1", (SET, name, "30000"))
        given = [(name, "16384", OF_FILE), (name, "1073741824", DEFAULT)]
        assert await _value(client, BROKER, "1", name) == (
            "30000",
            OF_BROKER,
            [(name, "30000", OF_BROKER), (name, "20000", OF_ALL), *given],
        )
        of_all = ("20000", OF_ALL, [(name, "20000", OF_ALL)])
        assert await _value(client, BROKER, "", name) == of_all
        threads = await _value(client, BROKER, "1", "num.io.threads")
        of_default = ("num.io.threads", "8", DEFAULT)
        assert threads == ("9", OF_ALL, [("num.io.threads", "9", OF_ALL), of_default])

        async def followed() -> bool:
            found = await _value(client, BROKER, "2", name, broker=2)
            return found is not None and found[:2] == ("20000", OF_ALL)

        await _until(followed)
        broker = client.simulation.processes["b1"]
        broker.kill()
        broker.start()

        async def back() -> bool:
            try:
                found = await _value(client, BROKER, "1", name)
            except OSError:
                return False
            return found is not None and found[:2] == ("30000", OF_BROKER)

        await _until(back)
        await _alter(client, BROKER, "1", (DELETE, name, None))
        found = await _value(client, BROKER, "1", name)
        assert found is not None
        assert found[:2] == ("20000", OF_ALL)

    kit.run(scenario, brokers=2, settings={"log.segment.bytes": "16384"})


def test_what_another_tool_wrote_in_vain_does_no_harm() -> None:
    async def scenario(client: kit.Client) -> None:
        zookeeper = await kit.zookeeper(client.env)
        entity = paths.broker_entity(1)
        written = {"broker.id": "7", "flies": "1", "log.segment.bytes": "x", "max.connections": "9"}
        await write_config(zookeeper, entity, written)

        async def taken() -> bool:
            found = await _value(client, BROKER, "1", "max.connections")
            return found is not None and found[:2] == ("9", OF_BROKER)

        await _until(taken)
        kept = (None, OF_BROKER, [("flies", None, OF_BROKER)])  # a plug-in's, perhaps secret
        assert await _value(client, BROKER, "1", "flies") == kept
        await write_config(zookeeper, entity, {"listeners": "PLAINTEXT://elsewhere:1"})
        await asyncio.sleep(1)
        found = await _value(client, BROKER, "1", "listeners")
        assert found is not None
        assert found[:2] == ("PLAINTEXT://b1:9092", OF_FILE)

    kit.run(scenario)


def test_no_broker_starts_with_security_that_zookeeper_holds_for_it() -> None:
    async def scenario(client: kit.Client) -> None:
        zookeeper = await kit.zookeeper(client.env)
        asked = "listener.name.plaintext.ssl.client.auth"
        await write_config(zookeeper, paths.broker_entity(7), {asked: "required"})
        starting = DynamicBrokerConfig(BrokerConfig({"broker.id": "7"}), zookeeper)
        with pytest.raises(ConfigError, match=f"{asked}: not supported.* /config/brokers/7"):
            await starting.load(7)
        await write_config(zookeeper, paths.broker_entity(7), {asked: "none"})
        await starting.load(7)

    kit.run(scenario)


def test_new_advertised_listeners_reach_everybody() -> None:
    async def scenario(client: kit.Client) -> None:
        async def told(host: str, broker: int) -> bool:
            view = await client.ask(ApiKey.METADATA, 1, Message(topics=[]), broker=broker)
            return {b.node_id: b.host for b in view.brokers} == {1: "b1", 2: host}

        listener = (SET, "advertised.listeners", "PLAINTEXT://moved:9092")
        done = await _alter(client, BROKER, "2", listener, broker=2)
        assert done.error_code == 0
        for broker in (1, 2):
            await _until(lambda broker=broker: told("moved", broker))  # type: ignore[misc]
        await _alter(client, BROKER, "2", (DELETE, "advertised.listeners", None), broker=2)
        for broker in (1, 2):
            await _until(lambda broker=broker: told("b2", broker))  # type: ignore[misc]

    kit.run(scenario, brokers=2)


def test_allowing_unclean_elections_for_all_brings_a_leader() -> None:
    async def scenario(client: kit.Client) -> None:
        view = await client.ask(ApiKey.METADATA, 1, Message(topics=[]))
        controller = view.controller_id
        lost, late = (b for b in (1, 2, 3) if b != controller)
        part = Message(partition_index=0, broker_ids=[lost, late])
        message = kit.create_message("t", -1, -1, assignments=[part])
        await client.ask(ApiKey.CREATE_TOPICS, 7, message, broker=controller)

        async def partition() -> Any:
            topics = [Message(topic_id=None, name="t")]
            message = Message(topics=topics, allow_auto_topic_creation=False)
            view = await client.ask(ApiKey.METADATA, 9, message, broker=controller)
            return view.topics[0].partitions[0]

        async def isr_of(size: int, leader: int) -> bool:
            found = await partition()
            return len(found.isr_nodes) == size and found.leader_id == leader

        await _until(lambda: isr_of(2, lost))
        processes = client.simulation.processes
        processes[f"b{late}"].kill()
        await _until(lambda: isr_of(1, lost))
        processes[f"b{lost}"].kill()
        await _until(lambda: isr_of(1, -1))
        processes[f"b{late}"].start()
        await asyncio.sleep(5)
        assert await isr_of(1, -1)
        setting = "unclean.leader.election.enable"
        done = await _alter(client, BROKER, "", (SET, setting, "true"), broker=controller)
        assert done.error_code == 0
        await _until(lambda: isr_of(1, late))

    kit.run(scenario, brokers=3)


def test_loggers() -> None:
    async def scenario(client: kit.Client) -> None:
        name = "tests.altered"
        logger = logging.getLogger(name)
        done = await _alter(client, LOGGER, "1", (SET, name, "ERROR"), validate_only=True)
        assert (done.error_code, logger.level) == (0, logging.NOTSET)
        await _alter(client, LOGGER, "1", (SET, name, "FATAL"))
        assert logger.level == logging.CRITICAL
        found = await _value(client, LOGGER, "1", name)
        assert found == ("FATAL", 6, [])
        await _alter(client, LOGGER, "1", (DELETE, name, None))
        assert logger.level == logging.NOTSET
        refused = await _alter(client, LOGGER, "1", (SET, name, "INFO"), api=ALTER, version=2)
        assert refused.error_code == INVALID_REQUEST

    kit.run(scenario)
