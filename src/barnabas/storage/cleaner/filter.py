"""Cleaner.cleanInto: what cleaning leaves of a batch, byte for byte as in Kafka (reference 6.8).

Pure. Offsets and the bounds of batches never change. Long work is a generator of its cost
in microseconds, as in ``offset_map.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from barnabas.records.batch import LOG_APPEND_TIME, BatchHeader, stamp_crc
from barnabas.records.compression import compress
from barnabas.records.header import (
    CODEC_MASK,
    CONTROL_BIT,
    DELETE_HORIZON_BIT,
    HEADER,
    HEADER_BYTES,
    LOG_OVERHEAD_BYTES,
    MAGIC,
    TIMESTAMP_TYPE_BIT,
    TRANSACTIONAL_BIT,
)
from barnabas.records.keys import has_value, timestamp_delta, with_timestamp_delta
from barnabas.records.legacy import build_set, messages_of
from barnabas.storage.cleaner.offset_map import (
    BATCH_COST_US,
    BYTES_PER_US,
    RECORD_COST_US,
    CleanedTransactions,
    OffsetMap,
    Survivors,
    checked_data,
    digests,
    walk_keys,
)
from barnabas.types import NO_TIMESTAMP, Buffer

_KEPT_WHEN_EMPTY = TIMESTAMP_TYPE_BIT | TRANSACTIONAL_BIT | CONTROL_BIT
_NEW_TIMESTAMP_COST_US = 4


class LastRecord(NamedTuple):
    """Where an active producer stands: its batch must stay, be it empty, or a restart from the log
    alone would forget its sequence."""

    last_data_offset: int
    """-1 if it has only written markers."""
    epoch: int

    def is_in(self, header: BatchHeader) -> bool:
        """Whether this is the batch."""
        if self.last_data_offset >= 0:
            return header.last_offset == self.last_data_offset
        return header.is_control and header.producer_epoch == self.epoch


class Kept(NamedTuple):
    """A record that stays: where it is in the decompressed records."""

    start: int
    end: int
    is_tombstone: bool


@dataclass(slots=True)
class CleaningFigures:
    """What a pass did."""

    records_read: int = 0
    records_kept: int = 0
    bytes_read: int = 0
    bytes_kept: int = 0


class BatchFilter:
    """One pass over a log, its batches in ascending order."""

    def __init__(
        self,
        offsets: OffsetMap,
        survivors: Survivors,
        last_record_of: Callable[[int], LastRecord | None],
        *,
        now_ms: int,
        delete_retention_ms: int,
        last_offset: int,
    ) -> None:
        self._offsets = offsets
        self._survivors = survivors
        self._last_record_of = last_record_of
        self._now_ms = now_ms
        self._delete_retention_ms = delete_retention_ms
        self._last_offset = last_offset
        """Of the part that may be cleaned: the batch there stays, be it empty, so that whoever
        copies the log reaches its end (KAFKA-17076)."""
        self.transactions = CleanedTransactions()
        self.figures = CleaningFigures()
        self.keeps_old_tombstones = True
        """Of the segment that is being cleaned: those of message formats 0 and 1, which say
        nothing of when they may go."""

    def filter(self, header: BatchHeader, batch: memoryview) -> Generator[int, None, Buffer | None]:
        """The batch, what is left of it, or None. Raises KafkaError for a damaged one."""
        self.figures.records_read += header.record_count
        self.figures.bytes_read += len(batch)
        left = yield from self._filter(header, batch)
        if left is not None:
            self.figures.bytes_kept += len(left)
        return left

    def _filter(
        self, header: BatchHeader, batch: memoryview
    ) -> Generator[int, None, Buffer | None]:
        yield BATCH_COST_US
        if header.magic != MAGIC:
            yield RECORD_COST_US * header.record_count + len(batch) // BYTES_PER_US
            return self._messages(header, batch)
        if header.is_control:
            return self._control(header, batch)
        if self.transactions.on_batch(header):
            return self._emptied(header)
        kept, data = yield from self._select(header, batch)
        if not kept:
            return self._emptied(header)
        self.figures.records_kept += len(kept)
        horizon = header.delete_horizon_ms
        if horizon is None and any(record.is_tombstone for record in kept):
            horizon = self._now_ms + self._delete_retention_ms
        if len(kept) == header.record_count and horizon == header.delete_horizon_ms:
            return batch
        return (yield from _rebuilt(header, data, kept, horizon))

    def _control(self, header: BatchHeader, batch: memoryview) -> Buffer | None:
        """A marker goes once a pass has met no data of its transaction, and has waited after."""
        no_data = self.transactions.on_control(header, batch)
        horizon = header.delete_horizon_ms
        gone = no_data and horizon is not None and horizon <= self._now_ms
        if gone or header.record_count == 0:
            return self._emptied(header)
        self.figures.records_kept += header.record_count
        if not no_data or horizon is not None:
            return batch
        data = checked_data(header, batch)
        horizon = self._now_ms + self._delete_retention_ms
        steps = _rebuilt(header, data, [Kept(0, len(data), is_tombstone=False)], horizon)
        return _result(steps)

    def _messages(self, header: BatchHeader, batch: memoryview) -> Buffer | None:
        """What is left of a message of format 0 or 1, or of a wrapper. An inner message of another
        format than its wrapper's, which an old cleaner wrote, gets the right one (KAFKA-4298)."""
        messages = messages_of(batch)
        keys = digests([message.key for message in messages])
        kept = [
            message
            for key, message in zip(keys, messages, strict=True)
            if self._offsets.keeps(key, message.offset)
            and (
                message.value is not None
                or self.keeps_old_tombstones
                or message.offset >= self._offsets.end
            )
        ]
        self.figures.records_kept += len(kept)
        if not kept:
            return None
        if len(kept) == len(messages) and all(each.magic == header.magic for each in kept):
            return batch
        append_time = header.max_timestamp if header.timestamp_type == LOG_APPEND_TIME else None
        return build_set(
            header.magic,
            [(each.offset, each.timestamp, each.key, each.value) for each in kept],
            codec=header.codec,
            append_time_ms=append_time,
        )

    def _emptied(self, header: BatchHeader) -> Buffer | None:
        """The batch without its records if it has to stay."""
        last = self._last_record_of(header.producer_id) if header.producer_id >= 0 else None
        if header.last_offset != self._last_offset and not (last and last.is_in(header)):
            return None
        return _with_body(
            header,
            b"",
            count=0,
            attributes=header.attributes & _KEPT_WHEN_EMPTY,
            base_timestamp=NO_TIMESTAMP,
            max_timestamp=header.max_timestamp,
        )

    def _select(
        self, header: BatchHeader, batch: memoryview
    ) -> Generator[int, None, tuple[list[Kept], bytes]]:
        """The records that stay, and all of them."""
        offsets, base = self._offsets, header.base_offset
        wanted: dict[int, None] | None = None
        if base >= offsets.start and header.next_offset <= offsets.end:
            # Read once already: what survives is known by its offset.
            wanted = dict.fromkeys(self._survivors.take(base, header.last_offset))
            if not wanted:
                return [], b""
        data = checked_data(header, batch)
        kept: list[Kept] = []
        start = 0
        for found in walk_keys(header, data):
            if wanted is not None:
                stays = [base + delta in wanted for delta in found.deltas]
            else:
                keys = digests(found.keys)
                stays = [
                    offsets.keeps(key, base + delta)
                    for key, delta in zip(keys, found.deltas, strict=True)
                ]
            starts = [start, *found.ends]
            for number, stay in enumerate(stays):
                if stay:
                    is_tombstone = not has_value(data, found.values_at[number])
                    if is_tombstone and self._is_over(header, base + found.deltas[number]):
                        continue
                    kept.append(Kept(starts[number], starts[number + 1], is_tombstone))
            start = found.ends[-1]
            yield RECORD_COST_US * len(stays)
        yield len(data) // BYTES_PER_US
        return kept, data

    def _is_over(self, header: BatchHeader, offset: int) -> bool:
        """Whether a tombstone's time has come; not before the pass that has read its part."""
        horizon = header.delete_horizon_ms
        return horizon is not None and self._now_ms >= horizon and offset < self._offsets.end


def _rebuilt(
    header: BatchHeader, data: bytes, kept: list[Kept], horizon: int | None
) -> Generator[int, None, Buffer]:
    """The batch with some of its records, relative to another timestamp."""
    append_time = header.max_timestamp if header.timestamp_type == LOG_APPEND_TIME else None
    base = max_timestamp = NO_TIMESTAMP if horizon is None else horizon
    pieces: list[bytes] = []
    for number, (start, end, _) in enumerate(kept):
        old_delta = timestamp_delta(data, start)
        timestamp = header.base_timestamp + old_delta if append_time is None else append_time
        if number == 0:
            base = timestamp if horizon is None else horizon
            max_timestamp = timestamp
        max_timestamp = max(max_timestamp, timestamp)
        if timestamp - base == old_delta:
            pieces.append(data[start:end])
        else:
            pieces.append(with_timestamp_delta(data, start, end, timestamp - base))
        yield _NEW_TIMESTAMP_COST_US
    body = b"".join(pieces)
    codec = header.attributes & CODEC_MASK
    if codec:
        yield len(body) // (BYTES_PER_US // 10)
        body = compress(codec, body)
    attributes = header.attributes & (CODEC_MASK | _KEPT_WHEN_EMPTY)
    return _with_body(
        header,
        body,
        count=len(kept),
        attributes=attributes | (0 if horizon is None else DELETE_HORIZON_BIT),
        base_timestamp=base,
        max_timestamp=max_timestamp,
    )


def _with_body(
    header: BatchHeader,
    body: bytes,
    *,
    count: int,
    attributes: int,
    base_timestamp: int,
    max_timestamp: int,
) -> bytearray:
    changed = header._replace(
        batch_length=HEADER_BYTES - LOG_OVERHEAD_BYTES + len(body),
        crc=0,
        attributes=attributes,
        base_timestamp=base_timestamp,
        max_timestamp=max_timestamp,
        record_count=count,
    )
    batch = bytearray(HEADER.pack(*changed))
    batch += body
    stamp_crc(batch, 0, len(batch))
    return batch


def _result(steps: Iterator[int]) -> Buffer:
    """Run small work to its end."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: Buffer = done.value
            return result
