"""LogConfig: the settings of one log, with Kafka's defaults (reference 10).

Every field is the topic-level name with underscores; the broker-level names differ in prefix only.
Parsing from text lives elsewhere.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from barnabas.records.batch import CREATE_TIME, LOG_APPEND_TIME

I64_MAX = (1 << 63) - 1
WEEK_MS = 7 * 24 * 60 * 60 * 1000
DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """Sizes in bytes, durations in milliseconds; -1 means no limit where retention allows it."""

    segment_bytes: int = 1024 * 1024 * 1024
    segment_ms: int = WEEK_MS
    segment_jitter_ms: int = 0
    segment_index_bytes: int = 10 * 1024 * 1024
    index_interval_bytes: int = 4096
    retention_ms: int = WEEK_MS
    retention_bytes: int = -1
    cleanup_policy: tuple[str, ...] = ("delete",)
    """``delete``, ``compact`` or both."""
    max_message_bytes: int = 1_048_588
    compression_type: str = "producer"
    message_timestamp_type: str = "CreateTime"
    message_timestamp_before_max_ms: int = I64_MAX
    message_timestamp_after_max_ms: int = I64_MAX
    flush_messages: int = I64_MAX
    flush_ms: int = I64_MAX
    file_delete_delay_ms: int = 60_000
    delete_retention_ms: int = DAY_MS
    min_cleanable_dirty_ratio: float = 0.5
    min_compaction_lag_ms: int = 0
    max_compaction_lag_ms: int = I64_MAX

    @property
    def timestamp_type(self) -> int:
        """``message.timestamp.type`` as the bit in a batch's attributes."""
        is_append_time = self.message_timestamp_type == "LogAppendTime"
        return LOG_APPEND_TIME if is_append_time else CREATE_TIME

    @property
    def compacted(self) -> bool:
        """Whether old values of a key may go."""
        return "compact" in self.cleanup_policy

    @property
    def segment_ms_max(self) -> int:
        """How long a segment is active at most: of a compacted topic not so long that it keeps its
        records from the cleaner beyond ``max.compaction.lag.ms``."""
        if self.compacted:
            return min(self.segment_ms, self.max_compaction_lag_ms)
        return self.segment_ms

    @property
    def deletes(self) -> bool:
        """Whether old segments may go by time and size."""
        return "delete" in self.cleanup_policy


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanerSettings:
    """``log.cleaner.*`` settings of a broker, with Kafka's defaults."""

    enable: bool = True
    backoff_ms: int = 15_000
    """Before the logs are looked at again when none was dirty enough."""
    dedupe_buffer_size: int = 128 * 1024 * 1024
    """Bytes that the keys of one pass may take."""
    io_buffer_load_factor: float = 0.9
    io_buffer_size: int = 512 * 1024
    """Half of it is written at once."""
    io_max_bytes_per_second: float = sys.float_info.max
    """Of reading and writing together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogManagerSettings:
    """Broker settings, in ms, with Kafka's defaults."""

    retention_check_interval_ms: int = 300_000
    initial_task_delay_ms: int = 30_000
    high_watermark_checkpoint_interval_ms: int = 5_000
    offset_checkpoint_interval_ms: int = 60_000
    producer_id_expiration_ms: int = 86_400_000
    producer_id_expiration_check_interval_ms: int = 600_000
    release_interval_ms: int = 30_000
    """Ours: descriptors unused for so long are given back."""
    cleaner: CleanerSettings = CleanerSettings()
    log_flush_before_ack: bool = False
    """Ours: nothing is acknowledged before it is on the disk."""
