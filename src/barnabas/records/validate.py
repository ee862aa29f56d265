"""LogValidator: checks a batch that a client wants appended (reference 6.7).

Every field of a client's header is checked. Size, checksum, offset, sequence and attributes are
checked by themselves. Count, last offset and largest timestamp are compared with the records. For
that each record is looked at, also inside a compressed batch (``survey.py`` says how, and at what
cost). A wrong largest timestamp and bits that only brokers set are corrected in place. So every
batch in a log can be read to its end, and its header is right.

Followers do not check again: the checksum shows that they have the bytes of their leader.

Barnabas accepts what Kafka accepts, with two exceptions that would leave an unreadable log:

- Kafka stores a compressed batch with a record whose length is wrong, or with bytes after the
  compressed stream. Readers fail on both, so they are refused here.
- Kafka stores offset deltas other than 0, 1, 2... as they are. Here the records get new ones. If
  the batch would have to be compressed again for that, it is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from barnabas.errors import ErrorCode, KafkaError
from barnabas.limits import DECOMPRESSED_BATCH_BYTES_MAX, RECORDS_MAX
from barnabas.records.batch import (
    CREATE_TIME,
    HEADER_BYTES,
    LOG_APPEND_TIME,
    BatchHeader,
    Record,
    build_batch,
    crc_ok,
    invalid_record,
    parse_header,
    read_records,
    records_data,
    stamp_timestamp,
)
from barnabas.records.compression import Codec, lz4_frame_readable
from barnabas.records.crc import crc32c
from barnabas.records.header import (
    ATTRIBUTES_POSITION,
    CODEC_MASK,
    CONTROL_BIT,
    DELETE_HORIZON_BIT,
    HEADER,
    LOG_OVERHEAD_BYTES,
    MAGIC,
    MAGIC_POSITION,
    TIMESTAMP_TYPE_BIT,
    TRANSACTIONAL_BIT,
)
from barnabas.records.rules import (
    CODECS,
    PRODUCER_COMPRESSION,
    RECORD_ERRORS_SHOWN,
    UNBOUNDED_MS,
    InvalidRecords,
    MalformedProduce,
    RecordLimits,
    ValidatedBatch,
    too_large,
)
from barnabas.records.survey import RECORD_BYTES_MIN, survey
from barnabas.records.up_conversion import (
    LEGACY_PRODUCE_VERSION_MAX,
    converted_set,
    has_current_format,
)
from barnabas.types import NO_TIMESTAMP

__all__ = [
    "UNBOUNDED_MS",
    "InvalidRecords",
    "MalformedProduce",
    "ValidatedBatch",
    "validate_client_batch",
    "validate_plain",
]

_I64 = 2**63
_new = tuple.__new__
_unpack_header = HEADER.unpack_from
_LENGTH = struct.Struct(">i")
_LENGTH_MIN = 14
"""The least length of a batch or message of any format."""
_PLAIN_ATTRIBUTES = CODEC_MASK | TRANSACTIONAL_BIT
_BROKERS_ATTRIBUTES = TIMESTAMP_TYPE_BIT | DELETE_HORIZON_BIT
_ZSTD_PRODUCE_VERSION = 7
_NONE, _LZ4, _ZSTD = int(Codec.NONE), int(Codec.LZ4), int(Codec.ZSTD)


def validate_client_batch(
    view: memoryview,
    *,
    produce_version: int,
    max_message_bytes: int,
    compacted: bool,
    timestamp_type: int = CREATE_TIME,
    before_max_ms: int = UNBOUNDED_MS,
    after_max_ms: int = UNBOUNDED_MS,
    now_ms: int,
    compression_type: str = PRODUCER_COMPRESSION,
    compression_level: int | None = None,
    in_transaction: bool = True,
) -> ValidatedBatch:
    """Accept exactly one batch or raise KafkaError.

    ``view`` must be writable: header fields that the broker decides are corrected in place.
    ``in_transaction``: whether the request has a transactional id."""
    header = _plain_header(view, max_message_bytes)
    if header is None:
        if produce_version <= LEGACY_PRODUCE_VERSION_MAX and not has_current_format(view):
            return converted_set(
                view,
                RecordLimits(
                    compacted=compacted,
                    append_time=timestamp_type == LOG_APPEND_TIME,
                    now_ms=now_ms,
                    before_max_ms=before_max_ms,
                    after_max_ms=after_max_ms,
                ),
                max_message_bytes=max_message_bytes,
                compression_type=compression_type,
            )
        view = _the_only_batch(view, produce_version, in_transaction)
        header = _checked_header(view, max_message_bytes)
        data = _records_data(view, header)
    else:
        data = view[HEADER_BYTES:]
    found = survey(data, header.record_count, header.max_timestamp - header.base_timestamp)
    earliest = header.base_timestamp + found.earliest
    latest = header.base_timestamp + found.latest
    if not -_I64 <= earliest <= latest < _I64:
        earliest, latest = _wrapped_times(data, header)
    append_time_ms = now_ms if timestamp_type == LOG_APPEND_TIME else NO_TIMESTAMP
    bounded = timestamp_type == CREATE_TIME and min(before_max_ms, after_max_ms) < UNBOUNDED_MS
    if bounded or (compacted and found.keyless) or header.attributes & TIMESTAMP_TYPE_BIT:
        limits = RecordLimits(
            compacted=compacted,
            append_time=timestamp_type == LOG_APPEND_TIME,
            now_ms=now_ms,
            before_max_ms=before_max_ms,
            after_max_ms=after_max_ms,
        )
        if limits.may_refuse(header, found.keyless, earliest, latest):
            _check_records(data, header, limits)
    codec = header.attributes & CODEC_MASK
    target = codec if compression_type == PRODUCER_COMPRESSION else CODECS[compression_type]
    if found.in_order and target == codec:
        return _corrected(view, header, max(latest, NO_TIMESTAMP), append_time_ms)
    if not found.in_order and target == codec != _NONE:
        raise invalid_record("offsets of records do not follow one another")
    latest = max(latest, NO_TIMESTAMP)
    rebuilt = _rebuilt(data, header, target, latest, append_time_ms, compression_level)
    if len(rebuilt.records) > max_message_bytes:
        raise too_large(len(rebuilt.records), max_message_bytes)
    return rebuilt


def validate_plain(view: memoryview, max_message_bytes: int) -> ValidatedBatch | None:
    """``validate_client_batch`` for the most frequent case: a topic that takes every record, and
    one valid batch, not compressed, outside of transactions, in which nothing is to be corrected.
    None for anything else."""
    header = _plain_header(view, max_message_bytes)
    if header is None:
        return None
    base, claimed = header.base_timestamp, header.max_timestamp
    found = survey(view[HEADER_BYTES:], header.record_count, claimed - base)
    usual = found.in_order and base + found.latest == claimed and base + found.earliest >= 0
    return _new(ValidatedBatch, (header, view, NO_TIMESTAMP, 0)) if usual else None


def _plain_header(view: memoryview, max_message_bytes: int) -> BatchHeader | None:
    """The header if this is the most frequent case: one valid batch, not compressed, outside of
    transactions. None for anything else, which then gets all checks."""
    size = len(view)
    if not HEADER_BYTES <= size <= max_message_bytes:
        return None
    header: BatchHeader = _new(BatchHeader, _unpack_header(view))
    base_offset, length, _, magic, crc, attributes, last, _, _, producer, _, sequence, count = (
        header
    )
    plain = (
        length == size - LOG_OVERHEAD_BYTES
        and magic == MAGIC
        and attributes == base_offset == 0
        and 0 < count == last + 1 <= RECORDS_MAX
        and (producer < 0 or sequence >= 0)
        and crc == crc32c(view[ATTRIBUTES_POSITION:])
    )
    return header if plain else None


def _the_only_batch(view: memoryview, produce_version: int, in_transaction: bool) -> memoryview:
    """The one whole batch in the bytes; an incomplete batch after it is left out."""
    size = _whole_batch(view, 0)
    if size == 0:
        raise MalformedProduce(
            ErrorCode.INVALID_RECORD, "there must be one whole record batch for each partition"
        )
    if view[MAGIC_POSITION] != MAGIC:
        raise MalformedProduce(
            ErrorCode.INVALID_RECORD,
            f"record batch has format {view[MAGIC_POSITION]}, only format {MAGIC} is accepted",
        )
    attributes = view[ATTRIBUTES_POSITION + 1]
    if attributes & CODEC_MASK == _ZSTD and produce_version < _ZSTD_PRODUCE_VERSION:
        raise MalformedProduce(
            ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
            f"zstd needs Produce v{_ZSTD_PRODUCE_VERSION}, not v{produce_version}",
        )
    if attributes & TRANSACTIONAL_BIT and not in_transaction:
        raise MalformedProduce(
            ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            "a transactional batch in a request without a transactional id",
        )
    if size < len(view):
        if _whole_batch(view, size):
            raise MalformedProduce(
                ErrorCode.INVALID_RECORD, "more than one record batch for a partition"
            )
        return view[:size]
    return view


def _whole_batch(view: memoryview, at: int) -> int:
    """The size of the batch (or message of an old format) at ``at``; 0 if it is incomplete.
    CORRUPT_MESSAGE for an impossible size or format."""
    left = len(view) - at
    if left < LOG_OVERHEAD_BYTES:
        return 0
    length: int = _LENGTH.unpack_from(view, at + LOG_OVERHEAD_BYTES - _LENGTH.size)[0]
    if length < _LENGTH_MIN:
        raise MalformedProduce(ErrorCode.CORRUPT_MESSAGE, f"record batch of length {length}")
    if left > MAGIC_POSITION and view[at + MAGIC_POSITION] > MAGIC:
        magic = int.from_bytes(view[at + MAGIC_POSITION : at + MAGIC_POSITION + 1], signed=True)
        raise MalformedProduce(ErrorCode.CORRUPT_MESSAGE, f"Invalid magic found in record: {magic}")
    size = LOG_OVERHEAD_BYTES + length
    return size if size <= left else 0


def _checked_header(view: memoryview, max_message_bytes: int) -> BatchHeader:
    """The header of an undamaged batch of a permitted size, whose fields are possible."""
    header = parse_header(view)
    if header.base_offset != 0:
        raise invalid_record(f"record batch begins at offset {header.base_offset}, not 0")
    if len(view) > max_message_bytes:
        raise too_large(len(view), max_message_bytes)
    if not crc_ok(view, 0, len(view)):
        raise KafkaError(ErrorCode.CORRUPT_MESSAGE, "record batch does not match its checksum")
    codec = header.attributes & CODEC_MASK
    if codec > _ZSTD:
        raise KafkaError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"unknown codec {codec}")
    count = header.record_count
    if count <= 0 or count != header.last_offset_delta + 1:
        raise invalid_record(f"{count} records with last offset {header.last_offset_delta}")
    if header.attributes & CONTROL_BIT:
        raise invalid_record("clients may not write control records")
    if header.producer_id >= 0 and header.base_sequence < 0:
        raise invalid_record(f"producer {header.producer_id} sent no sequence")
    return header


def _records_data(view: memoryview, header: BatchHeader) -> memoryview:
    """The records, decompressed. INVALID_RECORD if the codec cannot read them, as in Kafka."""
    codec, count = header.attributes & CODEC_MASK, header.record_count
    # Without compression: more records than fit into the bytes are malformed, not too many.
    if count > RECORDS_MAX and (codec != _NONE or count * RECORD_BYTES_MIN <= len(view)):
        raise KafkaError(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"batch of {count} records, at most {RECORDS_MAX} are read",
        )
    if codec == _NONE:
        return view[HEADER_BYTES:]
    if codec == _LZ4 and not lz4_frame_readable(view[HEADER_BYTES:]):
        raise invalid_record("not one LZ4 frame with independent blocks")
    try:
        return memoryview(records_data(view, 0, header, DECOMPRESSED_BATCH_BYTES_MAX))
    except KafkaError as error:
        raise invalid_record(f"{Codec(codec).name.lower()}: {error.message}") from error


def _with_create_times(header: BatchHeader) -> BatchHeader:
    """The header with CreateTime, so that reading gives the records' own timestamps."""
    return header._replace(attributes=header.attributes & ~TIMESTAMP_TYPE_BIT)


def _wrapped_times(data: memoryview, header: BatchHeader) -> tuple[int, int]:
    """The least and greatest timestamp of records, some of which overflow 64 bits."""
    records = read_records(bytes(data), _with_create_times(header))
    times = [record.timestamp for record in records]
    return min(times), max(times)


def _check_records(data: memoryview, header: BatchHeader, limits: RecordLimits) -> None:
    """Refuse the batch if the topic does not accept one of its records. If a timestamp is among
    the reasons, its error is that of the whole batch, as in Kafka."""
    own_type = header.timestamp_type == LOG_APPEND_TIME and (
        limits.append_time or header.max_timestamp == NO_TIMESTAMP
    )
    code = ErrorCode.INVALID_RECORD
    errors: list[tuple[int, str]] = []
    for index, record in enumerate(read_records(bytes(data), _with_create_times(header))):
        time = record.timestamp
        if limits.compacted and record.key is None:
            errors.append((index, "a compacted topic needs a key in each record"))
        elif own_type:
            code = ErrorCode.INVALID_TIMESTAMP
            errors.append((index, "producers may not set the type LogAppendTime"))
        elif limits.append_time or time == NO_TIMESTAMP:
            continue
        elif not limits.is_timely(time):
            code = ErrorCode.INVALID_TIMESTAMP
            first, last = limits.now_ms - limits.before_max_ms, limits.now_ms + limits.after_max_ms
            why = f"timestamp {time} is not within {max(first, -_I64)} and {min(last, _I64 - 1)}"
            errors.append((index, why))
    if errors:
        shown = "; ".join(f"record {index}: {why}" for index, why in errors[:RECORD_ERRORS_SHOWN])
        raise InvalidRecords(code, f"{len(errors)} records refused: {shown}", errors)


def _corrected(
    view: memoryview, header: BatchHeader, latest: int, append_time_ms: int
) -> ValidatedBatch:
    """The batch itself, with the fields corrected that only the broker decides."""
    attributes = header.attributes
    if append_time_ms != NO_TIMESTAMP:
        attributes, latest = attributes & _PLAIN_ATTRIBUTES | TIMESTAMP_TYPE_BIT, append_time_ms
    elif attributes & _BROKERS_ATTRIBUTES or latest != header.max_timestamp:
        attributes &= _PLAIN_ATTRIBUTES
    else:
        return ValidatedBatch(header, view)
    stamp_timestamp(view, 0, len(view), attributes, latest)
    return ValidatedBatch(parse_header(view), view, append_time_ms)


def _rebuilt(
    data: memoryview,
    header: BatchHeader,
    codec: int,
    latest: int,
    append_time_ms: int,
    level: int | None,
) -> ValidatedBatch:
    """A new batch of the same records, with another codec or with consecutive offsets."""
    appended = append_time_ms != NO_TIMESTAMP
    records: Sequence[Record] = list(read_records(bytes(data), _with_create_times(header)))
    batch = build_batch(
        records,
        codec=codec,
        producer_id=header.producer_id,
        producer_epoch=header.producer_epoch,
        base_sequence=header.base_sequence,
        timestamp_type=LOG_APPEND_TIME if appended else CREATE_TIME,
        max_timestamp=append_time_ms if appended else latest,
        transactional=header.is_transactional,
        level=level,
    )
    return ValidatedBatch(
        parse_header(batch), memoryview(batch), append_time_ms, header.record_count
    )
