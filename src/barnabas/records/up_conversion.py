"""LogValidator, its conversion: message sets of formats 0 and 1 become one batch (reference 6.7).

A broker of Kafka 3.9 writes format 2 whatever it is sent and whatever ``message.format.version``
says (``LogConfig.shouldIgnoreMessageFormatVersion``, KIP-724). So the messages of a set become
the records of one batch: without headers, a producer or a transaction, and in format 0 without a
timestamp. A wrapper keeps its codec. Offsets are given anew, so those of the client do not matter.
"""

from __future__ import annotations

from barnabas.errors import ErrorCode, KafkaError
from barnabas.limits import RECORDS_MAX
from barnabas.records.batch import CREATE_TIME, LOG_APPEND_TIME, Record, build_batch
from barnabas.records.compression import Codec
from barnabas.records.header import MAGIC, MAGIC_POSITION, parse_header
from barnabas.records.legacy import Message, inner_messages, message_size, read_message
from barnabas.records.rules import (
    CODECS,
    PRODUCER_COMPRESSION,
    RECORD_ERRORS_SHOWN,
    InvalidRecords,
    RecordLimits,
    ValidatedBatch,
    too_large,
)
from barnabas.types import NO_TIMESTAMP

LEGACY_PRODUCE_VERSION_MAX = 2
"""Requests up to this version may have message sets of formats 0 and 1."""
_MAGICS = 3


class NothingWhole(KafkaError):
    """A set without a whole message. Kafka answers that it was appended, at offset -1."""

    def __init__(self) -> None:
        super().__init__(ErrorCode.NONE, "no whole message")


def has_current_format(view: memoryview) -> bool:
    """Whether the records begin with a batch of format 2."""
    return len(view) > MAGIC_POSITION and view[MAGIC_POSITION] == MAGIC


def converted_set(
    view: memoryview, limits: RecordLimits, *, max_message_bytes: int, compression_type: str
) -> ValidatedBatch:
    """All whole messages of a Produce request as one batch. Raises KafkaError with Kafka's code;
    NothingWhole."""
    messages = _checked_set(bytes(view), max_message_bytes)
    if not messages:
        raise NothingWhole
    codec = next((message.codec for message in reversed(messages) if message.codec), Codec.NONE)
    if codec:
        if len(messages) > 1:
            raise _invalid("compressed messages together with others")
        records = _inner_records(messages[0], limits)
    else:
        records = _plain_records(messages, limits)
    if any(record.timestamp < NO_TIMESTAMP for record in records):
        raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, "negative timestamp")
    append_time_ms = limits.now_ms if limits.append_time else NO_TIMESTAMP
    batch = build_batch(
        records,
        codec=codec if compression_type == PRODUCER_COMPRESSION else CODECS[compression_type],
        timestamp_type=LOG_APPEND_TIME if limits.append_time else CREATE_TIME,
        append_time_ms=append_time_ms,
    )
    if len(batch) > max_message_bytes:
        raise too_large(len(batch), max_message_bytes)
    return ValidatedBatch(parse_header(batch), memoryview(batch), append_time_ms, len(records))


def _checked_set(data: bytes, max_message_bytes: int) -> list[Message]:
    """The whole messages, each of a permitted size and undamaged."""
    found: list[Message] = []
    at = 0
    while size := message_size(data, at):
        magic = data[at + MAGIC_POSITION]
        if magic >= _MAGICS:
            raise KafkaError(ErrorCode.CORRUPT_MESSAGE, f"unknown message format {magic}")
        if magic == MAGIC:
            raise _invalid("a batch of format 2 among messages of older formats")
        if size > max_message_bytes:
            raise too_large(size, max_message_bytes)
        message = read_message(data, at, size)
        if not message.is_sound:
            raise KafkaError(ErrorCode.CORRUPT_MESSAGE, "message does not match its checksum")
        if message.codec > Codec.ZSTD:
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, f"unknown codec {message.codec}")
        if len(found) == RECORDS_MAX:
            raise KafkaError(ErrorCode.MESSAGE_TOO_LARGE, f"more than {RECORDS_MAX} messages")
        found.append(message)
        at += size
    return found


def _plain_records(messages: list[Message], limits: RecordLimits) -> list[Record]:
    first = messages[0].magic
    for message in messages:
        if message.magic != first:
            raise _invalid(f"messages of format {message.magic} and {first} together")
        why = _problem(message, message, limits)
        if why is not None:
            raise InvalidRecords(why[0], why[1], [(0, why[1])])
    return [_record(message) for message in messages]


def _inner_records(wrapper: Message, limits: RecordLimits) -> list[Record]:
    """The records of a wrapper, each looked at. If a timestamp is among the reasons, its error is
    that of the whole set."""
    code = ErrorCode.INVALID_RECORD
    errors: list[tuple[int, str]] = []
    inner = inner_messages(wrapper)
    for index, message in enumerate(inner):
        if message.magic != wrapper.magic:
            errors.append((index, f"message of format {message.magic} in one of {wrapper.magic}"))
            continue
        if not message.is_sound:
            raise KafkaError(ErrorCode.CORRUPT_MESSAGE, "message does not match its checksum")
        why = _problem(message, wrapper, limits)
        if why is not None:
            errors.append((index, why[1]))
            if why[0] == ErrorCode.INVALID_TIMESTAMP:
                code = ErrorCode.INVALID_TIMESTAMP
    if errors:
        shown = "; ".join(f"record {index}: {why}" for index, why in errors[:RECORD_ERRORS_SHOWN])
        raise InvalidRecords(code, f"{len(errors)} records refused: {shown}", errors)
    return [_record(message) for message in inner]


def _problem(
    message: Message, outer: Message, limits: RecordLimits
) -> tuple[ErrorCode, str] | None:
    """Why a topic refuses a message; ``outer`` is its wrapper, or itself."""
    if limits.compacted and message.key is None:
        return ErrorCode.INVALID_RECORD, "a compacted topic needs a key in each record"
    time = message.timestamp
    if not limits.append_time and time != NO_TIMESTAMP:
        if not limits.is_timely(time):
            return ErrorCode.INVALID_TIMESTAMP, f"timestamp {time} is out of range"
    elif outer.has_append_time:
        return ErrorCode.INVALID_TIMESTAMP, "producers may not set the type LogAppendTime"
    return None


def _record(message: Message) -> Record:
    return Record(timestamp=message.timestamp, key=message.key, value=message.value)


def _invalid(why: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_RECORD, why)
