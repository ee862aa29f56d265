"""DynamicBrokerConfig, its rules: which settings may change while brokers run, and how. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import cast

from barnabas.config.broker_config import BrokerConfig, Snapshot
from barnabas.config.definition import ConfigType, Setting
from barnabas.config.protection import check_dynamic_protection, check_protection
from barnabas.config.relations import RequirementError
from barnabas.config.settings import SETTINGS, broker_setting, of_listener, topic_default
from barnabas.errors import ConfigError, ErrorCode, KafkaError

DYNAMIC_SETTINGS: Mapping[str, Setting] = {
    name: setting for name, setting in SETTINGS.items() if setting.dynamic
}
"""The settings that may change while a broker runs, by name."""

_OF_ALL_LISTENERS = ("max.connections", "max.connection.creation.rate", "num.network.threads")
_THREADS = (
    "background.threads",
    "num.io.threads",
    "num.network.threads",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
)


def check_dynamic(overrides: Mapping[str, str], *, per_broker: bool) -> None:
    """Raises ConfigError unless each of these may be set for one broker (``per_broker``), or for
    all brokers. Unknown names are allowed, since plug-ins may use them, as in Kafka."""
    fixed = [n for n in overrides if n in SETTINGS and not SETTINGS[n].dynamic]
    if fixed:
        raise ConfigError(f"Cannot update these configs dynamically: Set({', '.join(fixed)})")
    for name, text in overrides.items():
        broker_setting(name).parse(text)
        check_protection(name, text)
    own = [n for n in overrides if _is_of_one_broker(n)]
    if own and not per_broker:
        raise ConfigError(
            "Cannot update these configs at default cluster level,"
            f" broker id must be specified: Set({', '.join(own)})"
        )
    for name, text in overrides.items():
        check_dynamic_protection(name, text)


def _is_of_one_broker(name: str) -> bool:
    base = of_listener(name)
    if base is not None:
        return base not in _OF_ALL_LISTENERS
    return name in SETTINGS and SETTINGS[name].per_broker


def check_change(config: BrokerConfig, after: Mapping[str, str], *, per_broker: bool) -> Snapshot:
    """The settings of a broker after its dynamic ones are replaced by ``after``.

    ``config``: its settings before. ``per_broker``: whether ``after`` replaces its own dynamic
    settings or those of all brokers. Raises ConfigError if the change is not allowed."""
    check_dynamic(after, per_broker=per_broker)
    layers = (config.dynamic_default, after) if per_broker else (after, config.dynamic)
    try:
        merged = config.with_dynamic(*layers)
    except RequirementError as error:
        raise ConfigError(f"requirement failed: {error}") from None
    _check_threads(config, merged)
    for name in ("max.connections", "max.connection.creation.rate"):
        value = cast("int", merged.values[name])
        if value <= 0 and value != config.integer(name):
            raise _invalid(f"Invalid {name} {value}")
    _check_local_retention(merged)
    return merged


def _invalid(why: str) -> ConfigError:
    """An error in Kafka's words, which wrap the reason."""
    return ConfigError(
        f"Invalid value org.apache.kafka.common.config.ConfigException: {why}"
        " for configuration Invalid dynamic configuration"
    )


def _check_threads(config: BrokerConfig, merged: Snapshot) -> None:
    """One change may at most halve or double a number of threads."""
    for name in _THREADS:
        before, after = config.integer(name), cast("int", merged.values[name])
        failed = f"Dynamic thread count update validation failed for {name}={after}, value should"
        if after == before:
            continue
        if after <= 0:
            raise _invalid(f"{failed} be at least 1")
        if after < before // 2:
            raise _invalid(f"{failed} be at least half the current value {before}")
        if after > before * 2:
            raise _invalid(f"{failed} not be greater than double the current value {before}")
    before = config.integer("log.cleaner.threads")
    after = cast("int", merged.values["log.cleaner.threads"])
    failed = "Log cleaner threads cannot be"
    if after < before // 2:
        raise _invalid(f"{failed} reduced to less than half the current value {before}")
    if after > before * 2:
        raise _invalid(f"{failed} increased to more than double the current value {before}")


def _check_local_retention(merged: Snapshot) -> None:
    """With tiered storage, local retention must not exceed the whole (``DynamicLogConfig``)."""
    retention = cast("int", topic_default("retention.ms", merged.values))
    size = cast("int", merged.values["log.retention.bytes"])
    for name, whole, limit in (
        ("log.local.retention.ms", "log.retention.ms", retention),
        ("log.local.retention.bytes", "log.retention.bytes", size),
    ):
        local = cast("int", merged.values[name])
        if limit < 0 or local == -2:
            continue
        wrong = f"Invalid value {local} for configuration {name}: Value must not be"
        if local == -1:
            raise _invalid(f"{wrong} -1 as {whole} value is set as {limit}.")
        if local > limit:
            raise _invalid(f"{wrong} more than {whole} property value: {limit}")


def usable(overrides: Mapping[str, str], *, per_broker: bool) -> dict[str, str]:
    """The settings among those in ZooKeeper that may be dynamic; others are left out."""
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
    """The new value, or the items to add or remove, separated by commas."""


def apply_operations(
    before: Mapping[str, str], operations: Iterable[Operation], known: Mapping[str, Setting]
) -> dict[str, str]:
    """The overrides after the operations. Items are added to the current override, or removed from
    it; without one the default is used. Raises INVALID_CONFIG if the setting is not a list."""
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
    text = setting.text(setting.default) if now is None else now
    named = _split(operation.value or "")
    if operation.type is OpType.APPEND:
        items = _split(text) if text else []
        return ",".join([*items, *(item for item in named if item not in items)])
    items = _split(text or "")
    for item in named:
        if item in items:
            items.remove(item)
    return ",".join(items)


def _split(text: str) -> list[str]:
    """Java's ``String.split``, as Kafka splits lists here: spaces belong to the items, empty items
    at the end are dropped, and an empty text is one empty item."""
    return text.rstrip(",").split(",") if text.strip(",") else [""] * (not text)
