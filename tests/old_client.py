"""An old client: messages of formats 0 and 1, Produce v0 to v2, Fetch v0 to v3, in plain bytes.

Made from the published protocol alone, without anything of ``barnabas``, so that it can judge it.
"""

from __future__ import annotations

import gzip
import itertools
import socket
import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple, Self

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
LOG_APPEND_TIME = 8
_CODEC = 7
_LAST_V0 = struct.Struct(">ihq")
_ALL = 0x7FFFFFFF


class Message(NamedTuple):
    """A message as a consumer sees it; ``timestamp`` is -1 in format 0."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    attributes: int = 0


def message(
    value: bytes | None,
    key: bytes | None = None,
    *,
    magic: int = 1,
    offset: int = 0,
    timestamp: int = -1,
    attributes: int = 0,
    crc: int | None = None,
) -> bytes:
    """One message with offset and size; ``crc`` replaces the right checksum."""
    body = struct.pack(">bb", magic, attributes)
    if magic:
        body += struct.pack(">q", timestamp)
    body += _sized(key) + _sized(value)
    checksum = zlib.crc32(body) if crc is None else crc
    return struct.pack(">qiI", offset, len(body) + 4, checksum) + body


def wrapper(
    inner: bytes,
    codec: int = GZIP,
    *,
    packed: bytes | None = None,
    magic: int = 1,
    offset: int = 0,
    timestamp: int = -1,
    attributes: int = 0,
) -> bytes:
    """A message whose value is compressed messages. ``packed`` is them, for codecs but gzip."""
    value = gzip.compress(inner, mtime=0) if packed is None else packed
    attributes |= codec
    return message(value, magic=magic, offset=offset, timestamp=timestamp, attributes=attributes)


def _sized(value: bytes | None) -> bytes:
    return struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value


def read_messages(data: bytes) -> list[Message]:
    """All whole messages, those of gzip wrappers with absolute offsets, each checksum verified."""
    found: list[Message] = []
    at = 0
    while at + 12 <= len(data):
        offset, size = struct.unpack_from(">qi", data, at)
        body = data[at + 12 : at + 12 + size]
        if len(body) < size:
            break
        at += 12 + size
        (crc,) = struct.unpack_from(">I", body)
        assert zlib.crc32(body[4:]) == crc, f"checksum of the message at {offset}"
        magic, attributes = body[4], body[5]
        assert magic in (0, 1), magic
        place = 14 if magic else 6
        timestamp = struct.unpack_from(">q", body, 6)[0] if magic else -1
        key, place = _field(body, place)
        value, place = _field(body, place)
        assert place == len(body)
        if not attributes & _CODEC:
            found.append(Message(offset, timestamp, key, value, attributes))
            continue
        assert attributes & _CODEC == GZIP
        assert value is not None
        inner = read_messages(gzip.decompress(value))
        shift = offset - inner[-1].offset if magic else 0
        if attributes & LOG_APPEND_TIME:
            inner = [each._replace(timestamp=timestamp) for each in inner]
        found += [each._replace(offset=each.offset + shift) for each in inner]
    return found


def _field(body: bytes, at: int) -> tuple[bytes | None, int]:
    (size,) = struct.unpack_from(">i", body, at)
    return (None, at + 4) if size < 0 else (body[at + 4 : at + 4 + size], at + 4 + size)


class Produced(NamedTuple):
    """The answer for one partition; ``append_time`` is None before v2."""

    error: int
    offset: int
    append_time: int | None


class Fetched(NamedTuple):
    """The answer for one partition."""

    error: int
    high_watermark: int
    records: bytes


def produce_frame(
    version: int,
    topic: str,
    records: bytes | None,
    *,
    partition: int = 0,
    acks: int = -1,
    number: int,
) -> bytes:
    """A Produce request of v0 to v2 with its size."""
    body = struct.pack(">hii", acks, 5000, 1) + _string(topic)
    body += struct.pack(">ii", 1, partition) + _sized(records)
    return _framed(0, version, number, body)


def fetch_frame(
    version: int,
    topic: str,
    offset: int,
    *,
    partition: int = 0,
    max_bytes: int = 1 << 20,
    wait_ms: int = 0,
    min_bytes: int = 0,
    total_bytes: int = _ALL,
    number: int,
) -> bytes:
    """A Fetch request of v0 to v3 with its size."""
    body = struct.pack(">iii", -1, wait_ms, min_bytes)
    if version >= 3:
        body += struct.pack(">i", total_bytes)
    body += struct.pack(">i", 1) + _string(topic)
    body += struct.pack(">iiqi", 1, partition, offset, max_bytes)
    return _framed(1, version, number, body)


def _framed(api: int, version: int, correlation_id: int, body: bytes) -> bytes:
    head = struct.pack(">hhi", api, version, correlation_id) + _string("old")
    return struct.pack(">i", len(head) + len(body)) + head + body


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def read_produced(version: int, body: bytes) -> Produced:
    """The one partition of an answer, without its correlation id."""
    at = _skip_topic(body, 0)
    _, error, offset = _LAST_V0.unpack_from(body, at)
    time = struct.unpack_from(">q", body, at + _LAST_V0.size)[0] if version >= 2 else None
    return Produced(error, offset, time)


def read_fetched(version: int, body: bytes) -> Fetched:
    """The one partition of an answer, without its correlation id."""
    at = _skip_topic(body, 4 if version >= 1 else 0)
    _, error, high_watermark, size = struct.unpack_from(">ihqi", body, at)
    records = body[at + 18 :]
    assert len(records) == max(size, 0)
    return Fetched(error, high_watermark, records)


def _skip_topic(body: bytes, at: int) -> int:
    topics, length = struct.unpack_from(">ih", body, at)
    assert topics == 1
    (partitions,) = struct.unpack_from(">i", body, at + 6 + length)
    assert partitions == 1
    return at + 6 + length + 4


class OldConnection:
    """One blocking connection of such a client; a context manager."""

    def __init__(self, port: int, timeout_s: float = 10.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout_s)
        self._ids = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def produce(
        self, topic: str, records: bytes | None, *, version: int = 2, partition: int = 0
    ) -> Produced:
        """ConnectionError if the broker closes the connection instead of an answer."""
        number = next(self._ids)
        frame = produce_frame(version, topic, records, partition=partition, number=number)
        return read_produced(version, self._ask(frame, number))

    def fetch(self, topic: str, offset: int, *, version: int = 3, **options: int) -> Fetched:
        """The same for a fetch."""
        number = next(self._ids)
        frame = fetch_frame(version, topic, offset, number=number, **options)
        return read_fetched(version, self._ask(frame, number))

    def _ask(self, frame: bytes, number: int) -> bytes:
        self._socket.sendall(frame)
        (size,) = struct.unpack(">i", self._exactly(4))
        answer = self._exactly(size)
        assert struct.unpack_from(">i", answer)[0] == number
        return answer[4:]

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self._socket.recv(count - len(data))
            if not piece:
                raise ConnectionError("closed by the broker")
            data += piece
        return data


def sequence(messages: Sequence[bytes]) -> bytes:
    """A message set."""
    return b"".join(messages)
