"""LazyDownConversionRecords, RecordsUtil.downConvert: batches as messages of format 0 or 1, for
Fetch v0 to v3 (KIP-283).

Headers, producers and transactions are lost, control batches are left out. The answer is as long as
the batches were, or as the first of them is after its conversion, whichever is longer: at least
that one is always whole. What does not fit is cut off. What is left over is filled with the
beginning of a message that is longer still, which every consumer takes for one that was cut off.
So a consumer sees the bytes that Kafka would send, and the answer is no larger than what was read,
or than one batch.

Kafka converts while it sends. Here the messages are made before, in steps, as the memory of an
answer is counted and bounded.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.batch import LOG_APPEND_TIME, BatchHeader, iterate_batches, iterate_records
from barnabas.records.compression import Codec
from barnabas.records.header import HEADER_BYTES, LOG_OVERHEAD_BYTES
from barnabas.records.legacy import encode_message, encode_wrapper
from barnabas.types import NO_TIMESTAMP, Buffer

CHUNK_BYTES = 128 * 1024
"""So much is converted together, or one batch. A chunk with zstd in it is not sent at all."""
RECORDS_PER_STEP = 32
_OVERFLOW = struct.Struct(">qi")


@dataclass(slots=True)
class Converted:
    """Messages for an old consumer."""

    buffers: list[Buffer] = field(default_factory=list)
    size: int = 0
    """Bytes in ``buffers``."""
    records: int = 0
    """How many were converted, also of those that were cut off."""


def down_converted(
    data: memoryview, magic: int, first_offset: int
) -> Generator[int, None, Converted]:
    """What was read of a log in format ``magic`` (0 or 1), in steps. Where batches are not
    compressed, records before ``first_offset`` are left out, as some consumers rely on it.

    Raises UNSUPPORTED_COMPRESSION_TYPE if the first batch is one of zstd, KafkaError if it cannot
    be read; what comes before a later one is sent."""
    made = Converted()
    total = len(data)
    is_first = True
    seen = False
    try:
        for chunk in _chunks(data):
            seen = True
            pieces: list[bytes] = []
            for header, at, size in chunk:
                batch = data[at : at + size]
                made.records += yield from _convert(header, batch, magic, first_offset, pieces)
            length = sum(map(len, pieces))
            if length and is_first:
                total = max(total, length)
                is_first = False
            _add(made, pieces, total)
            if made.size >= total:
                break
    except KafkaError:
        if is_first:
            raise
    if is_first:
        # Only control batches: the consumer is told that there is something it cannot have yet.
        total = LOG_OVERHEAD_BYTES if seen else 0
    while made.size < total:
        _add(made, [_overflow(total - made.size)], total)
    return made


def _chunks(data: memoryview) -> Iterator[list[tuple[BatchHeader, int, int]]]:
    """The batches, the first one alone, and the others as many as ``CHUNK_BYTES`` hold."""
    chunk: list[tuple[BatchHeader, int, int]] = []
    room = 0
    for found in iterate_batches(data):
        if found[2] > room and chunk:
            yield chunk
            chunk, room = [], CHUNK_BYTES
        chunk.append(found)
        room -= found[2]
    if chunk:
        yield chunk


def _convert(
    header: BatchHeader, batch: memoryview, magic: int, first_offset: int, pieces: list[bytes]
) -> Generator[int, None, int]:
    """One batch, added to ``pieces``; how many records were converted."""
    if header.is_control:
        return 0
    codec = header.codec
    if codec == Codec.ZSTD:
        raise KafkaError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"zstd in message format {magic}")
    if header.magic <= magic:
        pieces.append(bytes(batch))
        return 0
    append_time = header.max_timestamp if header.timestamp_type == LOG_APPEND_TIME else None
    messages: list[bytes] = []
    base, last, latest = -1, -1, NO_TIMESTAMP
    for number, record in enumerate(iterate_records(batch)):
        offset, timestamp, key, value, _ = record
        if number % RECORDS_PER_STEP == RECORDS_PER_STEP - 1:
            yield 1
        if not codec and offset < first_offset:
            continue
        if base < 0:
            base = offset if codec and magic else 0
        last, latest = offset, max(latest, timestamp)
        kind = magic if append_time is not None else 0
        messages.append(encode_message(magic, offset - base, timestamp, key, value, kind << 3))
    count = len(messages)
    if codec and messages:
        time = latest if append_time is None else append_time
        has_append_time = append_time is not None
        messages[:] = [encode_wrapper(magic, last, time, messages, codec, has_append_time)]
    pieces += messages
    return count


def _add(made: Converted, pieces: list[bytes], total: int) -> None:
    """Add as much as fits into ``total``."""
    data = b"".join(pieces)
    room = total - made.size
    if data:
        made.buffers.append(data if len(data) <= room else memoryview(data)[:room])
        made.size += min(len(data), room)


def _overflow(size: int) -> bytes:
    """The beginning of a message that is longer than ``size``; at most ``CHUNK_BYTES`` of it."""
    length = max(LOG_OVERHEAD_BYTES, min(size + 1, CHUNK_BYTES))
    return _OVERFLOW.pack(-1, max(size + 1, HEADER_BYTES)).ljust(length, b"\0")
