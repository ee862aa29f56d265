"""ProducerStateManager: what one partition knows of the producers that wrote to it.

Pure. It recognises repeated batches, refuses gaps and old epochs (KIP-98), and knows which
transactions are open, from which follows the last stable offset (reference 7.1, 7.2; the snapshot
format is in ``snapshot_format.py``).

The log uses it so: ``admit`` before a write, ``apply`` for each batch after it, ``complete`` for
the transaction that ``apply`` says has ended, once that stands in the transaction index;
``advance_to`` the new log end. Followers and recovery do the same without the first: the leader has
judged already, and what survived compaction may have gaps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple, cast

from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.batch import (
    SEQUENCE_MAX,
    BatchHeader,
    ControlType,
    EndTransactionMarker,
)
from barnabas.records.header import CONTROL_BIT, TRANSACTIONAL_BIT
from barnabas.storage.producers.snapshot_format import SnapshotEntry, encode_snapshot
from barnabas.storage.producers.verification import VerificationGuard, Verifications
from barnabas.types import NO_OFFSET, NO_PRODUCER_EPOCH, NO_SEQUENCE, NO_TIMESTAMP

BATCHES_RETAINED = 5
"""Repeats are recognised as long as they are among so many last batches of a producer: the
number of requests that an idempotent producer may have in flight."""

EXPIRATION_MS_DEFAULT = 24 * 60 * 60 * 1000
_new = tuple.__new__


class Origin(Enum):
    """What kind of sender a batch has, which decides what is checked."""

    CLIENT = "client"
    """Duplicates, epoch, sequence."""
    COORDINATOR = "coordinator"
    """Group and transaction coordinators and their markers: the epoch, no sequence."""
    REPLICATION = "replication"
    """Copies from the leader: nothing."""


class BatchMetadata(NamedTuple):
    """What is remembered of one batch."""

    last_sequence: int
    last_offset: int
    offset_delta: int
    timestamp: int
    """Its largest timestamp, ms."""

    @property
    def first_sequence(self) -> int:
        return (self.last_sequence - self.offset_delta) & SEQUENCE_MAX

    @property
    def first_offset(self) -> int:
        return self.last_offset - self.offset_delta


class CompletedTransaction(NamedTuple):
    """A transaction that a marker has just ended here."""

    producer_id: int
    first_offset: int
    last_offset: int
    """Of the marker."""
    aborted: bool


class ProducerEntry:
    """One producer: its epoch, its last batches in that epoch, its open transaction."""

    __slots__ = (
        "batches",
        "coordinator_epoch",
        "current_txn_first_offset",
        "epoch",
        "last_timestamp",
        "producer_id",
    )

    def __init__(self, producer_id: int) -> None:
        self.producer_id = producer_id
        self.epoch = NO_PRODUCER_EPOCH
        self.batches: deque[BatchMetadata] = deque(maxlen=BATCHES_RETAINED)
        self.coordinator_epoch = -1
        """Of the last marker."""
        self.last_timestamp = NO_TIMESTAMP
        """Of the last batch or marker, ms: what expiry looks at."""
        self.current_txn_first_offset: int | None = None

    @property
    def last_sequence(self) -> int:
        return self.batches[-1].last_sequence if self.batches else NO_SEQUENCE

    def find_duplicate(self, header: BatchHeader) -> BatchMetadata | None:
        """The retained batch with the same epoch and sequences."""
        batches = self.batches
        if header.producer_epoch != self.epoch or not batches:
            return None
        if header.base_sequence == batches[-1].last_sequence + 1:
            return None  # The usual case: it follows the last one.
        last_sequence = header.last_sequence
        for batch in batches:
            if (
                batch.last_sequence == last_sequence
                and batch.first_sequence == header.base_sequence
            ):
                return batch
        return None

    def set_epoch(self, epoch: int) -> None:
        """A different epoch begins its sequences anew."""
        if epoch != self.epoch:
            self.batches.clear()
            self.epoch = epoch

    def to_snapshot(self) -> SnapshotEntry:
        """The part of it that a snapshot keeps: the last batch only."""
        last = self.batches[-1] if self.batches else _NO_BATCH
        first = self.current_txn_first_offset
        return SnapshotEntry(
            self.producer_id,
            self.epoch,
            last.last_sequence,
            last.last_offset,
            last.offset_delta,
            self.last_timestamp,
            self.coordinator_epoch,
            NO_OFFSET if first is None else first,
        )


NO_PRODUCERS: Final = cast("dict[int, ProducerEntry]", MappingProxyType({}))
NO_TRANSACTIONS: Final = cast("dict[int, int]", MappingProxyType({}))
"""Nothing can be added to either."""
_NOT_PLAIN = CONTROL_BIT | TRANSACTIONAL_BIT
_NO_BATCH = BatchMetadata(NO_SEQUENCE, NO_OFFSET, 0, NO_TIMESTAMP)


class ProducerState:
    """All producers of one partition, as of ``end_offset``."""

    __slots__ = (
        "_entries",
        "_ongoing",
        "_unreplicated",
        "_verifications",
        "end_offset",
        "expiration_ms",
    )

    def __init__(self, *, expiration_ms: int = EXPIRATION_MS_DEFAULT) -> None:
        self.expiration_ms = expiration_ms
        """``producer.id.expiration.ms``."""
        self.end_offset = 0
        """Everything before it is accounted for (``mapEndOffset``)."""
        # Each of the three is a dict of its own once there is something in it: few partitions of a
        # large cluster have producers with ids.
        self._entries: dict[int, ProducerEntry] = NO_PRODUCERS
        self._ongoing: dict[int, int] = NO_TRANSACTIONS
        """Open transactions: first offset -> producer id. They open in the order of offsets, so the
        oldest stands first."""
        self._unreplicated: dict[int, int] = NO_TRANSACTIONS
        """Ended ones whose marker is not yet below the high watermark: first -> marker offset."""
        self._verifications: Verifications | None = None
        """None until a first batch of a transaction waits: few logs have any."""

    @property
    def may_expire(self) -> bool:
        """Whether there is anything that ``remove_expired`` has to look at."""
        return bool(self._entries) or self._verifications is not None

    @property
    def entries(self) -> Mapping[int, ProducerEntry]:
        """Producers by id."""
        return MappingProxyType(self._entries)

    # Before a write

    def admit(
        self,
        header: BatchHeader,
        origin: Origin,
        marker: EndTransactionMarker | None,
        guard: VerificationGuard | None,
    ) -> BatchMetadata | None:
        """The batch here that a client's repeats; None: it may be written. That is asked before
        anything else is checked (trap 54): a repeat is a success with the first one's offsets.
        Raises as ``check``, and INVALID_TXN_STATE if it repeats one of a transaction that is
        over."""
        if origin is Origin.CLIENT:
            entry = self._entries.get(header.producer_id)
            if entry is not None and _follows(entry, header):
                return None
            repeated = None if entry is None else entry.find_duplicate(header)
            if repeated is not None:
                if header.is_transactional:
                    self._check_same_transaction(header.producer_id, repeated)
                return repeated
        self.check(header, origin, marker, guard)
        return None

    def _check_same_transaction(self, producer_id: int, repeated: BatchMetadata) -> None:
        """Whether what a batch repeats is in the open transaction. A producer has the answers of
        all its batches before it ends a transaction. But librdkafka drops, with an abort, a record
        that may have been written, and gives its sequence to the next transaction's first record.
        Success, as Kafka answers, would lose that one."""
        first = self._entries[producer_id].current_txn_first_offset
        if first is None or repeated.first_offset < first:
            raise KafkaError(
                ErrorCode.INVALID_TXN_STATE,
                f"sequence {repeated.first_sequence} of producer {producer_id} was in a"
                " transaction that is over",
            )

    def begin_verification(
        self, producer_id: int, epoch: int, sequence: int, now_ms: int
    ) -> VerificationGuard | None:
        """A guard for the first batch of a transaction, to be shown to ``check`` once its
        coordinator has confirmed it; None if the producer has a transaction open here."""
        if self._has_transaction(producer_id):
            return None
        return self._verified().begin(producer_id, epoch, sequence, now_ms)

    def _verified(self) -> Verifications:
        if self._verifications is None:
            self._verifications = Verifications()
        return self._verifications

    def _has_transaction(self, producer_id: int) -> bool:
        entry = self._entries.get(producer_id)
        return entry is not None and entry.current_txn_first_offset is not None

    def check(
        self,
        header: BatchHeader,
        origin: Origin,
        marker: EndTransactionMarker | None = None,
        guard: VerificationGuard | None = None,
    ) -> None:
        """Refuse a batch that must not follow what is here; changes nothing.

        ``marker`` is a control batch's, ``guard`` comes with a request in a transaction. Raises
        INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE, OUT_OF_ORDER_SEQUENCE_NUMBER,
        TRANSACTION_COORDINATOR_FENCED, TRANSACTIONAL_ID_AUTHORIZATION_FAILED."""
        if origin is Origin.REPLICATION or header.producer_id < 0:
            return
        if header.is_transactional and not header.is_control:
            self._check_verified(header, origin, guard)
        entry = self._entries.get(header.producer_id)
        epoch = NO_PRODUCER_EPOCH if entry is None else entry.epoch
        if header.producer_epoch < epoch:
            raise KafkaError(
                ErrorCode.INVALID_PRODUCER_EPOCH,
                f"producer {header.producer_id} is at epoch {epoch}, not {header.producer_epoch}",
            )
        if entry is None:
            return
        if header.is_control:
            if marker is not None and marker.coordinator_epoch < entry.coordinator_epoch:
                raise KafkaError(
                    ErrorCode.TRANSACTION_COORDINATOR_FENCED,
                    f"the coordinator's epoch is {entry.coordinator_epoch}, "
                    f"not {marker.coordinator_epoch}",
                )
            return
        if origin is Origin.CLIENT:
            _check_sequence(entry, header)
        if entry.current_txn_first_offset is not None and not header.is_transactional:
            raise KafkaError(
                ErrorCode.INVALID_TXN_STATE,
                f"producer {header.producer_id} has an open transaction in this partition",
            )

    def _check_verified(
        self, header: BatchHeader, origin: Origin, guard: VerificationGuard | None
    ) -> None:
        """Whether the transaction is open here, or may be opened."""
        producer_id = header.producer_id
        if guard is None and origin is Origin.CLIENT:
            raise KafkaError(
                ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
                "a transactional batch in a request without a transactional id",
            )
        if guard is None or self._has_transaction(producer_id):
            return
        if not self._verified().admits(producer_id, guard):
            raise KafkaError(
                ErrorCode.INVALID_TXN_STATE, "Record was not part of an ongoing transaction"
            )
        first = header.base_sequence
        if origin is Origin.CLIENT and self._verified().is_too_early(producer_id, first):
            raise KafkaError(
                ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"producer {producer_id} has sent what comes before sequence {first},"
                " and that is not verified yet",
            )

    # After a write

    def apply(
        self, header: BatchHeader, marker: EndTransactionMarker | None = None
    ) -> CompletedTransaction | None:
        """Remember an appended batch; the transaction it ended, if any.

        A control batch without a marker (emptied by compaction, or of a type unknown to us) changes
        nothing. The transaction stays open until ``complete``."""
        if header.producer_id < 0:
            return None
        attributes = header.attributes
        is_transactional = attributes & TRANSACTIONAL_BIT
        if is_transactional and self._verifications is not None:
            self._verifications.end(header.producer_id)
        if attributes & CONTROL_BIT:
            return None if marker is None else self._apply_marker(header, marker)
        entry = self._entries.get(header.producer_id) or self._entry(header.producer_id)
        if header.producer_epoch != entry.epoch:
            entry.set_epoch(header.producer_epoch)
        delta, timestamp = header.last_offset_delta, header.max_timestamp
        entry.last_timestamp = timestamp
        last_offset = header.base_offset + delta
        entry.batches.append(
            _new(BatchMetadata, (header.last_sequence, last_offset, delta, timestamp))
        )
        if is_transactional and entry.current_txn_first_offset is None:
            entry.current_txn_first_offset = header.base_offset
            if self._ongoing is NO_TRANSACTIONS:
                self._ongoing = {}
            self._ongoing[header.base_offset] = header.producer_id
        return None

    def last_stable_offset(self, completed: CompletedTransaction) -> int:
        """What the transaction index records beside an abort: the first offset of the next open
        transaction, else the one after the marker; not capped by the high watermark."""
        for first_offset, producer_id in self._ongoing.items():
            if producer_id != completed.producer_id:
                return first_offset
        return completed.last_offset + 1

    def complete(self, completed: CompletedTransaction) -> None:
        """The transaction's end is in the log and its index: it waits for replication only."""
        del self._ongoing[completed.first_offset]
        if self._unreplicated is NO_TRANSACTIONS:
            self._unreplicated = {}
        self._unreplicated[completed.first_offset] = completed.last_offset

    def advance_to(self, end_offset: int) -> None:
        """Everything before ``end_offset`` has been applied."""
        self.end_offset = end_offset

    # Offsets that move

    @property
    def first_unstable_offset(self) -> int | None:
        """The oldest record whose transaction is open, or ended but not yet replicated.

        The last stable offset is this, or the high watermark if that is lower (reference 7.2)."""
        ongoing = next(iter(self._ongoing), None)
        if not self._unreplicated:
            return ongoing
        ended = min(self._unreplicated)
        return ended if ongoing is None else min(ongoing, ended)

    @property
    def first_undecided_offset(self) -> int | None:
        """The oldest record of an open transaction."""
        return next(iter(self._ongoing), None)

    @property
    def oldest_transaction_timestamp(self) -> int | None:
        """When the producer of the oldest open transaction last wrote, ms; for "late" metrics."""
        producer_id = next(iter(self._ongoing.values()), None)
        entry = None if producer_id is None else self._entries.get(producer_id)
        return None if entry is None else entry.last_timestamp

    def on_high_watermark(self, high_watermark: int) -> None:
        """Markers below the high watermark are replicated."""
        if self._unreplicated:
            self._unreplicated = {
                first: marker
                for first, marker in self._unreplicated.items()
                if marker >= high_watermark
            }

    def on_log_start(self, log_start_offset: int) -> None:
        """The log starts later now. Producers stay: they live until they expire (KIP-360)."""
        self.on_high_watermark(log_start_offset)
        self.end_offset = max(self.end_offset, log_start_offset)

    def remove_expired(self, now_ms: int) -> int:
        """Forget producers idle for ``expiration_ms`` without an open transaction; how many."""
        expired = [
            entry.producer_id
            for entry in self._entries.values()
            if self._is_expired(entry.current_txn_first_offset, entry.last_timestamp, now_ms)
        ]
        for producer_id in expired:
            del self._entries[producer_id]
        if self._verifications is not None:
            self._verifications.remove_expired(now_ms, self.expiration_ms)
        return len(expired)

    # Snapshots and truncation

    def clear(self, end_offset: int) -> None:
        """Forget everything and stand at ``end_offset``: the log was cut or emptied. The caller
        then loads the newest snapshot at or before its end and applies what follows it, all before
        it moves its log end offset (trap 18, KAFKA-12153)."""
        self._entries = NO_PRODUCERS
        self._ongoing = self._unreplicated = NO_TRANSACTIONS
        self.end_offset = end_offset

    def load(self, entries: Iterable[SnapshotEntry], offset: int, now_ms: int) -> None:
        """Start from a snapshot taken at ``offset``, without the producers expired by now."""
        self.clear(offset)
        loaded: dict[int, ProducerEntry] = {}
        ongoing: list[tuple[int, int]] = []
        for saved in entries:
            first = saved.current_txn_first_offset
            txn_first_offset = first if first >= 0 else None
            if self._is_expired(txn_first_offset, saved.timestamp, now_ms):
                continue
            entry = ProducerEntry(saved.producer_id)
            entry.epoch = saved.epoch
            entry.coordinator_epoch = saved.coordinator_epoch
            entry.last_timestamp = saved.timestamp
            entry.current_txn_first_offset = txn_first_offset
            if saved.last_offset >= 0:
                entry.batches.append(BatchMetadata(*saved[2:6]))
            if txn_first_offset is not None:
                ongoing.append((txn_first_offset, saved.producer_id))
            loaded[saved.producer_id] = entry
        if loaded:
            self._entries = loaded
        if ongoing:
            self._ongoing = dict(sorted(ongoing))

    def snapshot(self) -> bytes:
        """The snapshot file of this state; belongs to ``end_offset``."""
        return encode_snapshot(entry.to_snapshot() for entry in self._entries.values())

    def _apply_marker(
        self, header: BatchHeader, marker: EndTransactionMarker
    ) -> CompletedTransaction | None:
        entry = self._entry(header.producer_id)
        first_offset = entry.current_txn_first_offset
        entry.set_epoch(header.producer_epoch)
        entry.coordinator_epoch = marker.coordinator_epoch
        entry.last_timestamp = header.max_timestamp
        entry.current_txn_first_offset = None
        if first_offset is None:
            return None
        aborted = marker.type == ControlType.ABORT
        return CompletedTransaction(header.producer_id, first_offset, header.base_offset, aborted)

    def _entry(self, producer_id: int) -> ProducerEntry:
        entry = self._entries.get(producer_id)
        if entry is None:
            if self._entries is NO_PRODUCERS:
                self._entries = {}
            entry = self._entries[producer_id] = ProducerEntry(producer_id)
        return entry

    def _is_expired(self, txn_first_offset: int | None, timestamp: int, now_ms: int) -> bool:
        return txn_first_offset is None and now_ms - timestamp >= self.expiration_ms


def _follows(entry: ProducerEntry, header: BatchHeader) -> bool:
    """The usual case, in which nothing else needs to be looked at: the batch comes after the last
    one, and no transaction is in play."""
    batches = entry.batches
    return (
        header.producer_epoch == entry.epoch
        and len(batches) > 0
        and header.base_sequence == batches[-1].last_sequence + 1
        and entry.current_txn_first_offset is None
        and not header.attributes & _NOT_PLAIN
    )


def _check_sequence(entry: ProducerEntry, header: BatchHeader) -> None:
    first = header.base_sequence
    if header.producer_epoch != entry.epoch:
        if first == 0 or entry.epoch == NO_PRODUCER_EPOCH:
            return
        raise KafkaError(
            ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
            f"producer {header.producer_id} begins epoch {header.producer_epoch} "
            f"at sequence {first}",
        )
    last = entry.last_sequence
    if first == last + 1 or (first == 0 and last == SEQUENCE_MAX):
        return
    raise KafkaError(
        ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
        f"producer {header.producer_id} sent sequence {first} after {last}",
    )
