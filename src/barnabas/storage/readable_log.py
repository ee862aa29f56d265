"""UnifiedLog, reading: offsets, batches, and whether its disk still works."""

from __future__ import annotations

import uuid

from barnabas.errors import ErrorCode, KafkaError
from barnabas.seams import Env
from barnabas.storage.config import I64_MAX, LogConfig
from barnabas.storage.durability import Durability
from barnabas.storage.fencing import Fencing
from barnabas.storage.index import AbortedTransaction
from barnabas.storage.log_owner import LogOwner
from barnabas.storage.log_types import LoadedLog
from barnabas.storage.producers.state import ProducerState
from barnabas.storage.retention import roll_jitter_ms
from barnabas.storage.segments import EMPTY_SLICE, LogSlice, Segments, TimedRecord
from barnabas.types import TopicPartition


class ReadableLog:
    """The part of ``Log`` that changes nothing."""

    def __init__(
        self,
        env: Env,
        topic_partition: TopicPartition,
        directory: str,
        config: LogConfig,
        loaded: LoadedLog,
        *,
        topic_id: uuid.UUID | None = None,
        owner: LogOwner | None = None,
    ) -> None:
        self.topic_partition = topic_partition
        self.topic_id = topic_id
        self.directory = directory
        self.config = config
        self.epochs = loaded.epochs
        self.log_start_offset = loaded.log_start_offset
        self.log_end_offset = loaded.log_end_offset
        self.high_watermark = loaded.log_start_offset
        self.failure: OSError | None = None
        """Why the log is fenced."""
        self.cuts = 0
        """Counts cuts and removals of segments: work in several steps on segments is void then."""
        self._env = env
        self._files = env.files
        self._owner: LogOwner = owner or LogOwner()
        self._fencing = Fencing(self.fence)
        self._segments = loaded.segments
        self._history = loaded.history
        self._epochs_written = self.epochs.entries
        self._jitter_ms = roll_jitter_ms(config, env.random)
        self._durability = Durability(
            env.files,
            loaded.segments,
            loaded.history,
            loaded.recovery_point,
            complete=loaded.complete,
        )
        self._unflushed_since_ms = env.clock.wall_ms()
        # As a clean stop leaves it: there is nothing to do at the next one.
        self._complete = loaded.complete
        if loaded.removals:
            self._owner.removal_wanted(self, list(loaded.removals))

    # What it is

    @property
    def producers(self) -> ProducerState:
        """What idempotent and transactional producers have written."""
        return self._history.state

    @property
    def size_bytes(self) -> int:
        """Bytes of batches in all segments."""
        return self._segments.size_bytes

    @property
    def segment_count(self) -> int:
        """Number of segments."""
        return len(self._segments)

    @property
    def active_base_offset(self) -> int:
        """Where the segment that is written begins."""
        return self._segments.active.base_offset

    @property
    def segments(self) -> Segments:
        """The segments themselves, for the cleaner."""
        return self._segments

    @property
    def recovery_point(self) -> int:
        """From here on the log must be walked if the machine stops: all before is durable."""
        return self._durability.recovery_point

    @property
    def flushed_offset(self) -> int:
        """Everything before it is durable."""
        return self._durability.flushed_offset

    @property
    def last_stable_offset(self) -> int:
        """End of what a READ_COMMITTED consumer may see (reference 7.2)."""
        unstable = self.producers.first_unstable_offset
        if unstable is None or unstable >= self.high_watermark:
            return self.high_watermark
        return max(unstable, self.log_start_offset)

    # Reading

    def read(self, offset: int, max_bytes: int, *, up_to: int, min_one: bool) -> LogSlice:
        """Whole batches from the one that holds ``offset``, none with an offset at or above
        ``up_to``; the last may be cut at ``max_bytes``. Raises OFFSET_OUT_OF_RANGE."""
        self._check_usable()
        end = self.log_end_offset
        if not self.log_start_offset <= offset <= end:
            raise KafkaError(
                ErrorCode.OFFSET_OUT_OF_RANGE,
                f"{offset} of {self.topic_partition}: [{self.log_start_offset}, {end}]",
            )
        limit = min(up_to, end)
        if offset >= limit:
            return EMPTY_SLICE
        with self._fencing:
            return self._segments.read(offset, max_bytes, limit=limit, min_one=min_one)

    def aborted_transactions(
        self, from_offset: int, up_to: int, *, read_bytes: int | None = None
    ) -> list[AbortedTransaction]:
        """Aborted transactions that overlap [from_offset, up_to), or less: what a read of so many
        bytes from there found (a few more may be among them)."""
        self._check_usable()
        segments = self._segments
        with self._fencing:
            if read_bytes is not None:
                up_to = segments.bound_of_read(from_offset, read_bytes, up_to)
            return segments.aborted_transactions(from_offset, up_to)

    def offset_for_timestamp(self, timestamp: int) -> TimedRecord | None:
        """The first record at or after a time, None if none."""
        self._check_usable()
        with self._fencing:
            return self._segments.first_at_or_after(timestamp, self.log_start_offset)

    def offset_of_max_timestamp(self) -> TimedRecord | None:
        """The first record with the largest timestamp; None if there is no record."""
        self._check_usable()
        with self._fencing:
            return self._segments.max_timestamp()

    def end_offset_for_epoch(self, epoch: int) -> tuple[int, int]:
        """(epoch, end offset) that answers OffsetForLeaderEpoch (reference 4.9)."""
        return self.epochs.end_offset_for(epoch, self.log_end_offset)

    # Durability

    async def flush(self) -> None:
        """Make everything appended before this call durable. Concurrent calls share syncs."""
        self._check_usable()
        with self._fencing:
            await self._durability.flush(lambda: self.log_end_offset)
        # A sync that failed meanwhile says that this one, though it succeeded, proves nothing.
        self._check_usable()

    def flush_blocking(self) -> None:
        """``flush`` while nothing else happens: for the last bit of a copy."""
        self._check_usable()
        with self._fencing:
            self._durability.flush_blocking(self.log_end_offset)

    def is_flush_due(self, now_ms: int) -> bool:
        """Whether ``flush.ms`` has passed over unflushed data."""
        if self.flushed_offset >= self.log_end_offset or self.config.flush_ms >= I64_MAX:
            return False
        due = now_ms - self._unflushed_since_ms >= self.config.flush_ms
        if due:
            self._unflushed_since_ms = now_ms
        return due

    # Failure

    def fence(self, error: Exception) -> KafkaError:
        """The disk failed: nothing more is written or read here. The error for the caller."""
        if self.failure is None:
            self.failure = error if isinstance(error, OSError) else OSError(str(error))
            self._owner.log_failed(self, self.failure)
        return KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{self.directory}: {error}")

    def _check_usable(self) -> None:
        if self.failure is not None:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{self.directory} is offline")

    def adopt(self, owner: LogOwner) -> None:
        """Tell another owner from now on."""
        self._owner = owner

    def retire(self) -> None:
        """The partition is deleted: whoever still holds the log gets KAFKA_STORAGE_ERROR."""
        self.failure = self.failure or OSError(f"{self.topic_partition} is deleted")
