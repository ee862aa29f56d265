"""Reads partitions for tools and tests, without a group and without commits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from barnabas.client.cluster import RETRY_PAUSE_S, ClusterClient
from barnabas.client.errors import RETRIABLE, ClientError, Unreachable
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.fetch import FetchRequest
from barnabas.protocol.messages.list_offsets import ListOffsetsRequest
from barnabas.records.batch import Record, iterate_batches, iterate_records
from barnabas.types import CONSUMER_REPLICA_ID, TopicPartition

FETCH_VERSION = 12
LIST_OFFSETS_VERSION = 7
EARLIEST, LATEST = -2, -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """The result of one poll of one partition."""

    records: Sequence[Record]
    next_offset: int
    """Where the next poll begins."""
    high_watermark: int


async def list_offset(client: ClusterClient, tp: TopicPartition, timestamp: int) -> int:
    """The first offset at or after a timestamp (ms), or the offset of EARLIEST or LATEST; -1 if
    every record is older. Raises ClientError, Unreachable."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + client.timeout_ms / 1000
    request = ListOffsetsRequest(
        replica_id=CONSUMER_REPLICA_ID,
        isolation_level=0,
        topics=[
            ListOffsetsRequest.Topic(
                name=tp.topic,
                partitions=[
                    ListOffsetsRequest.Partition(
                        partition_index=tp.partition, current_leader_epoch=-1, timestamp=timestamp
                    )
                ],
            )
        ],
    )
    while True:
        code: int = ErrorCode.LEADER_NOT_AVAILABLE
        leader = client.view.leader(tp.topic, tp.partition)
        if leader is not None:
            try:
                response = await client.broker(
                    leader, ApiKey.LIST_OFFSETS, LIST_OFFSETS_VERSION, request
                )
                result = response.topics[0].partitions[0]
                code = int(result.error_code)
                if code == ErrorCode.NONE:
                    return int(result.offset)
            except OSError:
                code = ErrorCode.NETWORK_EXCEPTION
        if code not in RETRIABLE:
            raise ClientError(str(tp), code)
        if loop.time() > deadline:
            raise Unreachable(f"{tp}: no answer about its offsets")
        await asyncio.sleep(RETRY_PAUSE_S)
        await client.metadata([tp.topic])


async def fetch(
    client: ClusterClient,
    tp: TopicPartition,
    offset: int,
    *,
    max_bytes: int = 1024 * 1024,
    max_wait_ms: int = 500,
    read_committed: bool = False,
) -> Fetched:
    """Records of one partition from ``offset``; none if nothing comes within ``max_wait_ms``. With
    ``read_committed`` records of open and aborted transactions are left out. Raises as
    ``fetch_batches``."""
    found = await fetch_batches(
        client,
        tp,
        offset,
        max_bytes=max_bytes,
        max_wait_ms=max_wait_ms,
        read_committed=read_committed,
    )
    return _fetched(found.data, offset, found.high_watermark, found.aborted)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedBatches:
    """What a leader has sent of one partition, as it is in its log."""

    data: bytes | None
    """Batches; the first may begin before the offset, the last may be cut short."""
    high_watermark: int
    aborted: list[tuple[int, int]]
    """First offset and producer id of aborted transactions; only if ``read_committed``."""


async def fetch_batches(
    client: ClusterClient,
    tp: TopicPartition,
    offset: int,
    *,
    max_bytes: int = 1024 * 1024,
    max_wait_ms: int = 500,
    read_committed: bool = False,
) -> FetchedBatches:
    """The batches of one partition from ``offset``. Follows the leader as it moves, or reads from
    the replica that it names, and skips nothing. Raises ClientError (OFFSET_OUT_OF_RANGE among
    others, from leaders only), Unreachable."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + client.timeout_ms / 1000
    while True:
        leader = client.view.leader(tp.topic, tp.partition)
        near = client.preferred_replicas.get(tp)
        code: int = ErrorCode.LEADER_NOT_AVAILABLE
        if leader is not None:
            request = _fetch_request(client, tp, offset, max_bytes, max_wait_ms, read_committed)
            try:
                response = await client.broker(
                    leader if near is None else near, ApiKey.FETCH, FETCH_VERSION, request
                )
                result = response.responses[0].partitions[0]
                code = int(result.error_code)
                if code == ErrorCode.NONE and result.preferred_read_replica >= 0:
                    client.preferred_replicas[tp] = int(result.preferred_read_replica)
                    continue
                if code == ErrorCode.NONE:
                    aborted = [
                        (int(a.first_offset), int(a.producer_id))
                        for a in result.aborted_transactions or ()
                    ]
                    return FetchedBatches(
                        data=result.records,
                        high_watermark=int(result.high_watermark),
                        aborted=aborted,
                    )
            except OSError:
                code = ErrorCode.NETWORK_EXCEPTION
        if client.preferred_replicas.pop(tp, None) is None and code not in RETRIABLE:
            raise ClientError(str(tp), code)
        if loop.time() > deadline:
            raise Unreachable(f"{tp}: no leader answers")
        await asyncio.sleep(RETRY_PAUSE_S)
        await client.metadata([tp.topic])


def _fetch_request(
    client: ClusterClient,
    tp: TopicPartition,
    offset: int,
    max_bytes: int,
    max_wait_ms: int,
    read_committed: bool,
) -> FetchRequest:
    """The request, with the leader epoch that this client knows. With it a broker that became a
    follower answers an error about its role, not OFFSET_OUT_OF_RANGE."""
    return FetchRequest(
        replica_id=CONSUMER_REPLICA_ID,
        max_wait=max_wait_ms,
        min_bytes=1,
        max_bytes=max_bytes,
        isolation_level=int(read_committed),
        session_id=0,
        session_epoch=-1,
        topics=[
            FetchRequest.Topic(
                topic=tp.topic,
                partitions=[
                    FetchRequest.Partition(
                        partition=tp.partition,
                        current_leader_epoch=client.view.leader_epoch(tp.topic, tp.partition),
                        fetch_offset=offset,
                        last_fetched_epoch=-1,
                        log_start_offset=-1,
                        partition_max_bytes=max_bytes,
                    )
                ],
            )
        ],
        forgotten_topics_data=[],
        rack_id=client.rack,
    )


def _fetched(
    data: bytes | None, offset: int, high_watermark: int, aborted: list[tuple[int, int]]
) -> Fetched:
    """The records of whole batches from ``offset`` on. Control records are left out, and so are
    records of ``aborted`` transactions, which are given as (first offset, producer id)."""
    view = memoryview(data or b"")
    records: list[Record] = []
    next_offset = offset
    waiting = sorted(aborted, reverse=True)
    skipped: dict[int, None] = {}
    """Producers whose transaction, open at the current offset, was aborted later."""
    for header, position, size in iterate_batches(view):
        if position + size > len(view):
            break
        while waiting and waiting[-1][0] <= header.last_offset:
            skipped[waiting.pop()[1]] = None
        if header.is_control:
            skipped.pop(header.producer_id, None)
        elif not header.is_transactional or header.producer_id not in skipped:
            records += [r for r in iterate_records(view, position) if r.offset >= offset]
        next_offset = max(next_offset, header.last_offset + 1)
    return Fetched(records=records, next_offset=next_offset, high_watermark=high_watermark)
