"""The settings of this room, under Kafka's names and with its defaults."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerGroupSettings:
    """``group.consumer.*`` without that prefix."""

    enabled: bool = False
    """Whether ``group.coordinator.rebalance.protocols`` names ``consumer``."""
    session_timeout_ms: int = 45_000
    heartbeat_interval_ms: int = 5_000
    max_size: int = 2**31 - 1
    assignors: tuple[str, ...] = ("uniform", "range")
    """Names of ``assignors.ASSIGNORS``; the first is for members that do not ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSettings:
    """Snake case of Kafka's names (reference 10)."""

    group_initial_rebalance_delay_ms: int = 3_000
    group_min_session_timeout_ms: int = 6_000
    group_max_session_timeout_ms: int = 1_800_000
    group_max_size: int = 2**31 - 1
    offset_metadata_max_bytes: int = 4_096
    offsets_topic_num_partitions: int = 50
    offsets_commit_timeout_ms: int = 5_000
    offsets_retention_ms: int = 10_080 * 60_000
    """``offsets.retention.minutes``, in ms."""
    offsets_retention_check_interval_ms: int = 600_000
    consumer: ConsumerGroupSettings = field(default_factory=ConsumerGroupSettings)
    """Of the next-generation protocol."""
