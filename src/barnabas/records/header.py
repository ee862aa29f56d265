"""DefaultRecordBatch: headers of v2 parsed, walked, verified, stamped (reference 6.2, KIP-98).

This is the hot path: one precompiled ``unpack`` per batch, into a named tuple, and stamping in
place. Damage is ``KafkaError(CORRUPT_MESSAGE)``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.crc import crc32c
from barnabas.records.legacy import MESSAGE_OVERHEAD, crc_matches, header_fields
from barnabas.types import Buffer

HEADER = struct.Struct(">qiibIhiqqqhii")
HEADER_BYTES = 61
LOG_OVERHEAD_BYTES = 12
"""Bytes before those that ``batch_length`` counts."""
MAGIC = 2
MAGIC_POSITION = 16
CRC_POSITION = 17
ATTRIBUTES_POSITION = 21
MAX_TIMESTAMP_POSITION = 35

CODEC_MASK = 0x07
TIMESTAMP_TYPE_BIT = 0x08
TRANSACTIONAL_BIT = 0x10
CONTROL_BIT = 0x20
DELETE_HORIZON_BIT = 0x40

CREATE_TIME = 0
LOG_APPEND_TIME = 1

SEQUENCE_MAX = 2**31 - 1

_LENGTH = struct.Struct(">i")
_CRC = struct.Struct(">I")
_BASE_OFFSET = struct.Struct(">q")
_LEADER_EPOCH = struct.Struct(">i")
_ATTRIBUTES = struct.Struct(">h")
_MAX_TIMESTAMP = struct.Struct(">q")
_unpack_crc = _CRC.unpack_from
_unpack_header = HEADER.unpack_from
_new = tuple.__new__


class BatchHeader(NamedTuple):
    """The 61 bytes in front of a batch's records, in their order on the wire."""

    base_offset: int
    batch_length: int
    partition_leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    def stamped(self, base_offset: int, leader_epoch: int) -> BatchHeader:
        """The header as it is after ``stamp``."""
        return _new(BatchHeader, (base_offset, self[1], leader_epoch, *self[3:]))

    @property
    def size(self) -> int:
        """Bytes of the whole batch."""
        return self.batch_length + LOG_OVERHEAD_BYTES

    @property
    def last_offset(self) -> int:
        """The highest offset of the batch, even if compaction removed that record."""
        return self.base_offset + self.last_offset_delta

    @property
    def next_offset(self) -> int:
        return self.base_offset + self.last_offset_delta + 1

    @property
    def last_sequence(self) -> int:
        """Sequence of the last record; -1 without sequences. After 2**31 - 1 comes 0."""
        if self.base_sequence < 0:
            return -1
        return (self.base_sequence + self.last_offset_delta) & SEQUENCE_MAX

    @property
    def codec(self) -> int:
        return self.attributes & CODEC_MASK

    @property
    def timestamp_type(self) -> int:
        return LOG_APPEND_TIME if self.attributes & TIMESTAMP_TYPE_BIT else CREATE_TIME

    @property
    def is_transactional(self) -> bool:
        return bool(self.attributes & TRANSACTIONAL_BIT)

    @property
    def is_control(self) -> bool:
        return bool(self.attributes & CONTROL_BIT)

    @property
    def delete_horizon_ms(self) -> int | None:
        """From when on the cleaner may remove this batch's tombstones or marker; None if it has
        not decided that yet."""
        return self.base_timestamp if self.attributes & DELETE_HORIZON_BIT else None


def parse_header(view: Buffer, pos: int = 0) -> BatchHeader:
    """The header at ``pos``; only its magic and the least length are checked. Of a message of
    format 0 or 1, which must be whole: a header that says the same."""
    if len(view) - pos < HEADER_BYTES:
        return _other_header(view, pos)
    header: BatchHeader = _new(BatchHeader, _unpack_header(view, pos))
    if header.magic != MAGIC or header.batch_length < HEADER_BYTES - LOG_OVERHEAD_BYTES:
        return _other_header(view, pos)
    return header


def _other_header(view: Buffer, pos: int) -> BatchHeader:
    """That of a message of format 0 or 1, or the error of what is none."""
    fields = header_fields(view, pos)
    if fields is not None:
        header: BatchHeader = _new(BatchHeader, fields)
        return header
    if len(view) - pos < HEADER_BYTES:
        raise KafkaError(ErrorCode.CORRUPT_MESSAGE, "record batch is shorter than its header")
    header = _new(BatchHeader, _unpack_header(view, pos))
    raise _bad_header(header.magic, header.batch_length)


def batch_size(view: Buffer, pos: int = 0) -> int:
    """Bytes of the batch at ``pos``; needs 17 bytes (size and magic)."""
    if len(view) - pos <= MAGIC_POSITION:
        raise KafkaError(ErrorCode.CORRUPT_MESSAGE, "record batch is cut short")
    length: int = _LENGTH.unpack_from(view, pos + 8)[0]
    magic = view[pos + MAGIC_POSITION]
    if magic != MAGIC or length < HEADER_BYTES - LOG_OVERHEAD_BYTES:
        if magic < MAGIC and length >= MESSAGE_OVERHEAD - LOG_OVERHEAD_BYTES:
            return length + LOG_OVERHEAD_BYTES
        raise _bad_header(magic, length)
    return length + LOG_OVERHEAD_BYTES


def iterate_batches(view: Buffer, pos: int = 0) -> Iterator[tuple[BatchHeader, int, int]]:
    """(header, position, size) of each whole batch from ``pos``.

    Stops before a batch that is cut off by the end of ``view``, as the last one in a slice of a log
    may be. Raises for an impossible header. Does not check checksums (``crc_ok`` does)."""
    end = len(view)
    smallest = HEADER_BYTES - LOG_OVERHEAD_BYTES
    while end - pos >= HEADER_BYTES:
        header: BatchHeader = _new(BatchHeader, _unpack_header(view, pos))
        length = header.batch_length
        if header.magic != MAGIC or length < smallest:
            if header.magic == MAGIC or batch_size(view, pos) > end - pos:
                break
            header = _other_header(view, pos)
            length = header.batch_length
        size = length + LOG_OVERHEAD_BYTES
        if size > end - pos:
            return
        yield header, pos, size
        pos += size
    while end - pos > MAGIC_POSITION and (size := batch_size(view, pos)) <= end - pos:
        # A message of an old format may be shorter than a header.
        yield _other_header(view, pos), pos, size
        pos += size


def stamp(view: Buffer, pos: int, base_offset: int, leader_epoch: int) -> None:
    """Write the offset and epoch that the leader assigns, in place; the checksum does not cover
    them."""
    _BASE_OFFSET.pack_into(view, pos, base_offset)
    _LEADER_EPOCH.pack_into(view, pos + LOG_OVERHEAD_BYTES, leader_epoch)


def stamp_timestamp(view: Buffer, pos: int, size: int, attributes: int, max_timestamp: int) -> None:
    """Write attributes and the largest timestamp in place, and renew the checksum. With
    TIMESTAMP_TYPE_BIT in the attributes every record of the batch has that timestamp."""
    _ATTRIBUTES.pack_into(view, pos + ATTRIBUTES_POSITION, attributes)
    _MAX_TIMESTAMP.pack_into(view, pos + MAX_TIMESTAMP_POSITION, max_timestamp)
    stamp_crc(view, pos, size)


def stamp_crc(view: Buffer, pos: int, size: int) -> None:
    """Write the checksum of the batch of ``size`` bytes at ``pos``."""
    value = crc32c(memoryview(view)[pos + ATTRIBUTES_POSITION : pos + size])
    _CRC.pack_into(view, pos + CRC_POSITION, value)


def crc_ok(view: Buffer, pos: int, size: int) -> bool:
    """Whether the batch of ``size`` bytes at ``pos`` matches its checksum: CRC-32C, CRC-32 in
    formats 0 and 1."""
    if size < HEADER_BYTES:
        return crc_matches(view, pos, size)
    expected: int = _unpack_crc(view, pos + CRC_POSITION)[0]
    actual: int = crc32c(memoryview(view)[pos + ATTRIBUTES_POSITION : pos + size])
    return actual == expected or (
        view[pos + MAGIC_POSITION] < MAGIC and crc_matches(view, pos, size)
    )


def _bad_header(magic: int, length: int) -> KafkaError:
    if magic != MAGIC:
        return KafkaError(ErrorCode.CORRUPT_MESSAGE, f"unknown record batch format {magic}")
    return KafkaError(ErrorCode.CORRUPT_MESSAGE, f"record batch of length {length}")
