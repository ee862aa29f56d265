"""Settings of a topic: its own overrides over its broker's values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from barnabas.config.broker_config import BrokerConfig
from barnabas.config.definition import ConfigType, Setting, Value
from barnabas.config.settings import SETTINGS
from barnabas.errors import ConfigError, ErrorCode, KafkaError
from barnabas.storage.config import LogConfig

_THROTTLED = ("follower.replication.throttled.replicas", "leader.replication.throttled.replicas")
_ACCEPTED_WITHOUT_EFFECT = (
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.zstd.level",
    *_THROTTLED,
    "local.retention.bytes",
    "local.retention.ms",
    "message.downconversion.enable",
    "message.format.version",
    "remote.storage.enable",
)


def _topic_settings() -> dict[str, tuple[Setting, tuple[Setting, ...]]]:
    """Topic-level name -> (its definition, the broker settings behind it, strongest first)."""
    behind: dict[str, list[Setting]] = {}
    for setting in SETTINGS.values():
        if setting.topic_name:
            behind.setdefault(setting.topic_name, []).append(setting)
    table = {}
    for name in sorted(behind):
        sources = behind[name]
        default = next((s.default for s in sources if s.default is not None), None)
        scale = next((s.scale_to_topic for s in sources if s.default is not None), 1)
        first = sources[0]
        table[name] = (
            Setting(
                name=name,
                type=ConfigType.LONG if scale != 1 else first.type,
                default=default * scale if isinstance(default, int) and scale != 1 else default,
                doc=first.doc,
                minimum=first.minimum,
                maximum=first.maximum,
                choices=first.choices,
            ),
            tuple(sources),
        )
    return table


TOPIC_SETTINGS = _topic_settings()

ALTERABLE: Mapping[str, Setting] = {
    **{name: setting for name, (setting, _) in TOPIC_SETTINGS.items()},
    **{
        name: Setting(name=name, type=ConfigType.LIST, default=(), doc="Accepted without effect.")
        for name in _THROTTLED
    },
}
"""What is known of a topic setting's type and default, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigValue:
    """One topic setting in force, and who set it."""

    setting: Setting
    value: Value
    from_topic: bool
    broker_setting: Setting | None
    """The broker setting that was given and is behind the value, unless the topic overrides."""


class TopicConfig:
    """The settings in force for one topic. Unknown overrides in ZooKeeper are kept but unused."""

    def __init__(self, broker: BrokerConfig, overrides: Mapping[str, str]) -> None:
        self.overrides = dict(overrides)
        self._broker = broker
        self._parsed: dict[str, Value] = {}
        for name, text in overrides.items():
            if name in TOPIC_SETTINGS:
                try:
                    self._parsed[name] = TOPIC_SETTINGS[name][0].parse(text)
                except ConfigError:
                    continue  # written by another tool: the broker's value stays in force

    def entry(self, name: str) -> ConfigValue:
        """Value and source of one topic-level setting."""
        setting, sources = TOPIC_SETTINGS[name]
        given = next((s for s in sources if self._broker.is_given(s.name)), None)
        if name in self._parsed:
            value = self._parsed[name]
        elif given is not None:
            value = _scaled(self._broker.value(given.name), given.scale_to_topic)
        else:
            value = setting.default
        return ConfigValue(
            setting=setting,
            value=value,
            from_topic=name in self._parsed,
            broker_setting=given,
        )

    def value(self, name: str) -> Value:
        return self.entry(name).value

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

    def log_config(self) -> LogConfig:
        """What the log of one of its partitions needs to know."""
        policy = self.value("cleanup.policy")
        assert isinstance(policy, tuple)
        ratio = self.value("min.cleanable.dirty.ratio")
        assert isinstance(ratio, int | float)
        return LogConfig(
            segment_bytes=self.integer("segment.bytes"),
            segment_ms=self.integer("segment.ms"),
            segment_jitter_ms=self.integer("segment.jitter.ms"),
            segment_index_bytes=self.integer("segment.index.bytes"),
            index_interval_bytes=self.integer("index.interval.bytes"),
            retention_ms=self.integer("retention.ms"),
            retention_bytes=self.integer("retention.bytes"),
            cleanup_policy=policy,
            max_message_bytes=self.integer("max.message.bytes"),
            compression_type=str(self.value("compression.type")),
            message_timestamp_type=str(self.value("message.timestamp.type")),
            message_timestamp_before_max_ms=self.integer("message.timestamp.before.max.ms"),
            message_timestamp_after_max_ms=self.integer("message.timestamp.after.max.ms"),
            preallocate=bool(self.value("preallocate")),
            file_delete_delay_ms=self.integer("file.delete.delay.ms"),
            flush_messages=self.integer("flush.messages"),
            flush_ms=self.integer("flush.ms"),
            min_cleanable_dirty_ratio=float(ratio),
            delete_retention_ms=self.integer("delete.retention.ms"),
            min_compaction_lag_ms=self.integer("min.compaction.lag.ms"),
            max_compaction_lag_ms=self.integer("max.compaction.lag.ms"),
        )


def _scaled(value: Value, factor: int) -> Value:
    if factor == 1 or not isinstance(value, int):
        return value
    return value if value < 0 else value * factor


def check_topic_overrides(overrides: Mapping[str, str | None]) -> dict[str, str]:
    """The overrides of a topic, checked. Raises KafkaError(INVALID_CONFIG)."""
    checked: dict[str, str] = {}
    for name, text in overrides.items():
        if text is None:
            raise KafkaError(ErrorCode.INVALID_CONFIG, f"Null value not supported for {name}")
        if name not in TOPIC_SETTINGS and name not in _ACCEPTED_WITHOUT_EFFECT:
            raise KafkaError(ErrorCode.INVALID_CONFIG, f"Unknown topic config name: {name}")
        if name in TOPIC_SETTINGS:
            try:
                TOPIC_SETTINGS[name][0].parse(text)
            except ConfigError as error:
                raise KafkaError(ErrorCode.INVALID_CONFIG, str(error)) from None
        checked[name] = text
    _check_lags(checked)
    return checked


def _check_lags(overrides: Mapping[str, str]) -> None:
    least, most = (
        TOPIC_SETTINGS[name][0].parse(overrides[name])
        if name in overrides
        else TOPIC_SETTINGS[name][0].default
        for name in ("min.compaction.lag.ms", "max.compaction.lag.ms")
    )
    assert isinstance(least, int)
    assert isinstance(most, int)
    if least > most:
        raise KafkaError(
            ErrorCode.INVALID_CONFIG,
            f"conflict topic config setting min.compaction.lag.ms ({least})"
            f" > max.compaction.lag.ms ({most})",
        )
