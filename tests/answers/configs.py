"""Wrong inputs: settings of topics, brokers, loggers, clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.answers.case import MISSING, PLAIN, Case, case

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

TOPIC, BROKER, LOGGER, METRICS, GROUPS = 2, 4, 8, 16, 32
SET, DELETE, APPEND, SUBTRACT = range(4)


def _describe(kind: int, name: str, *keys: str, all_keys: bool = False) -> Message:
    wanted = None if all_keys else list(keys)
    resource = Message(resource_type=kind, resource_name=name, configuration_keys=wanted)
    return Message(resources=[resource])


_DESCRIBE: list[tuple[str, Message]] = [
    ("missing topic", _describe(TOPIC, MISSING)),
    ("topic name empty", _describe(TOPIC, "")),
    ("topic name with a space", _describe(TOPIC, "a b")),
    ("topic name with a slash", _describe(TOPIC, "a/b")),
    ("topic name of 250 characters", _describe(TOPIC, "n" * 250)),
    ("no keys of a topic", _describe(TOPIC, PLAIN)),
    ("unknown key of a topic", _describe(TOPIC, PLAIN, "no.such")),
    ("broker name not a number", _describe(BROKER, "one", "num.partitions")),
    ("broker name 1.0", _describe(BROKER, "1.0", "num.partitions")),
    ("broker name with a space", _describe(BROKER, " 1", "num.partitions")),
    ("broker name +1", _describe(BROKER, "+1", "broker.id")),
    ("broker name with an underscore", _describe(BROKER, "1_0", "broker.id")),
    ("another broker", _describe(BROKER, "99", "num.partitions")),
    ("negative broker", _describe(BROKER, "-1", "num.partitions")),
    ("broker 2^31", _describe(BROKER, "2147483648", "num.partitions")),
    ("unknown key of a broker", _describe(BROKER, "1", "no.such")),
    ("default broker", _describe(BROKER, "", "no.such")),
    ("logger of no broker", _describe(LOGGER, "", "root")),
    ("logger of a name", _describe(LOGGER, "one", "root")),
    ("logger of another broker", _describe(LOGGER, "99", "root")),
    ("unknown logger", _describe(LOGGER, "1", "no.such.logger")),
    ("client metrics", _describe(METRICS, "m", all_keys=True)),
    ("client metrics without a name", _describe(METRICS, "", all_keys=True)),
    ("group", _describe(GROUPS, "g", all_keys=True)),
    ("unknown resource type 0", _describe(0, "x")),
    ("resource type 1", _describe(1, "x")),
    ("resource type 3", _describe(3, "x")),
    ("resource type 99", _describe(99, "x")),
    ("resource type -1", _describe(-1, "x")),
    ("twice", Message(resources=_describe(TOPIC, MISSING).resources * 2)),
    ("none", Message(resources=[])),
]


def _alter(
    kind: int, name: str, configs: Mapping[str, str | None], *, validate_only: bool = True
) -> Message:
    listed = [Message(name=k, value=v) for k, v in configs.items()]
    resource = Message(resource_type=kind, resource_name=name, configs=listed)
    return Message(resources=[resource], validate_only=validate_only)


def _incremental(
    kind: int, name: str, *operations: tuple[str, int, str | None], validate_only: bool = True
) -> Message:
    listed = [Message(name=k, config_operation=op, value=v) for k, op, v in operations]
    resource = Message(resource_type=kind, resource_name=name, configs=listed)
    return Message(resources=[resource], validate_only=validate_only)


_RESOURCES: list[tuple[str, int, str, Mapping[str, str | None]]] = [
    ("missing topic", TOPIC, MISSING, {"retention.ms": "1"}),
    ("topic name empty", TOPIC, "", {"retention.ms": "1"}),
    ("topic name with a space", TOPIC, "a b", {"retention.ms": "1"}),
    ("topic name with a slash", TOPIC, "a/b", {"retention.ms": "1"}),
    ("missing topic, unknown config", TOPIC, MISSING, {"no.such": "1"}),
    ("config unknown", TOPIC, PLAIN, {"no.such": "1"}),
    ("configs unknown, two", TOPIC, PLAIN, {"no.such": "1", "nor.this": "2"}),
    ("config null", TOPIC, PLAIN, {"retention.ms": None}),
    ("configs null, two", TOPIC, PLAIN, {"retention.ms": None, "segment.ms": None}),
    ("config of a broker", TOPIC, PLAIN, {"log.retention.ms": "1"}),
    ("config value", TOPIC, PLAIN, {"retention.ms": "soon"}),
    ("config value empty", TOPIC, PLAIN, {"retention.ms": ""}),
    ("broker name not a number", BROKER, "one", {"log.retention.ms": "1"}),
    ("broker name with a space", BROKER, " 1", {"log.retention.ms": "1"}),
    ("another broker", BROKER, "99", {"log.retention.ms": "1"}),
    ("negative broker", BROKER, "-1", {"log.retention.ms": "1"}),
    ("broker 2^31", BROKER, "2147483648", {"log.retention.ms": "1"}),
    ("broker, static config", BROKER, "1", {"broker.id": "2"}),
    (
        "broker, static configs",
        BROKER,
        "1",
        {"zookeeper.connect": "x", "port": "1", "log.dirs": "/"},
    ),
    ("broker, static config for all", BROKER, "", {"broker.id": "2"}),
    ("broker, config of one for all", BROKER, "", {"listeners": "PLAINTEXT://:1"}),
    ("broker, listener config for all", BROKER, "", {"listener.name.x.ssl.keystore.type": "JKS"}),
    ("broker, config null", BROKER, "1", {"log.retention.ms": None}),
    ("broker, config value", BROKER, "1", {"log.retention.ms": "soon"}),
    ("broker, config value for all", BROKER, "", {"log.retention.ms": "soon"}),
    ("broker, value out of range", BROKER, "1", {"log.cleaner.threads": "0"}),
    ("broker, threads from 8 to 100", BROKER, "1", {"num.io.threads": "100"}),
    ("broker, threads from 8 to 1", BROKER, "1", {"num.io.threads": "1"}),
    ("broker, threads 0", BROKER, "1", {"num.io.threads": "0"}),
    (
        "broker, per-broker and cluster mix",
        BROKER,
        "1",
        {"log.retention.ms": "soon", "broker.id": "2"},
    ),
    ("broker, password config", BROKER, "1", {"ssl.key.password": "x"}),
    ("config value too great", TOPIC, PLAIN, {"segment.bytes": "9999999999"}),
    ("config value not whole", TOPIC, PLAIN, {"segment.bytes": "1.5"}),
    ("config value of a ratio", TOPIC, PLAIN, {"min.cleanable.dirty.ratio": "1.5"}),
    ("config value not a boolean", TOPIC, PLAIN, {"preallocate": "yes"}),
    ("config value of a list", TOPIC, PLAIN, {"cleanup.policy": "delete,shred"}),
    (
        "config values that do not fit",
        TOPIC,
        PLAIN,
        {"min.compaction.lag.ms": "9", "max.compaction.lag.ms": "5"},
    ),
    ("config of a compression", TOPIC, PLAIN, {"compression.type": "rar"}),
    ("config of a level", TOPIC, PLAIN, {"compression.gzip.level": "99"}),
    ("config of throttled replicas", TOPIC, PLAIN, {"leader.replication.throttled.replicas": "x"}),
    ("config of remote storage", TOPIC, PLAIN, {"remote.storage.enable": "true"}),
    ("broker, static and unknown", BROKER, "1", {"broker.id": "2", "no.such": "1"}),
    ("broker, unknown config", BROKER, "1", {"no.such": "1"}),
    ("broker, unknown config for all", BROKER, "", {"no.such": "1"}),
    ("broker, a quota", BROKER, "1", {"producer_byte_rate": "1"}),
    ("broker, throttle", BROKER, "1", {"leader.replication.throttled.rate": "-1"}),
    (
        "broker, two wrong values",
        BROKER,
        "1",
        {"log.retention.ms": "soon", "log.segment.bytes": "1"},
    ),
    ("broker, segments of one byte", BROKER, "1", {"log.segment.bytes": "1"}),
    ("broker, listeners", BROKER, "1", {"listeners": "nonsense"}),
    ("broker, advertised listeners", BROKER, "1", {"advertised.listeners": "nonsense"}),
    ("broker, metric reporters", BROKER, "1", {"metric.reporters": "no.such.Class"}),
    ("broker, hours", BROKER, "1", {"log.retention.hours": "5"}),
    ("broker, topic's config", BROKER, "1", {"retention.ms": "5"}),
    ("no configs", TOPIC, PLAIN, {}),
    ("broker, no configs", BROKER, "1", {}),
    ("client metrics", METRICS, "m", {"interval.ms": "1000"}),
    ("client metrics without a name", METRICS, "", {"interval.ms": "1000"}),
    ("group", GROUPS, "g", {"consumer.session.timeout.ms": "1"}),
    ("resource type 0", 0, "x", {"a": "1"}),
    ("resource type 1", 1, "x", {"a": "1"}),
    ("resource type 3", 3, "x", {"a": "1"}),
    ("resource type 99", 99, "x", {"a": "1"}),
    ("logger, not a broker", LOGGER, "one", {"root": "INFO"}),
    ("logger of all", LOGGER, "", {"root": "INFO"}),
    ("logger of another", LOGGER, "99", {"root": "INFO"}),
    ("logger unknown", LOGGER, "1", {"no.such.logger": "INFO"}),
    ("logger, level", LOGGER, "1", {"root": "LOUD"}),
    ("logger, level null", LOGGER, "1", {"root": None}),
    ("logger, level in small letters", LOGGER, "1", {"root": "info"}),
]


def _twice(kind: int, name: str) -> Message:
    resource = _incremental(kind, name, ("retention.ms", SET, "1")).resources[0]
    return Message(resources=[resource, resource], validate_only=True)


_INCREMENTAL: list[tuple[str, Any]] = [
    ("operation 9", _incremental(TOPIC, PLAIN, ("retention.ms", 9, "1"))),
    ("operation -1", _incremental(TOPIC, PLAIN, ("retention.ms", -1, "1"))),
    ("operation 9 on a missing topic", _incremental(TOPIC, MISSING, ("retention.ms", 9, "1"))),
    ("append to a number", _incremental(TOPIC, PLAIN, ("retention.ms", APPEND, "1"))),
    ("subtract from a number", _incremental(TOPIC, PLAIN, ("retention.ms", SUBTRACT, "1"))),
    ("append null", _incremental(TOPIC, PLAIN, ("cleanup.policy", APPEND, None))),
    ("append a wrong value", _incremental(TOPIC, PLAIN, ("cleanup.policy", APPEND, "shred"))),
    ("append to unknown", _incremental(TOPIC, PLAIN, ("no.such", APPEND, "1"))),
    ("subtract all", _incremental(TOPIC, PLAIN, ("cleanup.policy", SUBTRACT, "delete"))),
    ("subtract what is not there", _incremental(TOPIC, PLAIN, ("cleanup.policy", SUBTRACT, "x"))),
    ("delete unknown", _incremental(TOPIC, PLAIN, ("no.such", DELETE, None))),
    ("delete with a value", _incremental(TOPIC, PLAIN, ("retention.ms", DELETE, "1"))),
    ("delete what is not set", _incremental(TOPIC, PLAIN, ("segment.ms", DELETE, None))),
    ("key twice", _incremental(TOPIC, PLAIN, ("segment.ms", SET, "1"), ("segment.ms", SET, "2"))),
    (
        "key set and deleted",
        _incremental(TOPIC, PLAIN, ("segment.ms", SET, "1"), ("segment.ms", DELETE, None)),
    ),
    ("resource twice", _twice(TOPIC, PLAIN)),
    ("missing resource twice", _twice(TOPIC, MISSING)),
    ("broker twice", _twice(BROKER, "1")),
    ("broker, append to a number", _incremental(BROKER, "1", ("log.retention.ms", APPEND, "1"))),
    ("broker, append to unknown", _incremental(BROKER, "1", ("no.such", APPEND, "1"))),
    ("broker, delete static", _incremental(BROKER, "1", ("broker.id", DELETE, None))),
    ("broker, delete unknown", _incremental(BROKER, "1", ("no.such", DELETE, None))),
    ("logger, append", _incremental(LOGGER, "1", ("root", APPEND, "INFO"))),
    ("logger, subtract", _incremental(LOGGER, "1", ("root", SUBTRACT, "INFO"))),
    ("logger, root deleted", _incremental(LOGGER, "1", ("root", DELETE, None))),
    ("logger, unknown deleted", _incremental(LOGGER, "1", ("no.such", DELETE, None))),
    ("none", Message(resources=[], validate_only=True)),
]

CASES: list[Case] = [
    *(case(ApiKey.DESCRIBE_CONFIGS, what, m, to=1) for what, m in _DESCRIBE),
    *(
        case(ApiKey.ALTER_CONFIGS, what, _alter(kind, name, configs), to=1)
        for what, kind, name, configs in _RESOURCES
    ),
    case(
        ApiKey.ALTER_CONFIGS,
        "resource twice",
        Message(
            resources=_alter(TOPIC, PLAIN, {"segment.ms": "1"}).resources * 2, validate_only=True
        ),
        to=1,
    ),
    *(
        case(
            ApiKey.INCREMENTAL_ALTER_CONFIGS,
            what,
            _incremental(kind, name, *((k, SET, v) for k, v in configs.items())),
            to=1,
        )
        for what, kind, name, configs in _RESOURCES
    ),
    *(case(ApiKey.INCREMENTAL_ALTER_CONFIGS, what, m, to=1) for what, m in _INCREMENTAL),
]
