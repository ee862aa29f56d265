"""KafkaConfig.validateValues in ZooKeeper mode: rules for several settings together. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from barnabas.config.checks import Value
from barnabas.config.java import parse_csv, parse_integer
from barnabas.config.settings import ASSIGNOR_CLASSES, SETTINGS, TOPIC_SETTINGS, topic_default
from barnabas.errors import ConfigError
from barnabas.protocol.inter_broker import inter_broker_versions

Values = Mapping[str, Value]
"""Every setting's value, by name."""
_HOST_CHARACTERS = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-%._:")
_BETWEEN_BOUNDS = (
    ("consumer", "session.timeout.ms"),
    ("consumer", "heartbeat.interval.ms"),
    ("share", "session.timeout.ms"),
    ("share", "heartbeat.interval.ms"),
    ("share", "record.lock.duration.ms"),
)
_BEFORE_FORMAT_2 = ("0.8", "0.9", "0.10")


def check_relations(values: Values, given: Mapping[str, str]) -> None:
    """Raises ConfigError if a broker cannot run with ``values``. ``given``: those that were set."""
    _check_ids(values)
    _check_logs(values)
    _check_replication(values)
    _check_network(values)
    _check_groups(values)
    if "security.inter.broker.protocol" in given and values["inter.broker.listener.name"]:
        raise ConfigError(
            "inter.broker.listener.name: only one of it and security.inter.broker.protocol"
            " should be set"
        )


def _number(values: Values, name: str) -> int:
    return cast("int", values[name])


class RequirementError(ConfigError):
    """Settings that are valid by themselves, but not together."""


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise RequirementError(message)


def _check_ids(values: Values) -> None:
    broker_id = _number(values, "broker.id")
    _require(
        broker_id == _number(values, "node.id"), "node.id: must be the same as broker.id, if set"
    )
    if values["broker.id.generation.enable"]:
        _require(
            -1 <= broker_id <= _number(values, "reserved.broker.max.id"),
            "broker.id: must be at least -1 and not exceed reserved.broker.max.id",
        )
    else:
        _require(broker_id >= 0, "broker.id: required when broker.id.generation.enable is false")


def _check_logs(values: Values) -> None:
    for name, setting in TOPIC_SETTINGS.items():
        wrong = setting.wrong(topic_default(name, values)) if setting.behind else None
        if wrong is not None:
            behind = next(b for b, _ in setting.behind if values[b] is not None)
            if behind.startswith("log.roll."):
                bound = 0 if "jitter" in behind else 1
                raise RequirementError(f"{behind} must be greater than or equal to {bound}")
            raise ConfigError(
                f"Invalid value {values[behind]} for configuration {behind}: {wrong[1]}"
            )
    _require(
        topic_default("retention.ms", values) != 0,
        "log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
    )
    least, most = "log.cleaner.min.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms"
    _require(
        _number(values, least) <= _number(values, most),
        f"{least}: {values[least]} must not exceed {most} ({values[most]})",
    )
    version, of_records = "inter.broker.protocol.version", "log.message.format.version"
    _require(
        not str(values[version]).startswith(_BEFORE_FORMAT_2)
        or str(values[of_records]).startswith(_BEFORE_FORMAT_2),
        f"{of_records}: {values[of_records]} needs a greater {version} than {values[version]}",
    )
    try:
        inter_broker_versions(str(values[version]))
    except ValueError as error:
        raise ConfigError(f"{version}: {error}") from None
    threads = _number(values, "log.cleaner.threads")
    _require(threads >= 1, "log.cleaner.threads: must be at least 1")
    _require(
        _number(values, "log.cleaner.dedupe.buffer.size") // threads > 1024 * 1024,
        "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
    )


def _check_replication(values: Values) -> None:
    wait = "replica.fetch.wait.max.ms"
    for greater in ("replica.socket.timeout.ms", "replica.lag.time.max.ms"):
        _require(
            _number(values, wait) <= _number(values, greater), f"{wait}: must not exceed {greater}"
        )


def _check_network(values: Values) -> None:
    idle, delay = "connections.max.idle.ms", "connection.failed.authentication.delay.ms"
    _require(
        _number(values, idle) < 0 or _number(values, delay) < _number(values, idle),
        f"{idle}: {values[idle]} must be greater than {delay} ({values[delay]}), or negative",
    )
    queued, largest = "queued.max.request.bytes", "socket.request.max.bytes"
    _require(
        not 0 < _number(values, queued) < _number(values, largest),
        f"{queued}: must not be less than {largest}",
    )
    overrides = connections_per_address(cast("str", values["max.connections.per.ip.overrides"]))
    _require(
        bool(overrides) or _number(values, "max.connections.per.ip") != 0,
        "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides"
        " property is set.",
    )


def connections_per_address(text: str) -> dict[str, int]:
    """``max.connections.per.ip.overrides``: host or address -> connections. Raises ConfigError."""
    found = {}
    for item in parse_csv(text):
        host, colon, count = item.rpartition(":")
        try:
            if not colon or not _HOST_CHARACTERS.issuperset(host.strip()):
                raise ValueError(item)
            found[host.strip()] = parse_integer(count.strip(), 32)
        except ValueError:
            raise ConfigError(
                f"max.connections.per.ip.overrides: '{ascii(item)[1:-1]}' is not host:connections"
            ) from None
    return found


def _check_groups(values: Values) -> None:
    protocols = cast("tuple[str, ...]", values["group.coordinator.rebalance.protocols"])
    name = "group.coordinator.rebalance.protocols"
    _require("classic" in protocols, f"{name}: disabling classic is not supported")
    for other in protocols:
        _require(other in ("classic", "consumer"), f"{name}: {other} groups are not served")
    assignors = cast("tuple[str, ...]", values["group.consumer.assignors"])
    for assignor in assignors:
        _require(
            assignor in ASSIGNOR_CLASSES, f"group.consumer.assignors: {assignor!r} is not supported"
        )
    _require(
        bool(assignors) or "consumer" not in protocols,
        "group.consumer.assignors: at least one is needed",
    )
    for kind, what in _BETWEEN_BOUNDS:
        low, high = f"group.{kind}.min.{what}", f"group.{kind}.max.{what}"
        own = f"group.{kind}.{what}"
        _require(
            _number(values, low) <= _number(values, own) <= _number(values, high),
            f"{own}: must be between {low} and {high}",
        )
    acks, most = "offsets.commit.required.acks", "offsets.topic.replication.factor"
    _require(
        -1 <= _number(values, acks) <= _number(values, most),
        f"{acks}: must be at least -1 and not exceed {most}",
    )
    codec = _number(values, "offsets.topic.compression.codec")
    _require(0 <= codec <= 4, f"offsets.topic.compression.codec: unknown codec {codec}")


def complete(values: Values) -> dict[str, Value]:
    """``values``, and the defaults of all other settings."""
    return {**{name: setting.default for name, setting in SETTINGS.items()}, **values}
