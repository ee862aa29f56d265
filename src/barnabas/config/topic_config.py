"""LogConfig: settings of a topic, its own overrides over its broker's values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from barnabas.config.broker_config import BrokerConfig
from barnabas.config.checks import Value
from barnabas.config.definition import Setting
from barnabas.config.settings import LONG_MAX, TOPIC_SETTINGS, topic_default, unknown_setting
from barnabas.errors import ConfigError, ErrorCode, KafkaError
from barnabas.storage.config import LogConfig

_OF_A_LOG = {field.name: field.name.replace("_", ".") for field in fields(LogConfig) if field.init}
"""Field of ``LogConfig`` -> the setting that it is named after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigValue:
    """One topic setting in force."""

    setting: Setting
    value: Value
    from_topic: bool
    """Set by the topic itself, not by its broker."""


class TopicConfig:
    """The settings in force for one topic. Unknown overrides in ZooKeeper are kept but unused."""

    def __init__(self, broker: BrokerConfig, overrides: Mapping[str, str]) -> None:
        self.overrides = dict(overrides)
        self._broker = broker
        self._parsed: dict[str, Value] = {}
        self.unusable: list[str] = []
        """What another tool wrote in vain: names that are none, and values that cannot be read."""
        for name, text in overrides.items():
            try:
                self._parsed[name] = TOPIC_SETTINGS[name].parse(text)
            except (KeyError, ConfigError):
                self.unusable.append(name)  # the broker's value, if any, stays in force

    def entry(self, name: str) -> ConfigValue:
        """Value and source of one setting."""
        return ConfigValue(
            setting=TOPIC_SETTINGS[name], value=self.value(name), from_topic=name in self._parsed
        )

    def entries(self) -> list[ConfigValue]:
        """Every setting of a topic, and overrides of names that are none."""
        unknown = [
            ConfigValue(setting=unknown_setting(name), value=None, from_topic=True)
            for name in self.overrides
            if name not in TOPIC_SETTINGS
        ]
        return [self.entry(name) for name in TOPIC_SETTINGS] + unknown

    def value(self, name: str) -> Value:
        if name in self._parsed:
            return self._parsed[name]
        return topic_default(name, self._broker.values)

    def integer(self, name: str) -> int:
        value = self.value(name)
        assert isinstance(value, int), name
        return value

    @cached_property
    def min_insync_replicas(self) -> int:
        return self.integer("min.insync.replicas")

    @property
    def unclean_leader_election(self) -> bool:
        return bool(self.value("unclean.leader.election.enable"))

    def without_effect(self) -> list[str]:
        """Overrides that change nothing here: worth a warning each."""
        return [
            name
            for name, value in self._parsed.items()
            if not TOPIC_SETTINGS[name].effect and not TOPIC_SETTINGS[name].is_default(value)
        ]

    def log_config(self) -> LogConfig:
        """What the log of one of its partitions needs to know: a field for each setting that logs
        obey, under the same name."""
        values: dict[str, Any] = {field: self.value(name) for field, name in _OF_A_LOG.items()}
        both = self.integer("message.timestamp.difference.max.ms")
        for field in ("message_timestamp_before_max_ms", "message_timestamp_after_max_ms"):
            if values[field] == LONG_MAX:
                values[field] = both
        return LogConfig(**values)


def check_topic_overrides(
    broker: BrokerConfig, overrides: Mapping[str, str | None]
) -> dict[str, str]:
    """The overrides of a topic, checked together with what its broker gives it
    (``LogConfig.validate``). Raises KafkaError(INVALID_CONFIG)."""
    nulls = [name for name, text in overrides.items() if text is None]
    if nulls:
        raise _invalid(f"Null value not supported for topic configs: {','.join(nulls)}")
    checked = {name: text for name, text in overrides.items() if text is not None}
    for name, text in checked.items():
        if name not in TOPIC_SETTINGS:
            raise _invalid(f"Unknown topic config name: {name}")
        try:
            TOPIC_SETTINGS[name].parse(text)
        except ConfigError as error:
            raise _invalid(str(error)) from None
    _check_together(TopicConfig(broker, checked))
    return checked


def _invalid(message: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_CONFIG, message)


def _check_together(topic: TopicConfig) -> None:
    least, most = topic.integer("min.compaction.lag.ms"), topic.integer("max.compaction.lag.ms")
    if least > most:
        raise _invalid(
            f"conflict topic config setting min.compaction.lag.ms ({least})"
            f" > max.compaction.lag.ms ({most})"
        )
    if topic.value("remote.log.delete.on.disable") or topic.value("remote.log.copy.disable"):
        raise _invalid(
            "It is invalid to set `remote.log.delete.on.disable` or "
            "`remote.log.copy.disable` under Zookeeper's mode."
        )
    if topic.value("remote.storage.enable"):
        raise _invalid(
            "Tiered Storage functionality is disabled in the broker. "
            "Topic cannot be configured with remote log storage."
        )
