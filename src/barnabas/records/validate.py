"""Judge what a client wants appended (reference section 6.7; ``LogValidator``).

Kafka decompresses every batch and reads every record of it. In Python that costs 3 us a record,
more than all the rest of a produce, so the depth of the check follows from what depends on it:

- Always: size, checksum, header, and that counts, offsets and sequences of the header agree. The
  checksum shows that these are the bytes the client meant.
- Always, without compression: the lengths of the records lead from one to the next, of as many as
  ``CHAIN_RECORDS_MAX`` (about 0.15 us each); a batch no longer than that must end where its last
  record does. With compression: the stream begins as its codec does, and lz4 blocks are
  independent, as Java clients need them.
- Record by record only if an answer depends on it: compacted topics (keys), bounds on timestamps,
  recompression, or ``walk``. Then everything Kafka checks is checked.

What slips through is a batch that a broken encoder filled with something other than records under
a right checksum. Its readers fail on it, as they would on a value that is not what they expect.
Inside the broker nobody may: whoever reads records of a log treats ``KafkaError`` from
``iterate_records`` as "this batch has no readable record from here on" and goes on behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.batch import (
    CREATE_TIME,
    HEADER_BYTES,
    LOG_APPEND_TIME,
    BatchHeader,
    Record,
    build_batch,
    crc_ok,
    invalid_record,
    iterate_records,
    parse_header,
    stamp_append_time,
    stamp_max_timestamp,
)
from barnabas.records.compression import Codec, lz4_frame_readable
from barnabas.records.header import (
    CODEC_MASK,
    LOG_OVERHEAD_BYTES,
    MAGIC,
    MAGIC_POSITION,
    TRANSACTIONAL_BIT,
)
from barnabas.types import NO_TIMESTAMP, Buffer

PRODUCER_COMPRESSION = "producer"
"""The ``compression.type`` that keeps what the client sent."""
UNBOUNDED_MS = 2**63 - 1
"""Default of ``message.timestamp.before.max.ms`` and ``...after.max.ms``."""

CHAIN_RECORDS_MAX = 32
WALKED_RECORDS_MAX = 1_000_000
"""Reading more would hold up the broker for seconds; a few kB of zstd can hold so many."""
_RECORD_BYTES_MIN = 7
_PLAIN_ATTRIBUTES = CODEC_MASK | TRANSACTIONAL_BIT
_ZSTD_PRODUCE_VERSION = 7
_NONE, _LZ4, _ZSTD = int(Codec.NONE), int(Codec.LZ4), int(Codec.ZSTD)
_RECORD_ERRORS_SHOWN = 3
_CODECS: Mapping[str, Codec] = {
    "uncompressed": Codec.NONE,
    "gzip": Codec.GZIP,
    "snappy": Codec.SNAPPY,
    "lz4": Codec.LZ4,
    "zstd": Codec.ZSTD,
}
_STREAM_STARTS: Mapping[int, bytes] = {
    Codec.GZIP: b"\x1f\x8b",
    Codec.ZSTD: b"\x28\xb5\x2f\xfd",
}


class InvalidRecords(KafkaError):
    """Some records of a batch are refused, and with them the batch (KIP-467)."""

    def __init__(
        self, code: ErrorCode, message: str, record_errors: Sequence[tuple[int, str]]
    ) -> None:
        super().__init__(code, message)
        self.record_errors = tuple(record_errors)
        """(index in the batch, why); Produce v8 and later have a place for them."""


class ValidatedBatch(NamedTuple):
    """A client's batch, ready to be stamped with its offset and epoch."""

    header: BatchHeader
    """As it now is in ``records``."""
    records: Buffer
    """The client's bytes, perhaps changed in place, or a new batch if it was recompressed."""
    append_time_ms: int = NO_TIMESTAMP
    """For the answer: the log-append time if the topic uses it."""


def validate_client_batch(
    view: Buffer,
    *,
    produce_version: int,
    max_message_bytes: int,
    compacted: bool,
    timestamp_type: int = CREATE_TIME,
    before_max_ms: int = UNBOUNDED_MS,
    after_max_ms: int = UNBOUNDED_MS,
    now_ms: int,
    compression_type: str = PRODUCER_COMPRESSION,
    walk: bool = False,
) -> ValidatedBatch:
    """Accept exactly one batch or raise KafkaError.

    ``view`` must be writable when ``timestamp_type`` is LOG_APPEND_TIME or records are walked:
    header fields that the broker decides are corrected in place."""
    header = _the_only_batch(view, max_message_bytes)
    _check_header(header, produce_version)
    codec = header.attributes & CODEC_MASK
    target = codec if compression_type == PRODUCER_COMPRESSION else _CODECS[compression_type]
    bounded = timestamp_type == CREATE_TIME and min(before_max_ms, after_max_ms) < UNBOUNDED_MS
    append_time_ms = now_ms if timestamp_type == LOG_APPEND_TIME else NO_TIMESTAMP
    _check_body(view, header)
    if target == codec and not (compacted or bounded or walk):
        if timestamp_type == CREATE_TIME:
            return ValidatedBatch(header, view)
        return _with_append_time(view, header, now_ms)
    records = _walk(view, header)
    _check_keys(records, compacted)
    if bounded:
        _check_timestamps(records, now_ms, before_max_ms, after_max_ms)
    if target != codec:
        rebuilt = _recompress(records, header, target, append_time_ms)
        if len(rebuilt) > max_message_bytes:
            raise _too_large(len(rebuilt), max_message_bytes)
        return ValidatedBatch(
            header=parse_header(rebuilt), records=rebuilt, append_time_ms=append_time_ms
        )
    if timestamp_type == LOG_APPEND_TIME:
        return _with_append_time(view, header, now_ms)
    latest = max(record.timestamp for record in records)
    if latest != header.max_timestamp:
        stamp_max_timestamp(view, 0, header.size, latest)
        header = parse_header(view)
    return ValidatedBatch(header=header, records=view)


def _the_only_batch(view: Buffer, max_message_bytes: int) -> BatchHeader:
    """The header of a buffer that holds one whole batch of a permitted size, undamaged."""
    if len(view) == 0:
        raise invalid_record("there must be one record batch for each partition")
    if len(view) < HEADER_BYTES:
        raise KafkaError(ErrorCode.CORRUPT_MESSAGE, "record batch is shorter than its header")
    if view[MAGIC_POSITION] != MAGIC:
        raise invalid_record(
            f"record batch has format {view[MAGIC_POSITION]}, only format {MAGIC} is accepted"
        )
    header = parse_header(view)
    size = header.batch_length + LOG_OVERHEAD_BYTES
    if header.base_offset != 0:
        raise invalid_record(f"record batch begins at offset {header.base_offset}, not 0")
    if size > max_message_bytes:
        raise _too_large(size, max_message_bytes)
    if size > len(view):
        raise KafkaError(ErrorCode.CORRUPT_MESSAGE, "record batch is cut short")
    if not crc_ok(view, 0, size):
        raise KafkaError(ErrorCode.CORRUPT_MESSAGE, "record batch does not match its checksum")
    if size < len(view):
        raise invalid_record("more than one record batch for a partition")
    return header


def _check_header(header: BatchHeader, produce_version: int) -> None:
    count = header.record_count
    if count <= 0 or count != header.last_offset_delta + 1:
        raise invalid_record(f"{count} records with last offset {header.last_offset_delta}")
    if header.producer_id >= 0 and header.base_sequence < 0:
        raise invalid_record(f"producer {header.producer_id} sent no sequence")
    attributes = header.attributes
    if attributes & ~_PLAIN_ATTRIBUTES:
        _refuse_attributes(header)
    codec = attributes & CODEC_MASK
    if codec > _ZSTD:
        raise KafkaError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"unknown codec {codec}")
    if codec == _ZSTD and produce_version < _ZSTD_PRODUCE_VERSION:
        raise KafkaError(
            ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
            f"zstd needs Produce v{_ZSTD_PRODUCE_VERSION}, not v{produce_version}",
        )


def _refuse_attributes(header: BatchHeader) -> None:
    """Bits that only brokers set; bits without a meaning pass, as in Kafka."""
    if header.is_control:
        raise invalid_record("clients may not write control records")
    if header.delete_horizon_ms is not None:
        raise invalid_record("clients may not set a delete horizon")
    if header.timestamp_type == LOG_APPEND_TIME:
        raise KafkaError(
            ErrorCode.INVALID_TIMESTAMP,
            "clients may not set the type of timestamps to LogAppendTime",
        )


def _check_body(view: Buffer, header: BatchHeader) -> None:
    """What can be said of the records without reading them."""
    codec = header.attributes & CODEC_MASK
    if codec == _NONE:
        _check_chain(view, header)
    elif codec == _LZ4:
        if not lz4_frame_readable(view[HEADER_BYTES : HEADER_BYTES + 8]):
            raise invalid_record("not an LZ4 frame with independent blocks")
    else:
        start = _STREAM_STARTS.get(codec, b"")
        if bytes(view[HEADER_BYTES : HEADER_BYTES + len(start)]) != start:
            raise invalid_record(f"not a {Codec(codec).name.lower()} stream")


def _check_chain(view: Buffer, header: BatchHeader) -> None:
    """Follow the lengths of the first records of an uncompressed batch.

    A length takes up to three bytes in a record below 1 MiB; longer ones end the check."""
    end = header.size
    left = header.record_count
    if left * _RECORD_BYTES_MIN > end - HEADER_BYTES:
        raise invalid_record(f"{left} records in {end - HEADER_BYTES} bytes")
    pos = HEADER_BYTES
    signs = 0
    try:
        for _ in range(min(left, CHAIN_RECORDS_MAX)):
            first = view[pos]
            signs |= first
            if first < 0x80:
                pos += 1 + (first >> 1)
                continue
            second = view[pos + 1]
            if second < 0x80:
                # The length zig-zag encoded is first - 128 + 128 * second; its own bytes are two.
                pos += (first + (second << 7) - 124) >> 1
                continue
            third = view[pos + 2]
            if third >= 0x80:
                return
            pos += 3 + ((first & 0x7F | (second & 0x7F) << 7 | third << 14) >> 1)
    except IndexError:
        raise invalid_record("records are cut short") from None
    if signs & 1:
        raise invalid_record("record of negative length")
    left -= CHAIN_RECORDS_MAX
    if pos > end or (left <= 0 and pos != end):
        raise invalid_record(f"records do not end where their batch does: {pos - end:+} bytes")


def _walk(view: Buffer, header: BatchHeader) -> list[Record]:
    if header.record_count > WALKED_RECORDS_MAX:
        raise KafkaError(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"record batch of {header.record_count} records, at most {WALKED_RECORDS_MAX} are read",
        )
    try:
        records = list(iterate_records(view))
    except KafkaError as error:
        if error.code is ErrorCode.CORRUPT_MESSAGE:
            # Kafka reports a stream that its codec cannot read like records that are none.
            raise invalid_record(error.message) from error
        raise
    if any(record.offset != index for index, record in enumerate(records)):
        raise invalid_record("offsets of records do not follow one another")
    return records


def _check_keys(records: Sequence[Record], compacted: bool) -> None:
    if not compacted:
        return
    errors = [
        (index, "a compacted topic needs a key in each record")
        for index, record in enumerate(records)
        if record.key is None
    ]
    if errors:
        raise _refusal(ErrorCode.INVALID_RECORD, errors)


def _check_timestamps(
    records: Sequence[Record], now_ms: int, before_max_ms: int, after_max_ms: int
) -> None:
    earliest, latest = now_ms - before_max_ms, now_ms + after_max_ms
    errors = [
        (index, f"timestamp {record.timestamp} is not within {earliest} and {latest}")
        for index, record in enumerate(records)
        if record.timestamp != NO_TIMESTAMP and not earliest <= record.timestamp <= latest
    ]
    if errors:
        raise _refusal(ErrorCode.INVALID_TIMESTAMP, errors)


def _refusal(code: ErrorCode, errors: Sequence[tuple[int, str]]) -> InvalidRecords:
    shown = "; ".join(f"record {index}: {why}" for index, why in errors[:_RECORD_ERRORS_SHOWN])
    return InvalidRecords(code, f"{len(errors)} records refused: {shown}", errors)


def _with_append_time(view: Buffer, header: BatchHeader, now_ms: int) -> ValidatedBatch:
    stamp_append_time(view, 0, header.size, now_ms)
    return ValidatedBatch(header=parse_header(view), records=view, append_time_ms=now_ms)


def _recompress(
    records: Sequence[Record], header: BatchHeader, codec: int, append_time_ms: int
) -> bytearray:
    timestamp_type = CREATE_TIME
    if append_time_ms != NO_TIMESTAMP:
        timestamp_type = LOG_APPEND_TIME
        records = [record._replace(timestamp=append_time_ms) for record in records]
    return build_batch(
        records,
        codec=codec,
        producer_id=header.producer_id,
        producer_epoch=header.producer_epoch,
        base_sequence=header.base_sequence,
        timestamp_type=timestamp_type,
        append_time_ms=append_time_ms,
        transactional=header.is_transactional,
    )


def _too_large(size: int, max_message_bytes: int) -> KafkaError:
    return KafkaError(
        ErrorCode.MESSAGE_TOO_LARGE,
        f"record batch of {size} bytes is larger than max.message.bytes={max_message_bytes}",
    )
