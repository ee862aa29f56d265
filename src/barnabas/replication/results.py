"""Answers of the replica manager, per partition; the API room turns them into messages."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from barnabas.errors import ErrorCode, KafkaError
from barnabas.replication.truncation import EpochEnd
from barnabas.types import NO_OFFSET, NO_TIMESTAMP, Buffer, TopicPartition


class ProduceResult:
    """The outcome for one partition of a produce request. ``current_leader`` is (leader id, leader
    epoch) if the client asked the wrong broker (KIP-951). ``error_message`` may be None.
    """

    __slots__ = (
        "append_time_ms",
        "base_offset",
        "current_leader",
        "error",
        "error_message",
        "log_start_offset",
        "partition",
        "record_errors",
        "topic",
    )

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.error = ErrorCode.NONE
        self.base_offset = NO_OFFSET
        self.append_time_ms = NO_TIMESTAMP
        self.log_start_offset = NO_OFFSET
        self.error_message: str | None = None
        self.record_errors: list[tuple[int, str | None]] = []
        self.current_leader: tuple[int, int] | None = None

    def fail(
        self,
        error: ErrorCode,
        message: str | None = None,
        *,
        leader: tuple[int, int] | None = None,
    ) -> None:
        """Turn it into an error. Offsets of an append that happened are left out."""
        self.error = error
        self.error_message = message
        self.base_offset = NO_OFFSET
        self.append_time_ms = NO_TIMESTAMP
        self.log_start_offset = NO_OFFSET
        self.current_leader = leader


@dataclass(slots=True, kw_only=True)
class FetchedPartition:
    """One partition of a fetch answer. Offsets are -1 in an error (reference 14)."""

    topic: str | None
    topic_id: uuid.UUID | None
    partition: int
    error: ErrorCode = ErrorCode.NONE
    high_watermark: int = NO_OFFSET
    last_stable_offset: int = NO_OFFSET
    log_start_offset: int = NO_OFFSET
    diverging: EpochEnd | None = None
    current_leader: tuple[int, int] | None = None
    """(leader id, leader epoch) for a reader that came with the wrong one (KIP-951)."""
    aborted_transactions: list[tuple[int, int]] | None = None
    """(producer id, first offset); None unless READ_COMMITTED."""
    preferred_read_replica: int = -1
    records: list[Buffer] = field(default_factory=list)
    size: int = 0
    """Bytes in ``records``."""
    ahead: int = 0
    """Bytes from the reader's offset to the end of what it may see in this segment, at most its
    ``max_bytes`` for this partition."""
    throttled: int = 0
    """Those of ``size`` that a quota for moves allowed."""
    refused: bool = False
    """Its log was not looked at: this broker does not know it."""
    ends_wait: bool = False
    """No request with this answer waits any longer (``fetch_completion.py``)."""


@dataclass(slots=True, kw_only=True)
class FetchResult:
    """A whole fetch answer."""

    error: ErrorCode
    session_id: int
    partitions: list[FetchedPartition]


Fetched: TypeAlias = FetchResult | Generator[int, None, FetchResult]
"""How the wait of a fetch ends: with its answer or, of very many partitions, steps to it."""


class OffsetResult(NamedTuple):
    """Answer of a ListOffsets lookup; (-1, -1, -1) where nothing was found."""

    timestamp: int
    offset: int
    leader_epoch: int


class DeleteRecordsResult(NamedTuple):
    """The outcome for one partition of a DeleteRecords request."""

    partition: TopicPartition
    error: ErrorCode
    low_watermark: int


class NotLeader(KafkaError):
    """NOT_LEADER_OR_FOLLOWER or FENCED_LEADER_EPOCH, with the leader that this broker knows."""

    def __init__(self, code: ErrorCode, leader: tuple[int, int] | None, message: str = "") -> None:
        super().__init__(code, message)
        self.leader = leader
