"""LogConfig: the settings of one log (reference 10). Their defaults are in ``config/table``.

Every field is the topic-level name with underscores; the broker-level names differ in prefix only.
Parsing from text lives elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from barnabas.records.batch import CREATE_TIME, LOG_APPEND_TIME
from barnabas.records.rules import PRODUCER_COMPRESSION, UNBOUNDED_MS

I64_MAX = (1 << 63) - 1
DEFAULT_GZIP_LEVEL, DEFAULT_LZ4_LEVEL = -1, 9


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """Sizes in bytes, durations in milliseconds; -1 means no limit where retention allows it."""

    segment_bytes: int
    segment_ms: int
    segment_jitter_ms: int
    segment_index_bytes: int
    index_interval_bytes: int
    retention_ms: int
    retention_bytes: int
    cleanup_policy: tuple[str, ...]
    """``delete``, ``compact`` or both."""
    max_message_bytes: int
    compression_type: str
    compression_gzip_level: int
    compression_lz4_level: int
    compression_zstd_level: int
    message_timestamp_type: str
    message_timestamp_before_max_ms: int
    message_timestamp_after_max_ms: int
    flush_messages: int
    flush_ms: int
    file_delete_delay_ms: int
    delete_retention_ms: int
    min_cleanable_dirty_ratio: float
    min_compaction_lag_ms: int
    max_compaction_lag_ms: int
    message_downconversion_enable: bool = True
    takes_all: bool = field(init=False, compare=False, repr=False)
    """Whether records are stored as producers send them, whatever their keys and timestamps are."""

    def __post_init__(self) -> None:
        bounds = self.message_timestamp_before_max_ms, self.message_timestamp_after_max_ms
        takes_all = (
            not self.compacted
            and self.timestamp_type == CREATE_TIME
            and min(bounds) >= UNBOUNDED_MS
            and self.compression_type == PRODUCER_COMPRESSION
        )
        object.__setattr__(self, "takes_all", takes_all)

    @property
    def timestamp_type(self) -> int:
        """``message.timestamp.type`` as the bit in a batch's attributes."""
        is_append_time = self.message_timestamp_type == "LogAppendTime"
        return LOG_APPEND_TIME if is_append_time else CREATE_TIME

    @property
    def compression_level(self) -> int | None:
        """For ``compression.type``, as the codec's library has it (KIP-390); None: the default.
        Kafka's default of lz4 is called 9 and is its fast mode; all others are its high one."""
        level = {
            "gzip": (self.compression_gzip_level, DEFAULT_GZIP_LEVEL),
            "lz4": (self.compression_lz4_level, DEFAULT_LZ4_LEVEL),
            "zstd": (self.compression_zstd_level, None),
        }.get(self.compression_type, (None, None))
        return None if level[0] == level[1] else level[0]

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
    """``log.cleaner.*`` settings of a broker."""

    enable: bool
    backoff_ms: int
    """Before the logs are looked at again when none was dirty enough."""
    dedupe_buffer_size: int
    """Bytes that the keys of one pass may take."""
    io_buffer_load_factor: float
    io_buffer_size: int
    """Half of it is written at once."""
    io_max_bytes_per_second: float
    """Of reading and writing together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogManagerSettings:
    """Broker settings, in ms."""

    retention_check_interval_ms: int
    initial_task_delay_ms: int
    high_watermark_checkpoint_interval_ms: int
    offset_checkpoint_interval_ms: int
    start_offset_checkpoint_interval_ms: int
    producer_id_expiration_ms: int
    producer_id_expiration_check_interval_ms: int
    release_interval_ms: int = 30_000
    """Ours: descriptors unused for so long are given back."""
    cleaner: CleanerSettings
    log_flush_before_ack: bool
    """Ours: nothing is acknowledged before it is on the disk."""
