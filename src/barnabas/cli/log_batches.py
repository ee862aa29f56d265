"""DumpLogSegments: the batches of a segment one after the other, of every message format.

A batch is read whole to look at its records; a longer one than any broker takes is only summed up.
Formats 0 and 1 (before Kafka 0.11) are message sets: each message stands by itself, or a
compressed one wraps others.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from barnabas.cli.log_source import Buffered, Damaged, Entry, Source
from barnabas.errors import KafkaError
from barnabas.limits import REQUEST_BYTES_MAX
from barnabas.records.batch import (
    CREATE_TIME,
    HEADER_BYTES,
    LOG_APPEND_TIME,
    BatchHeader,
    Codec,
    ControlType,
    Record,
    iterate_records,
    parse_header,
    parse_marker,
)
from barnabas.records.crc import crc32c
from barnabas.records.header import (
    ATTRIBUTES_POSITION,
    CODEC_MASK,
    LOG_OVERHEAD_BYTES,
    MAGIC,
    MAGIC_POSITION,
    TIMESTAMP_TYPE_BIT,
)
from barnabas.records.legacy import Message, messages_of, read_message, stored_crc
from barnabas.types import NO_SEQUENCE

BATCH_BYTES_MAX: Final = REQUEST_BYTES_MAX
"""Of a batch whose records are read."""
_PREFIX = struct.Struct(">qi")
_OLD_BYTES_MIN: Final = {0: 14, 1: 22}
"""Bytes of a message after its size, with null for key and value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A batch, and where it is."""

    position: int
    size: int
    header: BatchHeader | Message
    data: bytes | None
    """The whole batch; None if it is too long to be read."""
    crc_matches: bool

    @property
    def magic(self) -> int:
        return self.header.magic

    @property
    def base_offset(self) -> int:
        """Of a wrapper of old messages: the offset of its last one, since the first is not known
        without looking into it."""
        header = self.header
        return header.offset if isinstance(header, Message) else header.base_offset

    @property
    def last_offset(self) -> int:
        header = self.header
        return header.offset if isinstance(header, Message) else header.last_offset

    @property
    def max_timestamp(self) -> int:
        header = self.header
        return header.timestamp if isinstance(header, Message) else header.max_timestamp


def batches(source: Source) -> Iterator[Found]:
    """The whole batches of a segment. Damaged where none begins; zeros up to the end of the file
    are what Kafka preallocates, and are no damage."""
    near = Buffered(source)
    position = 0
    while position < source.size:
        start = near.read(MAGIC_POSITION + 1, position)
        if len(start) <= MAGIC_POSITION:
            if not any(start):
                return
            raise Damaged(f"{source.size - position} bytes at {position} are no whole batch")
        length, magic = _PREFIX.unpack_from(start)[1], start[MAGIC_POSITION]
        if not any(start) and not any(any(p) for p in source.pieces(position, source.size)):
            return
        least = _OLD_BYTES_MIN.get(magic, HEADER_BYTES - LOG_OVERHEAD_BYTES)
        if magic > MAGIC or length < least:
            raise Damaged(f"no batch begins at {position}: length {length}, magic {magic}")
        size = length + LOG_OVERHEAD_BYTES
        if size > source.size - position:
            raise Damaged(
                f"batch of {size} bytes at {position} is cut short:"
                f" {source.size - position} bytes are there"
            )
        yield _found(source, near, position, size, magic)
        position += size


def _found(source: Source, near: Buffered, position: int, size: int, magic: int) -> Found:
    if size > BATCH_BYTES_MAX and magic != MAGIC:
        raise Damaged(f"message of {size} bytes at {position} is too long to be read")
    data = near.read(size, position) if size <= BATCH_BYTES_MAX else None
    if magic != MAGIC:
        assert data is not None
        try:
            message = read_message(data, 0, size)
        except KafkaError as error:
            raise Damaged(f"at {position}: {error.message}") from None
        return Found(
            position=position, size=size, header=message, data=data, crc_matches=message.is_sound
        )
    header = parse_header(data if data is not None else near.read(HEADER_BYTES, position))
    value = 0
    if data is not None:
        value = crc32c(memoryview(data)[ATTRIBUTES_POSITION:])
    else:
        for piece in source.pieces(position + ATTRIBUTES_POSITION, position + size):
            value = crc32c(piece, value)
    return Found(
        position=position, size=size, header=header, data=data, crc_matches=value == header.crc
    )


def batch_entry(found: Found) -> Entry:
    """A batch by Kafka's names."""
    header = found.header
    if isinstance(header, Message):
        assert found.data is not None
        return {
            "offset": header.offset,
            "position": found.position,
            **_time(header.attributes, header.timestamp),
            "size": found.size,
            "magic": header.magic,
            "compresscodec": codec_name(header.attributes),
            "crc": stored_crc(found.data),
            "isvalid": found.crc_matches,
        }
    return {
        "baseOffset": header.base_offset,
        "lastOffset": header.last_offset,
        "count": header.record_count,
        "baseSequence": header.base_sequence,
        "lastSequence": header.last_sequence,
        "producerId": header.producer_id,
        "producerEpoch": header.producer_epoch,
        "partitionLeaderEpoch": header.partition_leader_epoch,
        "isTransactional": header.is_transactional,
        "isControl": header.is_control,
        "deleteHorizonMs": header.delete_horizon_ms,
        "position": found.position,
        **_time(header.attributes, header.max_timestamp),
        "size": found.size,
        "magic": header.magic,
        "compresscodec": codec_name(header.attributes),
        "crc": header.crc,
        "isvalid": found.crc_matches,
    }


def codec_name(attributes: int) -> str:
    """Kafka's name of the codec; its number if there is no such codec."""
    codec = attributes & CODEC_MASK
    return Codec(codec).name.lower() if codec in list(Codec) else str(codec)


def _time(attributes: int, timestamp: int) -> Entry:
    kind = LOG_APPEND_TIME if attributes & TIMESTAMP_TYPE_BIT else CREATE_TIME
    return {"LogAppendTime" if kind == LOG_APPEND_TIME else "CreateTime": timestamp}


def record_entry(found: Found, record: Record) -> Entry:
    """A record of a batch by Kafka's names, without its key and value."""
    header = found.header
    assert isinstance(header, BatchHeader)
    sequence = NO_SEQUENCE
    if header.base_sequence >= 0:
        delta = record.offset - header.base_offset
        sequence = (header.base_sequence + delta) & 0x7FFF_FFFF
    entry: Entry = {
        "offset": record.offset,
        **_time(header.attributes, record.timestamp),
        "keySize": -1 if record.key is None else len(record.key),
        "valueSize": -1 if record.value is None else len(record.value),
        "sequence": sequence,
        "headerKeys": [name for name, _ in record.headers],
    }
    if header.is_control:
        marker = parse_marker(record)
        if marker is None:
            entry["controlType"] = "UNKNOWN"
        else:
            entry["endTxnMarker"] = ControlType(marker.type).name
            entry["coordinatorEpoch"] = marker.coordinator_epoch
    return entry


def is_wrapper(header: Message) -> bool:
    """Whether it wraps other messages, compressed."""
    return bool(header.codec)


def message_entry(message: Message) -> Entry:
    """A message in a wrapper by Kafka's names, without its key and value."""
    return {
        "offset": message.offset,
        **_time(message.attributes, message.timestamp),
        "keySize": -1 if message.key is None else len(message.key),
        "valueSize": -1 if message.value is None else len(message.value),
    }


def wrapped_by(found: Found) -> list[Message]:
    """The messages in a wrapper, with their own offsets. KafkaError as ``messages_of``."""
    assert found.data is not None
    return messages_of(found.data)


def records_of(found: Found) -> Iterator[Record]:
    """The records of a batch of format 2. Damaged if it is too long; KafkaError as
    ``iterate_records``."""
    if found.data is None:
        raise Damaged(f"batch of {found.size} bytes is too long for its records to be read")
    return iterate_records(found.data)
