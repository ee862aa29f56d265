"""A hand-written codec of Produce v0 to v11. Requests are parsed in place, answers packed directly.

Request: transactional id (nullable string; v3+), acks i16, timeout i32, topics [name, [partition
i32, records (nullable bytes)]]. Flexible from v9. Answer: topics [name, [partition i32, error i16,
base offset i64, append time i64 (v2+), log start i64 (v5+), record errors and message (v8+),
current leader (v10+, tag 0)]], throttle i32 (v1+), node endpoints (v10+, tag 0; KIP-951).
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Sequence
from typing import NamedTuple

from barnabas.errors import InvalidRequest
from barnabas.limits import PARTITIONS_AT_ONCE, REQUEST_PARTITIONS_MAX
from barnabas.protocol.wire import (
    MALFORMED,
    array_length_bytes,
    finish_uvarint,
    read_count,
    read_length,
    read_nullable_string,
    read_string,
    read_tags,
    run_to_end,
    string_bytes,
    uvarint_bytes,
)
from barnabas.types import NO_OFFSET, NO_TIMESTAMP, Buffer

FLEXIBLE_FROM = 9
TRANSACTIONS_FROM = 3
APPEND_TIME_FROM = 2
THROTTLE_FROM = 1

_ACKS_AND_TIMEOUT = struct.Struct(">hi")
_INT32 = struct.Struct(">i")
_PARTITION_V0 = struct.Struct(">ihq")
_PARTITION_V2 = struct.Struct(">ihqq")
_PARTITION_V5 = struct.Struct(">ihqqq")
# One topic with one partition and no error: size, correlation id, (tags,) one topic, name length.
_ONE_START = struct.Struct(">iiih")
_ONE_START_FLEXIBLE = struct.Struct(">iiBBB")
# One partition, its fields; then (v8+) no record errors, no message; throttle; tags of the structs.
_ONE_END_V0 = struct.Struct(">iihq")
_ONE_END_V1 = struct.Struct(">iihqi")
_ONE_END_V2 = struct.Struct(">iihqqi")
_ONE_END_V5 = struct.Struct(">iihqqqi")
_ONE_END_V8 = struct.Struct(">iihqqqihi")
_ONE_END_V9 = struct.Struct(">BihqqqBBBBiB")


class ProduceRequest(NamedTuple):
    """A parsed Produce request."""

    transactional_id: str | None
    acks: int
    """-1 (all), 0 or 1. Other numbers are as sent; the handler refuses them."""
    timeout_ms: int
    topics: list[tuple[str, list[tuple[int, memoryview | None]]]]
    """(name, [(partition, records)]): ``records`` is a writable view of the frame."""
    partition_count: int = 1
    """The number of topics or of partitions, whichever is greater."""


class RecordError(NamedTuple):
    """Which record of a refused batch is invalid, and why (v8 and later; KIP-467)."""

    batch_index: int
    message: str | None = None


class PartitionProduceResult(NamedTuple):
    """The answer for one partition."""

    partition: int
    error_code: int = 0
    base_offset: int = NO_OFFSET
    log_append_time_ms: int = NO_TIMESTAMP
    log_start_offset: int = NO_OFFSET
    record_errors: Sequence[RecordError] = ()
    error_message: str | None = None
    current_leader: tuple[int, int] | None = None
    """(leader id, leader epoch), with NOT_LEADER_OR_FOLLOWER and FENCED_LEADER_EPOCH; v10 and
    later."""


class NodeEndpoint(NamedTuple):
    """The address of a leader that an answer names (KIP-951)."""

    node_id: int
    host: str
    port: int
    rack: str | None = None


def parse_produce(version: int, buffer: memoryview, offset: int = 0) -> ProduceRequest:
    """The body of a Produce request from ``offset`` to the end of the frame.

    Raises InvalidRequest unless it is exactly one well-formed body of not too many partitions."""
    begun = begin_produce(version, buffer, offset)
    return begun if isinstance(begun, ProduceRequest) else run_to_end(begun)


def begin_produce(
    version: int, buffer: memoryview, offset: int
) -> ProduceRequest | Generator[int, None, ProduceRequest]:
    """The same; of very many partitions as what is left to be done, with pauses."""
    if version >= FLEXIBLE_FROM:
        try:
            usual = _parse_usual(buffer, offset)
        except MALFORMED as error:
            raise InvalidRequest(f"Produce v{version}: {error}") from error
        if usual is not None:
            return usual
    steps = _parse(version, buffer, offset)
    try:
        next(steps)
    except StopIteration as end:
        request: ProduceRequest = end.value
        return request
    return steps


def _parse(version: int, buffer: memoryview, offset: int) -> Generator[int, None, ProduceRequest]:
    """Pauses after every ``PARTITIONS_AT_ONCE`` partitions and topics."""
    flexible = version >= FLEXIBLE_FROM
    try:
        transactional_id, position = None, offset
        if version >= TRANSACTIONS_FROM:
            transactional_id, position = read_nullable_string(buffer, offset, flexible=flexible)
        acks, timeout_ms = _ACKS_AND_TIMEOUT.unpack_from(buffer, position)
        count, position = read_count(buffer, position + 6, 3 if flexible else 6, flexible=flexible)
        _check_count(version, count)
        topics = []
        total = 0
        for number in range(count):
            name, position = read_string(buffer, position, flexible=flexible)
            least = 6 if flexible else 8
            left, position = read_count(buffer, position, least, flexible=flexible)
            total += left
            _check_count(version, total)
            partitions: list[tuple[int, memoryview | None]] = []
            while left > PARTITIONS_AT_ONCE:
                position = _parse_partitions(
                    buffer, position, PARTITIONS_AT_ONCE, partitions, flexible
                )
                left -= PARTITIONS_AT_ONCE
                yield 1
            position = _parse_partitions(buffer, position, left, partitions, flexible)
            if flexible:
                position = read_tags(buffer, position)
            topics.append((name, partitions))
            if number % PARTITIONS_AT_ONCE == PARTITIONS_AT_ONCE - 1:
                yield 1
        if flexible:
            position = read_tags(buffer, position)
    except MALFORMED as error:
        raise InvalidRequest(f"Produce v{version}: {error}") from error
    if position != len(buffer):
        raise InvalidRequest(f"Produce v{version}: body ends at {position} of {len(buffer)} bytes")
    return ProduceRequest(transactional_id, acks, timeout_ms, topics, max(count, total))


def _check_count(version: int, count: int) -> None:
    if count > REQUEST_PARTITIONS_MAX:
        raise InvalidRequest(f"Produce v{version}: more than {REQUEST_PARTITIONS_MAX} partitions")


_USUAL_START = struct.Struct(">BhiBB")
_USUAL_PARTITION = struct.Struct(">BiB")


def _parse_usual(buffer: memoryview, position: int) -> ProduceRequest | None:
    """The request, if it has the form that producers mostly send: flexible, no transactional id, no
    tags, one topic (with a name below 127 bytes) with one partition. None otherwise."""
    no_id, acks, timeout_ms, topics, length = _USUAL_START.unpack_from(buffer, position)
    if no_id or topics != 2 or not 1 < length < 128:
        return None
    start = position + _USUAL_START.size
    end = start + length - 1
    if end + _USUAL_PARTITION.size > len(buffer):
        return None
    partitions, partition, first = _USUAL_PARTITION.unpack_from(buffer, end)
    if partitions != 2 or first < 128:
        return None
    size, position = finish_uvarint(buffer, end + _USUAL_PARTITION.size, first)
    records_end = position + size - 1
    if size < 128 or bytes(buffer[records_end : records_end + 4]) != b"\0\0\0":
        return None
    name = str(buffer[start:end], "utf-8")
    records = buffer[position:records_end]
    return ProduceRequest(None, acks, timeout_ms, [(name, [(partition, records)])])


def _parse_partitions(
    buffer: memoryview,
    position: int,
    count: int,
    partitions: list[tuple[int, memoryview | None]],
    flexible: bool,
) -> int:
    """So many, added to ``partitions``; the position after them."""
    size = len(buffer)
    for _ in range(count):
        partition = _INT32.unpack_from(buffer, position)[0]
        length, position = read_length(buffer, position + 4, flexible=flexible, wide=True)
        if length < 0:
            partitions.append((partition, None))
        else:
            end = position + length
            if end > size:
                raise InvalidRequest(f"records of {length} bytes, {size - position} are there")
            partitions.append((partition, buffer[position:end]))
            position = end
        if flexible:
            position = read_tags(buffer, position)
    return position


def encode_produce_response(
    version: int,
    correlation_id: int,
    topics: Sequence[tuple[str, Sequence[PartitionProduceResult]]],
    node_endpoints: Sequence[NodeEndpoint] = (),
    throttle_ms: int = 0,
) -> bytes:
    """A whole response frame with its size."""
    if len(topics) == 1 and len(topics[0][1]) == 1 and not node_endpoints:
        name, (result,) = topics[0]
        if not (result.error_code or result.error_message or result.record_errors):
            index, _, base, time, start = result[:5]
            return encode_appended(
                version, correlation_id, name, index, base, time, start, throttle_ms
            )
    return run_to_end(
        encode_produce_response_in_steps(
            version, correlation_id, topics, node_endpoints, throttle_ms
        )
    )


def encode_produce_response_in_steps(
    version: int,
    correlation_id: int,
    topics: Sequence[tuple[str, Sequence[PartitionProduceResult]]],
    node_endpoints: Sequence[NodeEndpoint] = (),
    throttle_ms: int = 0,
) -> Generator[int, None, bytes]:
    """The same, with a pause after each ``PARTITIONS_AT_ONCE`` partitions."""
    flexible = version >= FLEXIBLE_FROM
    pieces = [array_length_bytes(len(topics), flexible=flexible)]
    done = 0
    for name, results in topics:
        pieces.append(string_bytes(name, flexible=flexible))
        pieces.append(array_length_bytes(len(results), flexible=flexible))
        for result in results:
            _partition(version, result, pieces)
            done += 1
            if done % PARTITIONS_AT_ONCE == 0:
                yield 1
        if flexible:
            pieces.append(b"\0")
    if version >= THROTTLE_FROM:
        pieces.append(_INT32.pack(throttle_ms))
    if flexible:
        pieces.append(node_endpoints_tag(node_endpoints if version >= 10 else ()))
    body = b"".join(pieces)
    header = _INT32.pack(correlation_id) + (b"\0" if flexible else b"")
    return _INT32.pack(len(header) + len(body)) + header + body


def encode_appended(
    version: int,
    correlation_id: int,
    topic: str,
    index: int,
    base: int,
    time: int,
    start: int,
    throttle: int = 0,
) -> bytes:
    """The most frequent answer: for one partition (``index``), without an error. The other
    arguments are fields of ``PartitionProduceResult``, and the throttle time in ms."""
    name = topic.encode()
    length = len(name)
    if version >= FLEXIBLE_FROM:
        end = _ONE_END_V9.pack(2, index, 0, base, time, start, 1, 0, 0, 0, throttle, 0)
        if length < 127:
            size = 7 + length + len(end)
            return _ONE_START_FLEXIBLE.pack(size, correlation_id, 0, 2, length + 1) + name + end
        text = uvarint_bytes(length + 1) + name
        size = 6 + len(text) + len(end)
        return struct.pack(">iiBB", size, correlation_id, 0, 2) + text + end
    if version >= 8:
        end = _ONE_END_V8.pack(1, index, 0, base, time, start, 0, -1, throttle)
    elif version >= 5:
        end = _ONE_END_V5.pack(1, index, 0, base, time, start, throttle)
    elif version >= APPEND_TIME_FROM:
        end = _ONE_END_V2.pack(1, index, 0, base, time, throttle)
    elif version >= THROTTLE_FROM:
        end = _ONE_END_V1.pack(1, index, 0, base, throttle)
    else:
        end = _ONE_END_V0.pack(1, index, 0, base)
    return _ONE_START.pack(10 + length + len(end), correlation_id, 1, length) + name + end


def _partition(version: int, result: PartitionProduceResult, pieces: list[bytes]) -> None:
    index, error, base, time, start = result[:5]
    if version < APPEND_TIME_FROM:
        pieces.append(_PARTITION_V0.pack(index, error, base))
        return
    if version < 5:
        pieces.append(_PARTITION_V2.pack(index, error, base, time))
        return
    pieces.append(_PARTITION_V5.pack(index, error, base, time, start))
    if version < 8:
        return
    flexible = version >= FLEXIBLE_FROM
    pieces.append(array_length_bytes(len(result.record_errors), flexible=flexible))
    for batch_index, message in result.record_errors:
        pieces.append(_INT32.pack(batch_index))
        pieces.append(string_bytes(message, flexible=flexible))
        if flexible:
            pieces.append(b"\0")
    pieces.append(string_bytes(result.error_message, flexible=flexible))
    if flexible:
        hint = result.current_leader if version >= 10 else None
        pieces.append(b"\0" if hint is None else b"\1" + pair_tag(0, *hint))


_PAIR = struct.Struct(">BBiix")


def pair_tag(tag: int, first: int, second: int) -> bytes:
    """A tagged struct of two i32 (a leader's id and epoch), without the section's count."""
    return _PAIR.pack(tag, 9, first, second)


def node_endpoints_tag(endpoints: Sequence[NodeEndpoint]) -> bytes:
    """The tagged section that ends Produce and Fetch answers: tag 0, if there are any endpoints."""
    if not endpoints:
        return b"\0"
    pieces = [uvarint_bytes(len(endpoints) + 1)]
    for node_id, host, port, rack in endpoints:
        pieces.append(_INT32.pack(node_id))
        pieces.append(string_bytes(host, flexible=True))
        pieces.append(_INT32.pack(port))
        pieces.append(string_bytes(rack, flexible=True) + b"\0")
    value = b"".join(pieces)
    return b"\1\0" + uvarint_bytes(len(value)) + value


def encode_produce_request(
    version: int,
    transactional_id: str | None,
    acks: int,
    timeout_ms: int,
    topics: Sequence[tuple[str, Sequence[tuple[int, Buffer | None]]]],
) -> bytes:
    """The body of a Produce request; for tools and tests."""
    flexible = version >= FLEXIBLE_FROM
    tags = b"\0" if flexible else b""
    pieces: list[Buffer] = []
    if version >= TRANSACTIONS_FROM:
        pieces.append(string_bytes(transactional_id, flexible=flexible))
    pieces.append(_ACKS_AND_TIMEOUT.pack(acks, timeout_ms))
    pieces.append(array_length_bytes(len(topics), flexible=flexible))
    for name, partitions in topics:
        pieces.append(string_bytes(name, flexible=flexible))
        pieces.append(array_length_bytes(len(partitions), flexible=flexible))
        for partition, records in partitions:
            pieces.append(_INT32.pack(partition))
            size = -1 if records is None else len(records)
            pieces.append(array_length_bytes(size, flexible=flexible))
            pieces.append(records or b"")
            pieces.append(tags)
        pieces.append(tags)
    pieces.append(tags)
    return b"".join(pieces)
