"""A hand-written codec of Fetch v12 to v17 for followers; answers are parsed in place (reference
4.8, 14). Topics are named by ids, in v12 by names."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Sequence
from typing import NamedTuple

from barnabas.errors import InvalidRequest
from barnabas.protocol.api import ApiKey
from barnabas.protocol.fetch import FetchPartition
from barnabas.protocol.header import request_start
from barnabas.protocol.produce import NodeEndpoint
from barnabas.protocol.wire import (
    MALFORMED,
    finish_uvarint,
    read_count,
    read_length,
    read_nullable_string,
    read_string,
    read_tags,
    read_uvarint,
    string_bytes,
    uuid_bytes,
    uuid_or_none,
    uvarint_bytes,
)
from barnabas.types import CONSUMER_REPLICA_ID, UNKNOWN_BROKER_EPOCH

VERSION = 17
TOPIC_IDS_FROM = 13
REPLICA_STATE_FROM = 15
"""Before, the follower's id stands at the beginning, and its epoch is not told."""

_INT32 = struct.Struct(">i")
_REQUEST = struct.Struct(">iiibii")
_PARTITION = struct.Struct(">iiqiqix")
_REPLICA_STATE = struct.Struct(">BBBiqx")
_RESPONSE = struct.Struct(">ihi")
_DATA = struct.Struct(">ihqqq")
_TRANSACTION = struct.Struct(">qq")
_USUAL_REQUEST = struct.Struct(">iiibiiB16sBiiqiqixxBBBBBiqx")
"""One topic with its id, one partition; nothing forgotten, no rack; the follower in its tag."""
_USUAL = struct.Struct(">ihiB16sBihqqqBiB")
"""One topic with its id, one partition, no transactions, the first byte of the records' length."""
_NO_TAGS = bytes(3)
"""Of the partition, the topic and the answer."""
_new = tuple.__new__
_LEADER = struct.Struct(">ii")
_DIVERGING = struct.Struct(">iq")

Topics = Sequence[tuple[uuid.UUID | str, Sequence[FetchPartition]]]
Forgotten = Sequence[tuple[uuid.UUID | str, Sequence[int]]]


class FetchedPartition(NamedTuple):
    """One partition of an answer."""

    partition: int
    error_code: int
    high_watermark: int
    last_stable_offset: int
    log_start_offset: int
    aborted_transactions: list[tuple[int, int]] | None
    preferred_read_replica: int
    records: memoryview
    """A view of the frame; empty also for null."""
    diverging_epoch: tuple[int, int] | None
    """(epoch, end offset)"""
    current_leader: tuple[int, int] | None
    """(leader id, leader epoch)"""


class FetchResponse(NamedTuple):
    """A fetch answer. A topic id may be there twice: only consecutive partitions are grouped."""

    throttle_ms: int
    error_code: int
    session_id: int
    topics: list[tuple[uuid.UUID | str | None, list[FetchedPartition]]]
    node_endpoints: list[NodeEndpoint]


def encode_fetch_request(
    correlation_id: int,
    client_id: str,
    topics: Topics,
    *,
    replica_id: int = CONSUMER_REPLICA_ID,
    replica_epoch: int = UNKNOWN_BROKER_EPOCH,
    max_wait_ms: int = 500,
    min_bytes: int = 1,
    max_bytes: int = 10 * 1024 * 1024,
    isolation_level: int = 0,
    session_id: int = 0,
    session_epoch: int = 0,
    forgotten: Forgotten = (),
    rack_id: str = "",
    version: int = VERSION,
) -> bytes:
    """A whole Fetch request frame with its size. ``topics`` and ``forgotten`` have names in v12,
    else ids."""
    fixed = (max_wait_ms, min_bytes, max_bytes, isolation_level, session_id, session_epoch)
    if version >= REPLICA_STATE_FROM and replica_id >= 0 and not forgotten and not rack_id:
        body = _usual_request(fixed, topics, replica_id, replica_epoch)
        if body is not None:
            start = request_start(ApiKey.FETCH, version, correlation_id, client_id, len(body))
            return start + body
    pieces = [
        b"" if version >= REPLICA_STATE_FROM else _INT32.pack(replica_id),
        _REQUEST.pack(*fixed),
        uvarint_bytes(len(topics) + 1),
    ]
    for topic_id, partitions in topics:
        pieces.append(_named(topic_id))
        pieces.append(uvarint_bytes(len(partitions) + 1))
        pieces += [_PARTITION.pack(*partition) for partition in partitions]
        pieces.append(b"\0")
    pieces.append(uvarint_bytes(len(forgotten) + 1))
    for topic_id, indexes in forgotten:
        pieces.append(_named(topic_id))
        pieces.append(uvarint_bytes(len(indexes) + 1))
        pieces.append(struct.pack(f">{len(indexes)}ix", *indexes))
    pieces.append(string_bytes(rack_id, flexible=True))
    if version < REPLICA_STATE_FROM or (
        replica_id == CONSUMER_REPLICA_ID and replica_epoch == UNKNOWN_BROKER_EPOCH
    ):
        pieces.append(b"\0")
    else:
        pieces.append(_REPLICA_STATE.pack(1, 1, 13, replica_id, replica_epoch))
    body = b"".join(pieces)
    return request_start(ApiKey.FETCH, version, correlation_id, client_id, len(body)) + body


def _usual_request(
    fixed: tuple[int, ...], topics: Topics, replica_id: int, replica_epoch: int
) -> bytes | None:
    """A follower's request that names one partition, as most do; None if it names others."""
    if len(topics) != 1 or len(topics[0][1]) != 1:
        return None
    topic, (partition,) = topics[0]
    if isinstance(topic, str):
        return None
    return _USUAL_REQUEST.pack(
        *fixed, 2, topic.bytes, 2, *partition, 1, 1, 1, 1, 13, replica_id, replica_epoch
    )


def _named(topic: uuid.UUID | str) -> bytes:
    return string_bytes(topic, flexible=True) if isinstance(topic, str) else uuid_bytes(topic)


def decode_fetch_response(version: int, view: memoryview, offset: int) -> FetchResponse:
    """The body of a Fetch answer of v12 to v17 (they are the same, but for names in v12), from
    ``offset`` to the end. ``parse_response_header`` gives ``offset``. Records are views of
    ``view``.

    Raises InvalidRequest unless it is exactly one well-formed body."""
    if not 12 <= version <= VERSION:
        raise InvalidRequest(f"Fetch answer v{version}")
    try:
        if version >= TOPIC_IDS_FROM and len(view) - offset > _USUAL.size:
            usual = _usual_response(view, offset)
            if usual is not None:
                return usual
        throttle_ms, error_code, session_id = _RESPONSE.unpack_from(view, offset)
        count, position = read_count(view, offset + _RESPONSE.size, 3, flexible=True)
        topics: list[tuple[uuid.UUID | str | None, list[FetchedPartition]]] = []
        for _ in range(count):
            topic: uuid.UUID | str | None
            if version >= TOPIC_IDS_FROM:
                topic, position = uuid_or_none(bytes(view[position : position + 16])), position + 16
            else:
                topic, position = read_string(view, position, flexible=True)
            partitions, position = _partitions(view, position)
            topics.append((topic, partitions))
        endpoints, position = _endpoints(view, position)
    except MALFORMED as error:
        raise InvalidRequest(f"Fetch answer: {error}") from error
    if position != len(view):
        raise InvalidRequest(f"Fetch answer ends at {position} of {len(view)} bytes")
    return FetchResponse(throttle_ms, error_code, session_id, topics, endpoints)


def _usual_response(view: memoryview, offset: int) -> FetchResponse | None:
    """The answer, if it has the form that answers mostly have: one partition, no transactions, no
    tags. None otherwise."""
    throttle_ms, error_code, session_id, topics, topic, partitions, *data = _USUAL.unpack_from(
        view, offset
    )
    index, error, watermark, stable, start, transactions, replica, first = data
    if topics != 2 or partitions != 2 or transactions:
        return None
    position = offset + _USUAL.size
    size = first
    if first >= 128:
        size, position = finish_uvarint(view, position, first)
    end = position + size - 1
    if not size or view[end:] != _NO_TAGS:
        return None
    found: FetchedPartition = _new(
        FetchedPartition,
        (index, error, watermark, stable, start, None, replica, view[position:end], None, None),
    )
    return FetchResponse(throttle_ms, error_code, session_id, [(uuid_or_none(topic), [found])], [])


def _partitions(view: memoryview, position: int) -> tuple[list[FetchedPartition], int]:
    count, position = read_count(view, position, _DATA.size + 7, flexible=True)
    partitions = []
    for _ in range(count):
        index, error, watermark, stable, start = _DATA.unpack_from(view, position)
        aborted, position = _aborted(view, position + _DATA.size)
        replica = _INT32.unpack_from(view, position)[0]
        size, position = read_length(view, position + 4, flexible=True, wide=True)
        end = position + max(size, 0)
        if end > len(view):
            raise InvalidRequest(f"records of {size} bytes, {len(view) - position} are there")
        records = view[position:end]
        diverging, leader, position = _data_tags(view, end)
        partitions.append(
            FetchedPartition(
                index,
                error,
                watermark,
                stable,
                start,
                aborted,
                replica,
                records,
                diverging,
                leader,
            )
        )
    return partitions, read_tags(view, position)


def _aborted(view: memoryview, position: int) -> tuple[list[tuple[int, int]] | None, int]:
    if view[position] == 0:
        return None, position + 1
    count, position = read_count(view, position, 17, flexible=True)
    transactions = []
    for _ in range(count):
        transactions.append(_TRANSACTION.unpack_from(view, position))
        position = read_tags(view, position + 16)
    return transactions, position


def _data_tags(
    view: memoryview, position: int
) -> tuple[tuple[int, int] | None, tuple[int, int] | None, int]:
    """(diverging epoch, current leader, next position)"""
    diverging = leader = None
    count, position = read_uvarint(view, position)
    for _ in range(count):
        tag, position = read_uvarint(view, position)
        size, position = read_uvarint(view, position)
        end = position + size
        if tag == 0:
            diverging = _DIVERGING.unpack_from(view, position)
            _expect(view, position + 12, end)
        elif tag == 1:
            leader = _LEADER.unpack_from(view, position)
            _expect(view, position + 8, end)
        position = end
    return diverging, leader, position


def _expect(view: memoryview, position: int, end: int) -> None:
    """Raise InvalidRequest unless the tagged section at ``position`` ends at ``end``."""
    if read_tags(view, position) != end:
        raise InvalidRequest("tagged struct of a wrong length")


def _endpoints(view: memoryview, position: int) -> tuple[list[NodeEndpoint], int]:
    """The tagged section that ends the answer."""
    endpoints: list[NodeEndpoint] = []
    count, position = read_uvarint(view, position)
    for _ in range(count):
        tag, position = read_uvarint(view, position)
        size, position = read_uvarint(view, position)
        end = position + size
        if tag == 0:
            endpoints, position = _endpoint_list(view, position)
            if position != end:
                raise InvalidRequest("node endpoints of a wrong length")
        position = end
    return endpoints, position


def _endpoint_list(view: memoryview, position: int) -> tuple[list[NodeEndpoint], int]:
    count, position = read_count(view, position, 11, flexible=True)
    endpoints = []
    for _ in range(count):
        node_id = _INT32.unpack_from(view, position)[0]
        host, position = read_string(view, position + 4, flexible=True)
        port = _INT32.unpack_from(view, position)[0]
        rack, position = read_nullable_string(view, position + 4, flexible=True)
        position = read_tags(view, position)
        endpoints.append(NodeEndpoint(node_id, host, port, rack))
    return endpoints, position
