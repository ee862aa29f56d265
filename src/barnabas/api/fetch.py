"""Fetch v4-17, for consumers and followers: one read path, sessions, long polls.

A follower is known by its replica id, which is in a tag from v15 on (KIP-903). Topics are named up
to v12 and have ids from v13 on. Rack-aware reading (KIP-392) needs a replica selector; there is
none, so consumers are never sent elsewhere, but followers do serve v11+ consumers that come.
"""

from __future__ import annotations

from barnabas.api.access import is_allowed, is_allowed_on_cluster
from barnabas.api.hints import node_endpoints
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.api.when import when
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.authorizer.authorizer import AclAuthorizer
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.fetch import (
    TOPIC_IDS_FROM,
    FetchPartitionData,
    FetchRequest,
    FetchTopicData,
    encode_fetch_response,
    parse_fetch_request,
)
from barnabas.protocol.produce import NodeEndpoint
from barnabas.replication.fetch_params import ISOLATION_LEVELS, READ_COMMITTED, FetchParams
from barnabas.replication.fetch_session import SessionPartition
from barnabas.replication.results import FetchedPartition, FetchResult
from barnabas.types import NO_EPOCH, ZERO_UUID, TopicPartition

NODE_ENDPOINTS_FROM_VERSION = 16
ZSTD_FROM_VERSION = 10
"""Older consumers cannot read zstd (KIP-110)."""
STORAGE_ERROR_FROM_VERSION = 6
"""Older ones do not know KAFKA_STORAGE_ERROR and are told to look for the leader instead."""


@serves(
    ApiKey.FETCH,
    of_each(
        (ResourceType.TOPIC, AclOperation.READ), (ResourceType.CLUSTER, AclOperation.CLUSTER_ACTION)
    ),
)
def handle(services: Services, request: Request) -> Answer:
    """Answer now if there is enough, else when there is or time is up."""
    parsed = parse_fetch_request(request.api_version, request.frame, request.body_offset)
    if parsed.replica_id >= 0 and services.metadata.is_alive(parsed.replica_id):
        request.from_broker = True
    if parsed.isolation_level not in ISOLATION_LEVELS:
        return _answer(services, request, _refused(request.api_version, parsed))
    params = _params(request.api_version, parsed)
    if services.authorizer is not None:
        _restrict(services, services.authorizer, request, params)
    outcome = services.replicas.fetch(params)
    return when(
        outcome, lambda result: _answer(services, request, _for_old(services, request, result))
    )


def _restrict(
    services: Services, authorizer: AclAuthorizer, request: Request, params: FetchParams
) -> None:
    """Let it read only what its sender may. It may wait for long, so it is asked at each look."""
    params.acl_generation = authorizer.generation
    if params.from_follower:
        if not is_allowed_on_cluster(services, request, AclOperation.CLUSTER_ACTION):
            params.may_read = _nothing
        return

    def may_read(topic: str) -> bool:
        return is_allowed(services, request, AclOperation.READ, ResourceType.TOPIC, topic)

    params.may_read = may_read


def _nothing(topic: str) -> bool:
    return False


def _params(version: int, parsed: FetchRequest) -> FetchParams:
    by_id = version >= TOPIC_IDS_FROM
    return FetchParams(
        version=version,
        replica_id=parsed.replica_id,
        broker_epoch=parsed.replica_epoch,
        max_wait_ms=parsed.max_wait_ms,
        min_bytes=parsed.min_bytes,
        max_bytes=parsed.max_bytes,
        read_committed=parsed.isolation_level == READ_COMMITTED,
        session_id=parsed.session_id,
        session_epoch=parsed.session_epoch,
        partitions=[
            SessionPartition(
                topic=None if by_id else topic.topic,
                topic_id=(topic.topic_id or ZERO_UUID) if by_id else None,
                partition=wanted.partition,
                fetch_offset=wanted.fetch_offset,
                max_bytes=wanted.partition_max_bytes,
                current_leader_epoch=max(wanted.current_leader_epoch, NO_EPOCH),
                last_fetched_epoch=max(wanted.last_fetched_epoch, NO_EPOCH),
                log_start_offset=wanted.log_start_offset,
            )
            for topic in parsed.topics
            for wanted in topic.partitions
        ],
        forgotten=[
            ((topic.topic_id or ZERO_UUID) if by_id else topic.topic, partition)
            for topic in parsed.forgotten
            for partition in topic.partitions
        ],
    )


def _refused(version: int, parsed: FetchRequest) -> FetchResult:
    """The answer to an isolation level that does not exist."""
    return FetchResult(
        error=ErrorCode.INVALID_REQUEST,
        session_id=parsed.session_id,
        partitions=[
            FetchedPartition(
                topic=wanted.topic,
                topic_id=wanted.topic_id,
                partition=wanted.partition,
                error=ErrorCode.INVALID_REQUEST,
                aborted_transactions=[],
            )
            for wanted in _params(version, parsed).partitions
        ],
    )


def _for_old(services: Services, request: Request, result: FetchResult) -> FetchResult:
    """The answer as clients of old versions understand it. With ``compression.type`` zstd the
    whole topic is refused to them, whatever else there is to be said."""
    version = request.api_version
    if version < ZSTD_FROM_VERSION:
        result.partitions = [_without_zstd(services, fetched) for fetched in result.partitions]
    if version < STORAGE_ERROR_FROM_VERSION:
        for fetched in result.partitions:
            if fetched.error is ErrorCode.KAFKA_STORAGE_ERROR:
                fetched.error = ErrorCode.NOT_LEADER_OR_FOLLOWER
    return result


def _without_zstd(services: Services, fetched: FetchedPartition) -> FetchedPartition:
    hosted = services.replicas.partitions.get(
        TopicPartition(fetched.topic or "", fetched.partition)
    )
    if hosted is None or hosted.log is None or hosted.log.config.compression_type != "zstd":
        return fetched
    return FetchedPartition(
        topic=fetched.topic,
        topic_id=fetched.topic_id,
        partition=fetched.partition,
        error=ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
        aborted_transactions=[],
    )


def _answer(services: Services, request: Request, result: FetchResult) -> Pieces:
    """Neighbouring partitions of one topic share its entry, as in the original."""
    topics: list[FetchTopicData] = []
    group: list[FetchPartitionData] = []
    last: FetchedPartition | None = None
    for fetched in result.partitions:
        if last is None or (fetched.topic, fetched.topic_id) != (last.topic, last.topic_id):
            group = []
            topics.append(FetchTopicData(fetched.topic or "", fetched.topic_id, group))
        group.append(_partition(fetched))
        last = fetched
    endpoints: tuple[NodeEndpoint, ...] = ()
    if request.api_version >= NODE_ENDPOINTS_FROM_VERSION:
        endpoints = node_endpoints(services, request, (f.current_leader for f in result.partitions))
    return encode_fetch_response(
        request.api_version,
        request.correlation_id,
        topics,
        error_code=int(result.error),
        session_id=result.session_id,
        node_endpoints=endpoints,
    )


def _partition(fetched: FetchedPartition) -> FetchPartitionData:
    diverging = fetched.diverging
    return FetchPartitionData(
        fetched.partition,
        int(fetched.error),
        fetched.high_watermark,
        fetched.last_stable_offset,
        fetched.log_start_offset,
        fetched.records,
        fetched.aborted_transactions,
        fetched.preferred_read_replica,
        None if diverging is None else (diverging.epoch, diverging.end_offset),
        fetched.current_leader,
    )
