"""Settings of brokers that may change while they run: which, for whom, and how they are altered.

Kafka 3.9's ``DynamicBrokerConfig``, without TLS, SASL and tiered storage. Pure.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from barnabas.config.definition import ConfigType, Setting
from barnabas.config.settings import SETTINGS
from barnabas.errors import ConfigError, ErrorCode, KafkaError

PER_BROKER = ("advertised.listeners", "listeners", "listener.security.protocol.map")
"""May be set for one broker only."""

FOR_A_RESTART = ("listeners", "listener.security.protocol.map")
"""The original opens and closes listeners as it runs; here they may be set to what they are."""

_OTHERS = (
    "log.cleaner.backoff.ms",
    "log.cleaner.dedupe.buffer.size",
    "log.cleaner.io.buffer.load.factor",
    "log.cleaner.io.buffer.size",
    "log.cleaner.io.max.bytes.per.second",
    "log.cleaner.threads",
    "max.connections",
    "max.connections.per.ip",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
    "producer.id.expiration.ms",
    "transaction.partition.verification.enable",
)
"""For one broker or all of them, besides the defaults of topic settings."""

_INT, _LONG, _BOOL = ConfigType.INT, ConfigType.LONG, ConfigType.BOOLEAN
_WITHOUT_EFFECT = {
    "background.threads": _INT,
    "compression.gzip.level": _INT,
    "compression.lz4.level": _INT,
    "compression.zstd.level": _INT,
    "follower.replication.throttled.rate": _LONG,
    "leader.replication.throttled.rate": _LONG,
    "log.message.downconversion.enable": _BOOL,
    "log.message.timestamp.difference.max.ms": _LONG,
    "max.connection.creation.rate": _INT,
    "max.connections.per.ip.overrides": ConfigType.STRING,
    "metric.reporters": ConfigType.LIST,
    "num.io.threads": _INT,
    "num.network.threads": _INT,
    "replica.alter.log.dirs.io.max.bytes.per.second": _LONG,
}
"""Accepted and kept, because tools set them; nothing here obeys them."""


def _dynamic_settings() -> dict[str, Setting]:
    """Of several spellings of one topic setting, only the strongest may change (``.ms``)."""
    strongest: dict[str, str] = {}
    for setting in SETTINGS.values():
        if setting.topic_name is not None:
            strongest.setdefault(setting.topic_name, setting.name)
    names = (*PER_BROKER, *_OTHERS, *strongest.values())
    found = {name: SETTINGS[name] for name in names if name in SETTINGS}
    for name, kind in _WITHOUT_EFFECT.items():
        if name not in found:
            found[name] = Setting(
                name=name, type=kind, default=None, doc="Accepted without effect.", minimum=0
            )
    return found


DYNAMIC_SETTINGS: Mapping[str, Setting] = _dynamic_settings()
"""By name."""


def check_dynamic(overrides: Mapping[str, str], *, per_broker: bool) -> None:
    """ConfigError unless each of these may be set for one broker, or for all of them.

    The original keeps names it does not know, for plug-ins; there are none here, so they are
    refused like any other misspelling."""
    for name, text in overrides.items():
        setting = DYNAMIC_SETTINGS.get(name)
        if setting is None and name in SETTINGS:
            raise ConfigError(f"Cannot update these configs dynamically: {name}")
        if setting is None:
            near = difflib.get_close_matches(name, DYNAMIC_SETTINGS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"Unknown dynamic config name: {name}{hint}")
        if name in PER_BROKER and not per_broker:
            raise ConfigError(
                "Cannot update these configs at default cluster level,"
                f" broker id must be specified: {name}"
            )
        setting.parse(text)


def usable(overrides: Mapping[str, str], *, per_broker: bool) -> dict[str, str]:
    """What of the settings that others wrote can be used."""
    found = {}
    for name, text in overrides.items():
        try:
            check_dynamic({name: text}, per_broker=per_broker)
        except ConfigError:
            continue
        found[name] = text
    return found


class OpType(IntEnum):
    """What IncrementalAlterConfigs does with one setting."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One step of an IncrementalAlterConfigs."""

    type: OpType
    name: str
    value: str = ""
    """What is set, or the items, separated by commas."""


def apply_operations(
    before: Mapping[str, str], operations: Iterable[Operation], known: Mapping[str, Setting]
) -> dict[str, str]:
    """The overrides after the operations. Items are added to, or taken from, the override that is
    there, or else the default. Raises INVALID_CONFIG where a setting is not a list."""
    after = dict(before)
    for operation in operations:
        name = operation.name
        if operation.type is OpType.SET:
            after[name] = operation.value
        elif operation.type is OpType.DELETE:
            after.pop(name, None)
        else:
            after[name] = _changed_list(after.get(name), operation, known)
    return after


def _changed_list(now: str | None, operation: Operation, known: Mapping[str, Setting]) -> str:
    setting = known.get(operation.name)
    word = operation.type.name.lower()
    if setting is None:
        raise KafkaError(ErrorCode.INVALID_CONFIG, f"Unknown config name: {operation.name}")
    if setting.type is not ConfigType.LIST:
        raise KafkaError(
            ErrorCode.INVALID_CONFIG,
            f"Config value {word} is not allowed for config key: {operation.name}",
        )
    items = _items(now if now is not None else setting.text(setting.default))
    named = _items(operation.value)
    if operation.type is OpType.APPEND:
        return ",".join([*items, *(item for item in named if item not in items)])
    return ",".join(item for item in items if item not in named)


def _items(text: str | None) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()] if text else []
