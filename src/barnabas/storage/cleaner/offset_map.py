"""SkimpyOffsetMap, CleanedTransactionMetadata: the last offset of each key in the dirty part of a
log, and which transactions were aborted (reference 6.8).

Pure. Work that takes long is a generator of its approximate cost in microseconds of processor time:
whoever drives it decides when others get their turn.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterable, Iterator
from hashlib import blake2b
from itertools import islice

from barnabas.errors import ErrorCode, KafkaError
from barnabas.limits import DECOMPRESSED_BATCH_BYTES_MAX
from barnabas.records.batch import (
    BatchHeader,
    ControlType,
    crc_ok,
    invalid_record,
    read_marker,
    records_data,
)
from barnabas.records.header import MAGIC
from barnabas.records.keys import RecordKeys, read_keys
from barnabas.records.legacy import messages_of
from barnabas.storage.index import AbortedTransaction

ENTRY_BYTES = 192
"""Memory of one key in the map, keys of up to 16 bytes (Python's dict grows by doubling); Kafka
needs 24. So the default ``log.cleaner.dedupe.buffer.size`` of 128 MiB holds 629,145 keys; a log
with more is cleaned in several passes."""

DIGEST_BYTES = 16
RECORDS_PER_STEP = 1000
RECORD_COST_US = 2
BATCH_COST_US = 10
BYTES_PER_US = 1000
"""Of decompression and checksums."""
_SORTED_AT_ONCE = 5000

Batches = Iterable[tuple[int, BatchHeader, memoryview]]
"""(position, header, bytes), as a segment tells them."""


def digests(keys: list[bytes | None]) -> list[bytes | None]:
    """Keys below 16 bytes as they are, longer ones as 16 bytes that nobody can make collide."""
    return [key if key is None or len(key) < DIGEST_BYTES else _digest(key) for key in keys]


def _digest(key: bytes) -> bytes:
    return blake2b(key, digest_size=DIGEST_BYTES).digest()


def checked_data(header: BatchHeader, batch: memoryview) -> bytes:
    """The decompressed records of an undamaged batch: damage must not get a new checksum."""
    if not crc_ok(batch, 0, len(batch)):
        raise KafkaError(
            ErrorCode.CORRUPT_MESSAGE, f"checksum of the batch at {header.base_offset}"
        )
    return bytes(records_data(batch, 0, header, DECOMPRESSED_BATCH_BYTES_MAX))


def walk_keys(header: BatchHeader, data: bytes) -> Iterator[RecordKeys]:
    """All records of a batch, some at a time. INVALID_RECORD."""
    at, left = 0, header.record_count
    while left > 0:
        found = read_keys(data, at, min(left, RECORDS_PER_STEP))
        if max(found.deltas) > header.last_offset_delta:
            raise invalid_record(f"offset delta beyond {header.last_offset_delta}")
        yield found
        left -= len(found.ends)
        at = found.ends[-1]
    if at != len(data):
        raise invalid_record(f"{len(data) - at} bytes follow the last record")


class CleanedTransactions:
    """Which transactions a walk over the log has seen data of: ``CleanedTransactionMetadata``."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, AbortedTransaction]] = []
        # Producer -> its aborted transaction that the walk is in, and whether data was met.
        self._aborted: dict[int, tuple[AbortedTransaction, bool]] = {}
        self._committed: dict[int, None] = {}
        self.still_needed: list[AbortedTransaction] = []
        """Index entries for the segment that is being written; taken by its writer."""

    def add_aborted(self, aborted: Iterable[AbortedTransaction]) -> None:
        """Entries of the transaction index that overlap what is walked next; may repeat."""
        for transaction in aborted:
            heapq.heappush(self._waiting, (transaction.first_offset, transaction))

    def on_batch(self, header: BatchHeader) -> bool:
        """Whether a data batch belongs to an aborted transaction."""
        self._advance(header.last_offset)
        if not header.is_transactional:
            return False
        entry = self._aborted.get(header.producer_id)
        if entry is None:
            self._committed[header.producer_id] = None
            return False
        self._aborted[header.producer_id] = (entry[0], True)
        return True

    def on_control(self, header: BatchHeader, batch: memoryview) -> bool:
        """Whether a control batch stands for a transaction without data: it may go (after its
        delete horizon)."""
        self._advance(header.last_offset)
        if header.record_count == 0:
            return True
        marker = read_marker(batch, 0, header)
        if marker is None:
            return False
        if marker.type == ControlType.COMMIT:
            if header.producer_id not in self._committed:
                return True
            del self._committed[header.producer_id]
            return False
        transaction, has_data = self._aborted.pop(header.producer_id, (None, False))
        if transaction is None or not has_data:
            return True
        self.still_needed.append(transaction)
        return False

    def _advance(self, offset: int) -> None:
        waiting = self._waiting
        while waiting and waiting[0][0] <= offset:
            transaction = heapq.heappop(waiting)[1]
            self._aborted.setdefault(transaction.producer_id, (transaction, False))


class OffsetMap:
    """Key -> its last offset in [``start``, ``end``)."""

    def __init__(self, start: int, capacity: int) -> None:
        self.start = start
        self.end = start
        """Everything before it is in the map."""
        self.capacity = capacity
        self.offsets: dict[bytes | None, int] = {}
        self.records_read = 0
        self.bytes_read = 0

    @property
    def is_full(self) -> bool:
        """The next batch has to wait for another pass. The last batch may have gone beyond."""
        return len(self.offsets) >= self.capacity

    def fill(
        self, segments: Iterable[tuple[int, Batches]], transactions: CleanedTransactions
    ) -> Generator[int, None, None]:
        """Take up (offset after the segment, its batches) one after the other until all are in or
        the map is full."""
        for next_base, batches in segments:
            for _, header, batch in batches:
                if self.is_full:
                    return
                self.bytes_read += len(batch)
                if header.is_control:
                    transactions.on_control(header, batch)
                    yield 2 * BATCH_COST_US
                elif not transactions.on_batch(header):
                    yield from self._add(header, batch)
                if header.last_offset >= self.start:
                    self.end = max(self.end, header.next_offset)
            self.end = max(self.end, next_base)

    def _add(self, header: BatchHeader, batch: memoryview) -> Iterator[int]:
        if header.magic != MAGIC:
            yield from self._add_messages(header, batch)
            return
        data = checked_data(header, batch)
        self.records_read += header.record_count
        if header.base_offset < self.start:
            yield from self._add_from_start(header, data)
            return
        to_offset = header.base_offset.__add__
        for found in walk_keys(header, data):
            self.offsets.update(zip(digests(found.keys), map(to_offset, found.deltas), strict=True))
            yield RECORD_COST_US * len(found.ends)
        self.offsets.pop(None, None)
        yield BATCH_COST_US + len(data) // BYTES_PER_US

    def _add_messages(self, header: BatchHeader, batch: memoryview) -> Iterator[int]:
        """Of formats 0 and 1."""
        messages = messages_of(batch)
        self.records_read += len(messages)
        for key, message in zip(digests([m.key for m in messages]), messages, strict=True):
            if key is not None and message.offset >= self.start:
                self.offsets[key] = message.offset
        yield BATCH_COST_US + RECORD_COST_US * len(messages) + len(batch) // BYTES_PER_US

    def _add_from_start(self, header: BatchHeader, data: bytes) -> Iterator[int]:
        """The batch in whose middle the range starts."""
        for found in walk_keys(header, data):
            for key, delta in zip(digests(found.keys), found.deltas, strict=True):
                if key is not None and header.base_offset + delta >= self.start:
                    self.offsets[key] = header.base_offset + delta
            yield RECORD_COST_US * len(found.ends)

    def keeps(self, key: bytes | None, offset: int) -> bool:
        """Whether the record is not superseded; ``key`` as ``digests`` gives it. Records without a
        key do not belong into a compacted log."""
        return offset >= self.end or (key is not None and offset >= self.offsets.get(key, -1))


class Survivors:
    """The offsets in a map in ascending order, taken from the front: tells of most batches, without
    reading them, that nothing in them survives."""

    def __init__(self, offsets: Iterator[int]) -> None:
        self._offsets = offsets
        self._next = next(offsets, None)

    @classmethod
    def of(cls, offsets: OffsetMap) -> Generator[int, None, Survivors]:
        """Those of a map that will not change any more."""
        values = iter(offsets.offsets.values())
        runs = []
        while run := sorted(islice(values, _SORTED_AT_ONCE)):
            runs.append(run)
            yield len(run) // 5
        return cls(heapq.merge(*runs))

    def take(self, first: int, last: int) -> list[int]:
        """Those in [first, last]; those before are forgotten."""
        found = []
        while self._next is not None and self._next <= last:
            if self._next >= first:
                found.append(self._next)
            self._next = next(self._offsets, None)
        return found
