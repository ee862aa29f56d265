"""A hand-written codec of Fetch v0 to v17 for the serving broker. Requests of all versions are
parsed into one form. Answers are lists of buffers, in which records are never copied.

Reference 4.8 has the order of the fields. Topics have names up to v12 and ids from v13 on; from v15
on the replica id is in a tag (KIP-903). The follower's side is ``fetch_client.py``.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Generator, Sequence
from typing import NamedTuple

from barnabas.errors import InvalidRequest
from barnabas.limits import PARTITIONS_AT_ONCE, REQUEST_PARTITIONS_MAX
from barnabas.protocol.produce import NodeEndpoint, node_endpoints_tag, pair_tag
from barnabas.protocol.wire import (
    MALFORMED,
    array_length_bytes,
    read_count,
    read_string,
    read_tags,
    read_uvarint,
    string_bytes,
    uuid_bytes,
    uuid_or_none,
    uvarint_bytes,
)
from barnabas.types import CONSUMER_REPLICA_ID, NO_OFFSET, UNKNOWN_BROKER_EPOCH, Buffer

FLEXIBLE_FROM = 12
TOPIC_IDS_FROM = 13
REPLICA_STATE_FROM = 15
_NO_MAX_BYTES = 0x7FFFFFFF

_INT32 = struct.Struct(">i")
_START = struct.Struct(">iiib")
_START_V0 = struct.Struct(">iii")
_START_V3 = struct.Struct(">iiii")
_START_V4 = struct.Struct(">iiiib")
_SESSION = struct.Struct(">ii")
_REPLICA_STATE = struct.Struct(">iq")
_USUAL_ENDS = (b"",) * 7 + (bytes(4),) * 4 + (bytes(6),) + (b"\1\1\0",) * 6
"""By version, how a request mostly ends: no forgotten topics (v7), an empty rack (v11), no tags
(v12)."""
_FOLLOWERS_END_BYTES = 5 + _REPLICA_STATE.size + 1
_new = tuple.__new__
"""Makes a named tuple without the cost of a Python call."""


class TooManyPartitions(InvalidRequest):
    """A fetch has more partitions than allowed."""


class FetchPartition(NamedTuple):
    """One partition of a fetch request."""

    partition: int
    current_leader_epoch: int
    fetch_offset: int
    last_fetched_epoch: int
    log_start_offset: int
    partition_max_bytes: int


make_partition = FetchPartition._make


class FetchTopic(NamedTuple):
    """A topic of a fetch request; ``topic`` is "" from v13 on, ``topic_id`` None before."""

    topic: str
    topic_id: uuid.UUID | None
    partitions: list[FetchPartition]


class ForgottenTopic(NamedTuple):
    """Partitions to take out of a fetch session; named as in FetchTopic."""

    topic: str
    topic_id: uuid.UUID | None
    partitions: tuple[int, ...]


class FetchRequest(NamedTuple):
    """A fetch request of any version."""

    replica_id: int
    """-1 for a consumer."""
    replica_epoch: int
    """The follower's broker epoch (v15+), else -1."""
    max_wait_ms: int
    min_bytes: int
    max_bytes: int
    isolation_level: int
    """0 read uncommitted, 1 read committed."""
    session_id: int
    session_epoch: int
    """-1 before v7: no session."""
    topics: list[FetchTopic]
    forgotten: list[ForgottenTopic]
    rack_id: str
    partition_count: int
    """The greatest of four numbers: topics, partitions, forgotten topics, forgotten partitions."""


_PARTITION_V0 = struct.Struct(">iqi")
_PARTITION_V5 = struct.Struct(">iqqi")
_PARTITION_V9 = struct.Struct(">iiqqi")
_PARTITION_V12 = struct.Struct(">iiqiqi")


def parse_fetch_request(
    version: int, buffer: Buffer, offset: int = 0, partitions_max: int = 0
) -> FetchRequest:
    """The body of a Fetch request, v0 to v17, from ``offset`` to the end of the frame.
    ``partitions_max``: ``REQUEST_PARTITIONS_MAX`` if it is 0.

    Raises TooManyPartitions, and InvalidRequest unless it is exactly one well-formed body."""
    try:
        return _parse(version, bytes(buffer), offset, partitions_max or REQUEST_PARTITIONS_MAX)
    except MALFORMED as error:
        raise InvalidRequest(f"Fetch v{version}: {error}") from error


def sender_of(version: int, buffer: Buffer, offset: int = 0) -> int:
    """The replica id in the body of a Fetch request, without a look at its partitions: -1 of a
    consumer, and of a follower that forgets some, or has a rack."""
    if version >= REPLICA_STATE_FROM:
        end = bytes(buffer[-_FOLLOWERS_END_BYTES:])
        if len(buffer) - offset < _FOLLOWERS_END_BYTES or not _is_followers_end(end, 0):
            return CONSUMER_REPLICA_ID
        return int(_REPLICA_STATE.unpack_from(end, 5)[0])
    if len(buffer) - offset < _INT32.size:
        return CONSUMER_REPLICA_ID
    return int(_INT32.unpack_from(buffer, offset)[0])


def _parse(version: int, buffer: bytes, position: int, allowed: int) -> FetchRequest:
    replica_id, replica_epoch = CONSUMER_REPLICA_ID, UNKNOWN_BROKER_EPOCH
    if version >= REPLICA_STATE_FROM:
        wait, least, most, isolation = _START.unpack_from(buffer, position)
        position += _START.size
    else:
        fixed, position = _start_of_old(version, buffer, position)
        replica_id, wait, least, most, isolation = fixed
    session_id, session_epoch = 0, -1
    if version >= 7:
        session_id, session_epoch = _SESSION.unpack_from(buffer, position)
        position += 8
    topics, count, position = _parse_topics(version, buffer, position, allowed)
    forgotten: list[ForgottenTopic] = []
    rack_id = ""
    # Most requests have no forgotten topics, no rack and no tags.
    usual_end = _USUAL_ENDS[version]
    if buffer[position:] == usual_end:
        position += len(usual_end)
    elif version >= REPLICA_STATE_FROM and _is_followers_end(buffer, position):
        replica_id, replica_epoch = _REPLICA_STATE.unpack_from(buffer, position + 5)
        position = len(buffer)
    else:
        forgotten, rack_id, state, position = _parse_end(version, buffer, position, allowed)
        if state is not None:
            replica_id, replica_epoch = state
        if forgotten:
            total = sum(len(topic.partitions) for topic in forgotten)
            count = max(count, len(forgotten), total)
    if position != len(buffer):
        raise InvalidRequest(f"Fetch v{version}: body ends at {position} of {len(buffer)} bytes")
    who_and_how = (replica_id, replica_epoch, wait, least, most, isolation)
    what = (session_id, session_epoch, topics, forgotten, rack_id, count)
    return _new(FetchRequest, who_and_how + what)


def _parse_end(
    version: int, buffer: bytes, position: int, most: int
) -> tuple[list[ForgottenTopic], str, tuple[int, int] | None, int]:
    """Forgotten topics, rack, a follower's id and epoch; the next position."""
    flexible = version >= FLEXIBLE_FROM
    forgotten: list[ForgottenTopic] = []
    rack_id, state = "", None
    if version >= 7:
        forgotten, position = _parse_forgotten(version, buffer, position, most)
    if version >= 11:
        rack_id, position = read_string(buffer, position, flexible=flexible)
    if flexible:
        state, position = _parse_tags(version, buffer, position)
    return forgotten, rack_id, state, position


def _is_followers_end(buffer: bytes, position: int) -> bool:
    """Whether a request ends as a follower's mostly does: nothing forgotten, no rack, its state."""
    return (
        len(buffer) - position == _FOLLOWERS_END_BYTES
        and buffer[position : position + 5] == b"\1\1\1\1\x0d"
        and not buffer[-1]
    )


def _start_of_old(version: int, buffer: bytes, position: int) -> tuple[tuple[int, ...], int]:
    """Replica id, wait, least and most bytes, isolation level, before v15."""
    if version >= 4:
        return _START_V4.unpack_from(buffer, position), position + _START_V4.size
    if version == 3:
        return (*_START_V3.unpack_from(buffer, position), 0), position + _START_V3.size
    fixed = (*_START_V0.unpack_from(buffer, position), _NO_MAX_BYTES, 0)
    return fixed, position + _START_V0.size


def _too_many(count: int, most: int) -> TooManyPartitions:
    return TooManyPartitions(f"{count} partitions, at most {most}")


def _parse_topic(version: int, buffer: bytes, position: int) -> tuple[str, uuid.UUID | None, int]:
    if version >= TOPIC_IDS_FROM:
        end = position + 16
        return "", uuid_or_none(buffer[position:end]), end
    name, position = read_string(buffer, position, flexible=version >= FLEXIBLE_FROM)
    return name, None, position


def _parse_topics(
    version: int, buffer: bytes, position: int, most: int
) -> tuple[list[FetchTopic], int, int]:
    flexible = version >= FLEXIBLE_FROM
    if flexible and buffer[position] == 2:  # one topic, which is most frequent
        count, position = 1, position + 1
    else:
        count, position = read_count(buffer, position, 3 if flexible else 6, flexible=flexible)
        if count > most:
            raise _too_many(count, most)
    topics = []
    total = 0
    for _ in range(count):
        if version >= TOPIC_IDS_FROM:
            name, topic_id = "", uuid_or_none(buffer[position : position + 16])
            position += 16
        else:
            name, topic_id, position = _parse_topic(version, buffer, position)
        if flexible:
            partitions, position = _parse_partitions_v12(buffer, position, most)
        else:
            partitions, position = _parse_partitions(version, buffer, position, most)
        topic: FetchTopic = _new(FetchTopic, (name, topic_id, partitions))
        topics.append(topic)
        total += len(partitions)
        if total > most:
            raise _too_many(total, most)
    return topics, count if count > total else total, position


def _parse_partitions_v12(
    buffer: bytes, position: int, most: int
) -> tuple[list[FetchPartition], int]:
    unpack, size = _PARTITION_V12.unpack_from, _PARTITION_V12.size
    if buffer[position] == 2:  # one element, which is most frequent
        count, position = 1, position + 1
    else:
        count, position = read_count(buffer, position, size + 1, flexible=True)
        if count > most:
            raise _too_many(count, most)
    partitions = []
    for _ in range(count):
        partitions.append(make_partition(unpack(buffer, position)))
        position += size
        position = position + 1 if buffer[position] == 0 else read_tags(buffer, position)
    return partitions, position + 1 if buffer[position] == 0 else read_tags(buffer, position)


def _parse_partitions(
    version: int, buffer: bytes, position: int, most: int
) -> tuple[list[FetchPartition], int]:
    layout = _PARTITION_V9 if version >= 9 else _PARTITION_V5 if version >= 5 else _PARTITION_V0
    unpack = layout.unpack_from
    count, position = read_count(buffer, position, layout.size, flexible=False)
    if count > most:
        raise _too_many(count, most)
    partitions = []
    for _ in range(count):
        leader_epoch, log_start = -1, NO_OFFSET
        if version >= 9:
            partition, leader_epoch, offset, log_start, max_bytes = unpack(buffer, position)
        elif version >= 5:
            partition, offset, log_start, max_bytes = unpack(buffer, position)
        else:
            partition, offset, max_bytes = unpack(buffer, position)
        position += layout.size
        fields = (partition, leader_epoch, offset, -1, log_start, max_bytes)
        partitions.append(make_partition(fields))
    return partitions, position


def _parse_forgotten(
    version: int, buffer: bytes, position: int, most: int
) -> tuple[list[ForgottenTopic], int]:
    flexible = version >= FLEXIBLE_FROM
    count, position = read_count(buffer, position, 3 if flexible else 6, flexible=flexible)
    if count > most:
        raise _too_many(count, most)
    topics = []
    total = 0
    for _ in range(count):
        name, topic_id, position = _parse_topic(version, buffer, position)
        length, position = read_count(buffer, position, 4, flexible=flexible)
        total += length
        if total > most:
            raise _too_many(total, most)
        partitions = struct.unpack_from(f">{length}i", buffer, position)
        position += 4 * length
        if flexible:
            position = read_tags(buffer, position)
        topics.append(ForgottenTopic(name, topic_id, partitions))
    return topics, position


def _parse_tags(version: int, buffer: bytes, position: int) -> tuple[tuple[int, int] | None, int]:
    """(replica id, replica epoch) of the ReplicaState tag, if it is there. The cluster id (tag 0),
    which only KRaft uses, is skipped."""
    state = None
    count, position = read_uvarint(buffer, position)
    for _ in range(count):
        tag, position = read_uvarint(buffer, position)
        size, position = read_uvarint(buffer, position)
        end = position + size
        if tag == 1 and version >= REPLICA_STATE_FROM:
            state = _REPLICA_STATE.unpack_from(buffer, position)
            if read_tags(buffer, position + _REPLICA_STATE.size) != end:
                raise InvalidRequest(f"Fetch v{version}: replica state of {size} bytes")
        position = end
    return state, position


class FetchPartitionData(NamedTuple):
    """The answer for one partition."""

    partition: int
    error_code: int = 0
    high_watermark: int = NO_OFFSET
    last_stable_offset: int = NO_OFFSET
    log_start_offset: int = NO_OFFSET
    records: Sequence[Buffer] | None = ()
    """Buffers that together are the batches. () is encoded as empty, None as null; Kafka sends
    empty."""
    aborted_transactions: Sequence[tuple[int, int]] | None = None
    """(producer id, first offset); None for read uncommitted, a list for read committed."""
    preferred_read_replica: int = -1
    diverging_epoch: tuple[int, int] | None = None
    """(epoch, end offset) where a follower's log diverges; v12 and later (KIP-595)."""
    current_leader: tuple[int, int] | None = None
    """(leader id, leader epoch); v12 and later."""


class FetchTopicData(NamedTuple):
    """The answer for a topic: by name up to v12, by id from v13."""

    topic: str
    topic_id: uuid.UUID | None
    partitions: list[FetchPartitionData]


_RESPONSE_V0 = struct.Struct(">ii")
_RESPONSE_V1 = struct.Struct(">iii")
_RESPONSE_V7 = struct.Struct(">iiihi")
_RESPONSE_V12 = struct.Struct(">iixihi")
_DATA_V0 = struct.Struct(">ihq")
_DATA_V4 = struct.Struct(">ihqq")
_DATA_V5 = struct.Struct(">ihqqq")
_USUAL_RESPONSE = struct.Struct(">iixihiB16sBihqqqBi")
_ABORTED = struct.Struct(">qq")
_ABORTED_FLEXIBLE = struct.Struct(">qqx")
_DIVERGING = struct.Struct(">BBiqx")


def encode_fetch_response(
    version: int,
    correlation_id: int,
    topics: Sequence[FetchTopicData],
    *,
    error_code: int = 0,
    session_id: int = 0,
    throttle_ms: int = 0,
    node_endpoints: Sequence[NodeEndpoint] = (),
) -> list[Buffer]:
    """A whole response frame with its size, as buffers to be written one after the other. The
    records are the buffers given, not copies."""
    if version >= TOPIC_IDS_FROM and len(topics) == 1 and not node_endpoints:
        fields = (correlation_id, throttle_ms, error_code, session_id)
        usual = _usual_response(fields, topics[0])
        if usual is not None:
            return usual
    flexible = version >= FLEXIBLE_FROM
    out: list[Buffer] = [b""]
    pieces = [array_length_bytes(len(topics), flexible=flexible)]
    for topic in topics:
        _start_topic(version, topic, pieces)
        _add_partitions(version, topic.partitions, pieces, out)
        if flexible:
            pieces.append(b"\0")
    start = (correlation_id, throttle_ms, error_code, session_id)
    return _finish(version, start, node_endpoints, pieces, out)


def _usual_response(
    fields: tuple[int, int, int, int], topic: FetchTopicData
) -> list[Buffer] | None:
    """The frame, if the answer has one partition without transactions or tags, as most have."""
    if len(topic.partitions) != 1:
        return None
    (data,) = topic.partitions
    records, aborted, diverging, leader = data[5], data[6], data[8], data[9]
    if records is None or aborted is not None or diverging is not None or leader is not None:
        return None
    size = sum(map(len, records))
    length = uvarint_bytes(size + 1)
    start = _USUAL_RESPONSE.pack(
        _USUAL_RESPONSE.size - 4 + len(length) + size + 3,
        *fields,
        2,
        uuid_bytes(topic.topic_id),
        2,
        *data[:5],
        0,
        data.preferred_read_replica,
    )
    if not records:
        return [start + length + bytes(3)]
    return [start + length, *records, bytes(3)]


def encode_fetch_response_in_steps(
    version: int,
    correlation_id: int,
    topics: Sequence[FetchTopicData],
    *,
    error_code: int = 0,
    session_id: int = 0,
    throttle_ms: int = 0,
    node_endpoints: Sequence[NodeEndpoint] = (),
) -> Generator[int, None, list[Buffer]]:
    """The same of very many partitions, with pauses."""
    flexible = version >= FLEXIBLE_FROM
    out: list[Buffer] = [b""]
    pieces = [array_length_bytes(len(topics), flexible=flexible)]
    for topic in topics:
        _start_topic(version, topic, pieces)
        for first in range(0, len(topic.partitions), PARTITIONS_AT_ONCE):
            some = topic.partitions[first : first + PARTITIONS_AT_ONCE]
            _add_partitions(version, some, pieces, out)
            yield 1
        if flexible:
            pieces.append(b"\0")
    start = (correlation_id, throttle_ms, error_code, session_id)
    return _finish(version, start, node_endpoints, pieces, out)


def _start_topic(version: int, topic: FetchTopicData, pieces: list[bytes]) -> None:
    flexible = version >= FLEXIBLE_FROM
    if version >= TOPIC_IDS_FROM:
        pieces.append(uuid_bytes(topic.topic_id))
    else:
        pieces.append(string_bytes(topic.topic, flexible=flexible))
    pieces.append(array_length_bytes(len(topic.partitions), flexible=flexible))


def _add_partitions(
    version: int, partitions: Sequence[FetchPartitionData], pieces: list[bytes], out: list[Buffer]
) -> None:
    flexible = version >= FLEXIBLE_FROM
    for data in partitions:
        pieces.append(_data_start(version, data))
        if data.records:
            out.append(b"".join(pieces))
            out += data.records
            pieces.clear()
        if flexible:
            pieces.append(_data_tags(data))


def _finish(
    version: int,
    start_fields: tuple[int, int, int, int],
    node_endpoints: Sequence[NodeEndpoint],
    pieces: list[bytes],
    out: list[Buffer],
) -> list[Buffer]:
    flexible = version >= FLEXIBLE_FROM
    if flexible:
        pieces.append(node_endpoints_tag(node_endpoints if version >= 16 else ()))
    out.append(b"".join(pieces))
    size = sum(map(len, out))
    if version >= 7:
        layout = _RESPONSE_V12 if flexible else _RESPONSE_V7
        start = layout.pack(size + layout.size - 4, *start_fields)
    elif version:
        start = _RESPONSE_V1.pack(size + 8, *start_fields[:2])
    else:
        start = _RESPONSE_V0.pack(size + 4, start_fields[0])
    out[1] = b"".join((start, out[1]))
    del out[0]
    return out


def _data_start(version: int, data: FetchPartitionData) -> bytes:
    """The bytes of one partition before its records."""
    if version < 4:
        size = -1 if data.records is None else sum(map(len, data.records))
        return _DATA_V0.pack(*data[:3]) + _INT32.pack(size)
    flexible = version >= FLEXIBLE_FROM
    start = _DATA_V5.pack(*data[:5]) if version >= 5 else _DATA_V4.pack(*data[:4])
    aborted = data.aborted_transactions
    pieces = [start, array_length_bytes(-1 if aborted is None else len(aborted), flexible=flexible)]
    if aborted:
        layout = _ABORTED_FLEXIBLE if flexible else _ABORTED
        pieces += [layout.pack(*transaction) for transaction in aborted]
    if version >= 11:
        pieces.append(_INT32.pack(data.preferred_read_replica))
    size = -1 if data.records is None else sum(map(len, data.records))
    pieces.append(array_length_bytes(size, flexible=flexible))
    return b"".join(pieces)


def _data_tags(data: FetchPartitionData) -> bytes:
    """The tagged section of one partition: DivergingEpoch 0, CurrentLeader 1."""
    if data.diverging_epoch is None and data.current_leader is None:
        return b"\0"
    tags = []
    if data.diverging_epoch is not None:
        tags.append(_DIVERGING.pack(0, 13, *data.diverging_epoch))
    if data.current_leader is not None:
        tags.append(pair_tag(1, *data.current_leader))
    return bytes((len(tags),)) + b"".join(tags)
