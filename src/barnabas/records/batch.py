"""MemoryRecordsBuilder, DefaultRecord: records in batches, read and built (reference 6.2, KIP-98).

Offsets and timestamps are absolute in what is returned. Damage in a header or a codec's stream is
``KafkaError(CORRUPT_MESSAGE)``; records that do not follow the format inside a sound batch are
``KafkaError(INVALID_RECORD)``. Names of ``header.py`` are offered here too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from barnabas.errors import ErrorCode, KafkaError
from barnabas.limits import DECOMPRESSED_BATCH_BYTES_MAX
from barnabas.records.compression import Codec, compress, decompress
from barnabas.records.header import (
    CODEC_MASK,
    CONTROL_BIT,
    CREATE_TIME,
    DELETE_HORIZON_BIT,
    HEADER,
    HEADER_BYTES,
    LOG_APPEND_TIME,
    LOG_OVERHEAD_BYTES,
    MAGIC,
    SEQUENCE_MAX,
    TIMESTAMP_TYPE_BIT,
    TRANSACTIONAL_BIT,
    BatchHeader,
    batch_size,
    crc_ok,
    iterate_batches,
    parse_header,
    stamp,
    stamp_crc,
    stamp_timestamp,
)
from barnabas.records.legacy import messages_of
from barnabas.records.varint import read_varint, read_varlong, write_varint
from barnabas.types import Buffer

__all__ = [
    "CREATE_TIME",
    "HEADER_BYTES",
    "LOG_APPEND_TIME",
    "NOT_UTF8",
    "SEQUENCE_MAX",
    "BatchHeader",
    "Codec",
    "ControlType",
    "EndTransactionMarker",
    "Record",
    "batch_size",
    "build_batch",
    "build_marker",
    "crc_ok",
    "encode_record",
    "invalid_record",
    "iterate_batches",
    "iterate_records",
    "parse_header",
    "parse_marker",
    "read_marker",
    "records_data",
    "stamp",
    "stamp_crc",
    "stamp_timestamp",
]

_Headers: TypeAlias = tuple[tuple[str, bytes | None], ...]
_I64 = 2**63
_new = tuple.__new__
_NULL = write_varint(-1)
_CONTROL_KEY = struct.Struct(">hh")
_MARKER_VALUE = struct.Struct(">hi")
NOT_UTF8 = "surrogateescape"
"""How a ``str`` holds a header key's bytes that are not UTF-8. Kafka does not check them either."""


class Record(NamedTuple):
    """One record. ``timestamp`` is in ms; headers are (key, value) in order."""

    offset: int = 0
    timestamp: int = -1
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


class ControlType(IntEnum):
    """Types of control records that ZooKeeper-mode Kafka writes."""

    ABORT = 0
    COMMIT = 1


class EndTransactionMarker(NamedTuple):
    """The one record of a control batch."""

    type: int
    coordinator_epoch: int


def build_batch(
    records: Iterable[Record],
    *,
    base_offset: int = 0,
    codec: int = Codec.NONE,
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = -1,
    timestamp_type: int = CREATE_TIME,
    append_time_ms: int | None = None,
    transactional: bool = False,
    control: bool = False,
    leader_epoch: int = -1,
    keep_offsets: bool = False,
    last_offset: int | None = None,
    delete_horizon_ms: int | None = None,
    max_timestamp: int | None = None,
    level: int | None = None,
) -> bytearray:
    """A whole batch with its checksum.

    Records get consecutive offsets from ``base_offset``. With ``keep_offsets`` they keep their own
    (a cleaned batch has gaps), and ``last_offset`` is the one that the batch had before.
    ``append_time_ms`` goes with LOG_APPEND_TIME. ``max_timestamp`` replaces the largest timestamp
    of the records. ``level`` is the codec's (``compress``). A batch without records needs
    ``last_offset``: the cleaner keeps such a batch for its producer's sequence (reference 6.8)."""
    taken = list(records)
    if not keep_offsets:
        taken = [r._replace(offset=base_offset + i) for i, r in enumerate(taken)]
    first_timestamp = taken[0].timestamp if taken else -1
    base_timestamp = first_timestamp if delete_horizon_ms is None else delete_horizon_ms
    if last_offset is None:
        last_offset = taken[-1].offset if taken else base_offset
    if max_timestamp is None:
        max_timestamp = max((r.timestamp for r in taken), default=-1)
    if timestamp_type == LOG_APPEND_TIME and append_time_ms is not None:
        max_timestamp = append_time_ms
    attributes = (
        codec
        | (TIMESTAMP_TYPE_BIT if timestamp_type == LOG_APPEND_TIME else 0)
        | (TRANSACTIONAL_BIT if transactional else 0)
        | (CONTROL_BIT if control else 0)
        | (DELETE_HORIZON_BIT if delete_horizon_ms is not None else 0)
    )
    body = b"".join(encode_record(r, base_offset, base_timestamp) for r in taken)
    if codec and taken:
        body = compress(codec, body, level)
    batch = bytearray(
        HEADER.pack(
            base_offset,
            HEADER_BYTES - LOG_OVERHEAD_BYTES + len(body),
            leader_epoch,
            MAGIC,
            0,
            attributes,
            last_offset - base_offset,
            base_timestamp,
            max_timestamp,
            producer_id,
            producer_epoch,
            base_sequence,
            len(taken),
        )
    )
    batch += body
    stamp_crc(batch, 0, len(batch))
    return batch


def encode_record(record: Record, base_offset: int, base_timestamp: int) -> bytes:
    """One record relative to its batch."""
    pieces = [
        b"\x00",
        write_varint(record.timestamp - base_timestamp),
        write_varint(record.offset - base_offset),
        *_field(record.key),
        *_field(record.value),
        write_varint(len(record.headers)),
    ]
    for key, value in record.headers:
        pieces += _field(key.encode(errors=NOT_UTF8))
        pieces += _field(value)
    body = b"".join(pieces)
    return write_varint(len(body)) + body


def build_marker(
    marker: EndTransactionMarker,
    *,
    producer_id: int,
    producer_epoch: int,
    timestamp_ms: int,
    base_offset: int = 0,
    leader_epoch: int = -1,
) -> bytearray:
    """The control batch that ends a transaction in one partition (reference 6.2)."""
    record = Record(
        timestamp=timestamp_ms,
        key=_CONTROL_KEY.pack(0, marker.type),
        value=_MARKER_VALUE.pack(0, marker.coordinator_epoch),
    )
    return build_batch(
        [record],
        base_offset=base_offset,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        transactional=True,
        control=True,
        leader_epoch=leader_epoch,
    )


def parse_marker(record: Record) -> EndTransactionMarker | None:
    """The marker in a control batch's record; None for control types we do not know."""
    if record.key is None or len(record.key) < _CONTROL_KEY.size:
        raise invalid_record("control record without a type")
    version, kind = _CONTROL_KEY.unpack_from(record.key)
    if version < 0:
        raise invalid_record(f"control record key of version {version}")
    if kind not in (ControlType.ABORT, ControlType.COMMIT):
        return None
    if record.value is None or len(record.value) < _MARKER_VALUE.size:
        raise invalid_record("transaction marker without a coordinator epoch")
    version, epoch = _MARKER_VALUE.unpack_from(record.value)
    if version < 0:
        raise invalid_record(f"transaction marker of version {version}")
    return EndTransactionMarker(kind, epoch)


def records_data(view: Buffer, pos: int, header: BatchHeader, limit: int) -> Buffer:
    """The decompressed records of the batch at ``pos``, at most ``limit`` bytes."""
    if header.size > len(view) - pos:
        raise KafkaError(ErrorCode.CORRUPT_MESSAGE, "record batch is cut short")
    body = memoryview(view)[pos + HEADER_BYTES : pos + header.size]
    codec = header.attributes & CODEC_MASK
    return decompress(codec, body, limit) if codec else body


def iterate_records(
    view: Buffer, pos: int = 0, *, limit: int = DECOMPRESSED_BATCH_BYTES_MAX
) -> Iterator[Record]:
    """The records of the batch at ``pos``, decompressed, with absolute offsets and timestamps.

    Raises after the last good record when the rest does not follow the format."""
    header = parse_header(view, pos)
    last_offset = header.last_offset
    if header.magic != MAGIC:
        yield from _legacy_records(view, pos)
        return
    for record in read_records(bytes(records_data(view, pos, header, limit)), header):
        # So no answer can ever carry an offset outside of its batch.
        if not header.base_offset <= record.offset <= last_offset:
            raise invalid_record(f"record at offset {record.offset}, beyond {last_offset}")
        yield record


def _legacy_records(view: Buffer, pos: int) -> Iterator[Record]:
    for offset, _, _, timestamp, key, value, _ in messages_of(view, pos):
        yield _new(Record, (offset, timestamp, key, value, ()))


def read_records(data: bytes, header: BatchHeader) -> Iterator[Record]:
    """The records in a batch's decompressed ``data``. Their offsets are not checked."""
    if header.record_count < 0:
        raise invalid_record(f"{header.record_count} records")
    base_offset, base_timestamp = header.base_offset, header.base_timestamp
    append_time = header.max_timestamp if header.timestamp_type == LOG_APPEND_TIME else None
    at = 0
    for _ in range(header.record_count):
        try:
            timestamp, delta, key, value, headers, at = _read_record(data, at)
        except IndexError:
            raise invalid_record(f"record at {at} is cut short") from None
        timestamp = base_timestamp + timestamp if append_time is None else append_time
        if not -_I64 <= timestamp < _I64:
            # Overflow as in a Java long: a larger number could not be sent in any answer.
            timestamp = (timestamp + _I64) % (2 * _I64) - _I64
        yield _new(Record, (base_offset + delta, timestamp, key, value, headers))
    if at != len(data):
        raise invalid_record(f"{len(data) - at} bytes follow the last record")


def invalid_record(why: str) -> KafkaError:
    """The error of records that do not follow the format."""
    return KafkaError(ErrorCode.INVALID_RECORD, why)


def _read_record(
    data: bytes, at: int
) -> tuple[int, int, bytes | None, bytes | None, _Headers, int]:
    """(timestamp delta, offset delta, key, value, headers, where it ends) of the record at ``at``.

    Most fields are varints of one byte; these are read without a call. IndexError past the end."""
    length, start = read_varint(data, at)
    end = start + length
    if length < 0 or end > len(data):
        raise invalid_record(f"record of {length} bytes at {at} of {len(data)}")
    at = start + 1
    byte = data[at]
    if byte < 0x80:
        timestamp_delta = (byte >> 1) ^ -(byte & 1)
        at += 1
    else:
        timestamp_delta, at = read_varlong(data, at)
    byte = data[at]
    if byte < 0x80:
        offset_delta = (byte >> 1) ^ -(byte & 1)
        at += 1
    else:
        offset_delta, at = read_varint(data, at)
    key, at = _read_bytes(data, at, end)
    value, at = _read_bytes(data, at, end)
    headers: _Headers = ()
    if data[at] == 0:
        at += 1
    else:
        headers, at = _read_headers(data, at, end)
    if at != end:
        raise invalid_record(f"record of {length} bytes holds {at - start}")
    return timestamp_delta, offset_delta, key, value, headers, end


def _read_bytes(data: bytes, at: int, end: int) -> tuple[bytes | None, int]:
    byte = data[at]
    if byte < 0x80:
        length = (byte >> 1) ^ -(byte & 1)
        at += 1
    else:
        length, at = read_varint(data, at)
    if length < 0:
        return None, at
    stop = at + length
    if stop > end:
        raise invalid_record(f"field of {length} bytes where {end - at} are left")
    return data[at:stop], stop


def _read_headers(data: bytes, at: int, end: int) -> tuple[_Headers, int]:
    count, at = read_varint(data, at)
    if not 0 <= count <= end - at:
        raise invalid_record(f"{count} headers where {end - at} bytes are left")
    headers = []
    for _ in range(count):
        key, at = _read_bytes(data, at, end)
        if key is None:
            raise invalid_record("header without a key")
        value, at = _read_bytes(data, at, end)
        headers.append((key.decode(errors=NOT_UTF8), value))
    return tuple(headers), at


def read_marker(view: Buffer, pos: int, header: BatchHeader) -> EndTransactionMarker | None:
    """The marker in the control batch at ``pos``; None if compaction emptied the batch, or if its
    type is not known here."""
    if header.record_count == 0:
        return None
    return parse_marker(next(iterate_records(view, pos)))


def _field(value: bytes | None) -> tuple[bytes, ...]:
    return (_NULL,) if value is None else (write_varint(len(value)), value)
