"""The settings of this room, under Kafka's names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerGroupSettings:
    """``group.consumer.*`` without that prefix."""

    enabled: bool
    """Whether ``group.coordinator.rebalance.protocols`` names ``consumer``."""
    session_timeout_ms: int
    heartbeat_interval_ms: int
    max_size: int
    assignors: tuple[str, ...]
    """Names of ``assignors.ASSIGNORS``; the first is for members that do not ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSettings:
    """Snake case of Kafka's names (reference 10)."""

    group_initial_rebalance_delay_ms: int
    group_min_session_timeout_ms: int
    group_max_session_timeout_ms: int
    group_max_size: int
    offset_metadata_max_bytes: int
    offsets_topic_num_partitions: int
    offsets_commit_timeout_ms: int
    offsets_retention_ms: int
    """``offsets.retention.minutes``, in ms."""
    offsets_retention_check_interval_ms: int
    offsets_topic_compression_codec: int
    """Of the batches that this broker writes to ``__consumer_offsets``: a ``Codec``."""
    offsets_load_buffer_size: int
    """Bytes that are read at a time, at most ``ownership.LOAD_BYTES_PER_TURN``."""
    consumer: ConsumerGroupSettings
    """Of the next-generation protocol."""
