"""Fetch v0-17, for consumers and followers: one read path, with fetch sessions and long polls.

A request with a replica id is a follower's; from v15 on the id is in a tag (KIP-903). Topics have
names up to v12, and ids from v13 on. From v11 on a consumer may read from followers, and names its
rack; with ``replica.selector.class`` a leader sends it to a replica there (KIP-392). For v0-3
records are converted to message formats 0 and 1 (``old_consumers.py``).
"""

from __future__ import annotations

import asyncio

from barnabas.api.access import is_allowed, is_allowed_on_cluster
from barnabas.api.hints import node_endpoints
from barnabas.api.old_consumers import (
    RECORD_BATCHES_FROM_VERSION,
    Offsets,
    convert,
    offsets_of,
    refused_partition,
)
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Promise, Request, Steps
from barnabas.api.services import Services
from barnabas.api.throttling import fetch_throttle_ms
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.errors import ErrorCode, InvalidRequest
from barnabas.limits import FOLLOWER_PARTITIONS_MAX, LOOKS_AT_ONCE, PARTITIONS_AT_ONCE
from barnabas.protocol.api import ApiKey
from barnabas.protocol.fetch import (
    FLEXIBLE_FROM,
    TOPIC_IDS_FROM,
    FetchPartitionData,
    FetchRequest,
    FetchTopicData,
    TooManyPartitions,
    encode_fetch_response,
    encode_fetch_response_in_steps,
    parse_fetch_request,
    sender_of,
)
from barnabas.protocol.produce import NodeEndpoint
from barnabas.replication.fetch_params import ISOLATION_LEVELS, READ_COMMITTED, FetchParams
from barnabas.replication.fetch_session import SessionPartition
from barnabas.replication.replica_selector import Consumer
from barnabas.replication.results import Fetched, FetchedPartition, FetchResult
from barnabas.types import NO_EPOCH, ZERO_UUID, TopicPartition

NODE_ENDPOINTS_FROM_VERSION = 16
TOP_LEVEL_ERROR_FROM = 7
ZSTD_FROM_VERSION = 10
"""Older consumers cannot read zstd (KIP-110)."""
STORAGE_ERROR_FROM_VERSION = 6
"""Older clients do not know KAFKA_STORAGE_ERROR; they get an error that makes them look for the
leader."""


@serves(
    ApiKey.FETCH,
    of_each(
        (ResourceType.TOPIC, AclOperation.READ), (ResourceType.CLUSTER, AclOperation.CLUSTER_ACTION)
    ),
)
def handle(services: Services, request: Request) -> Answer:
    """Answers now if there is enough data, else when there is, or after the maximum wait."""
    try:
        parsed = parse_fetch_request(request.api_version, request.frame, request.body_offset)
    except TooManyPartitions:
        large = _of_a_broker(services, request)
        if large is None:
            return _refuse_all(request)
        parsed = large
    if parsed.replica_id >= 0 and services.metadata.is_alive(parsed.replica_id):
        request.from_broker = True
    if request.served is not None:
        request.served.kinds[parsed.replica_id >= 0] += 1
    if (
        parsed.partition_count > PARTITIONS_AT_ONCE
        or services.replicas.fetch_backlog(parsed.session_id) > LOOKS_AT_ONCE
    ):
        request.elements = parsed.partition_count
        return _in_steps(services, request, parsed)
    if parsed.isolation_level not in ISOLATION_LEVELS:
        return _answer(services, request, _refused(request.api_version, parsed))
    params = _params(request.api_version, parsed, request.listener)
    if services.authorizer is not None:
        _restrict(services, request, params)
    if services.replicas.context.settings.replica_selector is not None:
        _select(services, request, parsed, params)
    _meter(request, params)
    offsets = offsets_of(params) if params.version < RECORD_BATCHES_FROM_VERSION else None
    return _when(services, request, services.replicas.fetch(params), offsets)


def _when(
    services: Services,
    request: Request,
    outcome: Fetched | asyncio.Future[Fetched],
    offsets: Offsets | None,
) -> Pieces | Steps[Pieces] | Promise:
    """``offsets``: of a consumer that needs another message format."""
    if not isinstance(outcome, asyncio.Future):
        return _made(services, request, outcome, offsets)
    return Promise(
        outcome, lambda result: _made(services, request, result, offsets), outcome.cancel
    )


def _made(
    services: Services, request: Request, result: Fetched, offsets: Offsets | None
) -> Pieces | Steps[Pieces]:
    """The answer of a fetch that has ended its wait, or did not wait."""
    if (
        isinstance(result, FetchResult)
        and offsets is None
        and len(result.partitions) <= PARTITIONS_AT_ONCE
    ):
        old = _for_old(services, request, result)
        return _sent(services, request, old, _answer(services, request, old))
    return _made_in_steps(services, request, result, offsets)


def _made_in_steps(
    services: Services, request: Request, result: Fetched, offsets: Offsets | None
) -> Steps[Pieces]:
    if not isinstance(result, FetchResult):
        result = yield from result
    answers, size = services.replicas.context.answers, sum(f.size for f in result.partitions)
    answers.held += size
    try:
        old = _for_old(services, request, result)
        if offsets is not None:
            yield from convert(services, request, old.partitions, offsets)
        pieces = yield from _answer_in_steps(services, request, old)
        return _sent(services, request, old, pieces)
    finally:
        answers.held -= size


def _restrict(services: Services, request: Request, params: FetchParams) -> None:
    """Let the fetch read only what its sender may. A fetch may wait for long, so the authorizer is
    asked each time it reads."""
    authorizer = services.authorizer
    if authorizer is None:
        return
    params.acl_generation = authorizer.generation
    if params.from_follower:
        if not is_allowed_on_cluster(services, request, AclOperation.CLUSTER_ACTION):
            params.may_read = _nothing
        return

    def may_read(topic: str) -> bool:
        return is_allowed(services, request, AclOperation.READ, ResourceType.TOPIC, topic)

    params.may_read = may_read


def _select(
    services: Services, request: Request, parsed: FetchRequest, params: FetchParams
) -> None:
    """Let the replica selector choose where a consumer should read (KIP-392). Followers and
    consumers of old versions read from leaders."""
    selector = services.replicas.context.settings.replica_selector
    if selector is None or params.to_log_end or params.leader_only:
        return
    params.choice = selector(
        Consumer(
            rack=parsed.rack_id,
            client_id=request.client_id or "",
            host=request.client_host,
            principal=request.principal,
            listener=request.listener,
        )
    )


def _meter(request: Request, params: FetchParams) -> None:
    """Limit what is read for a consumer to what its quota allows at once. A larger answer could
    never be sent."""
    meter = request.meter
    if meter is None:
        return
    meter.is_exempt = params.from_follower
    most = None if params.from_follower else meter.most_to_fetch()
    if most is not None and most < params.max_bytes:
        params.max_bytes = max(int(most), 0)


def _sent(services: Services, request: Request, result: FetchResult, pieces: Pieces) -> Pieces:
    """The answer; an empty one if the consumer's quota is exceeded. Followers have no such
    quota."""
    if request.served is not None:
        for each in result.partitions:
            request.count_error(each.error)
    meter = request.meter
    if meter is None or meter.is_exempt:
        return pieces
    version = request.api_version
    size = sum(map(len, pieces)) - (5 if version >= FLEXIBLE_FROM else 4)
    wait_ms = fetch_throttle_ms(services, request, size)
    if not wait_ms:
        return pieces
    return encode_fetch_response(
        version,
        request.correlation_id,
        (),
        error_code=int(result.error),
        session_id=services.replicas.fetch_unsent(result),
        throttle_ms=wait_ms,
    )


def _nothing(topic: str) -> bool:
    return False


def _in_steps(
    services: Services, request: Request, parsed: FetchRequest
) -> Steps[Pieces | Steps[Pieces] | Promise]:
    """``handle`` for very many partitions, in steps."""
    yield 1
    if parsed.isolation_level not in ISOLATION_LEVELS:
        return _answer_in_steps(services, request, _refused(request.api_version, parsed))
    params = _params(request.api_version, parsed._replace(topics=[]), request.listener)
    for topic in parsed.topics:
        for start in range(0, len(topic.partitions), PARTITIONS_AT_ONCE):
            some = topic._replace(partitions=topic.partitions[start : start + PARTITIONS_AT_ONCE])
            params.partitions += _params(
                request.api_version, parsed._replace(topics=[some], forgotten=[])
            ).partitions
            yield 1
    _restrict(services, request, params)
    _select(services, request, parsed, params)
    _meter(request, params)
    outcome = yield from services.replicas.fetch_in_steps(params)
    offsets = offsets_of(params) if params.version < RECORD_BATCHES_FROM_VERSION else None
    if isinstance(outcome, asyncio.Future):
        return _when(services, request, outcome, offsets)
    return (yield from _made_in_steps(services, request, outcome, offsets))


def _of_a_broker(services: Services, request: Request) -> FetchRequest | None:
    """A request that has more partitions than a client's may have, if another broker sends it."""
    version, frame, offset = request.api_version, request.frame, request.body_offset
    if not services.metadata.is_alive(sender_of(version, frame, offset)):
        return None
    action = AclOperation.CLUSTER_ACTION
    if services.authorizer is not None and not is_allowed_on_cluster(services, request, action):
        return None
    try:
        return parse_fetch_request(version, frame, offset, FOLLOWER_PARTITIONS_MAX)
    except TooManyPartitions:
        return None


def _refuse_all(request: Request) -> Pieces:
    """Refuse a request with too many partitions. Old versions have no field for that error."""
    if request.api_version < TOP_LEVEL_ERROR_FROM:
        raise InvalidRequest(f"Fetch v{request.api_version} of too many partitions")
    error = int(ErrorCode.INVALID_REQUEST)
    return encode_fetch_response(request.api_version, request.correlation_id, (), error_code=error)


def _params(version: int, parsed: FetchRequest, listener: str = "") -> FetchParams:
    by_id = version >= TOPIC_IDS_FROM
    return FetchParams(
        version=version,
        replica_id=parsed.replica_id,
        broker_epoch=parsed.replica_epoch,
        max_wait_ms=parsed.max_wait_ms,
        min_bytes=parsed.min_bytes,
        max_bytes=parsed.max_bytes,
        listener=listener,
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
    """The answer to an unknown isolation level."""
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
    """The answer for clients of old versions. For a topic with ``compression.type`` zstd they get
    an error in any case."""
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
    return refused_partition(fetched, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)


def _answer_in_steps(services: Services, request: Request, result: FetchResult) -> Steps[Pieces]:
    topics: list[FetchTopicData] = []
    for start in range(0, len(result.partitions), PARTITIONS_AT_ONCE):
        _add(topics, result.partitions[start : start + PARTITIONS_AT_ONCE])
        yield 1
    return (
        yield from encode_fetch_response_in_steps(
            request.api_version,
            request.correlation_id,
            topics,
            error_code=int(result.error),
            session_id=result.session_id,
            node_endpoints=_endpoints(services, request, result),
        )
    )


def _add(topics: list[FetchTopicData], partitions: list[FetchedPartition]) -> None:
    """Add partitions. Consecutive ones of the same topic share an entry, as in Kafka."""
    last = topics[-1] if topics else None
    for fetched in partitions:
        if last is None or (fetched.topic or "", fetched.topic_id) != last[:2]:
            last = FetchTopicData(fetched.topic or "", fetched.topic_id, [])
            topics.append(last)
        last.partitions.append(_partition(fetched))


def _answer(services: Services, request: Request, result: FetchResult) -> Pieces:
    topics: list[FetchTopicData] = []
    _add(topics, result.partitions)
    return encode_fetch_response(
        request.api_version,
        request.correlation_id,
        topics,
        error_code=int(result.error),
        session_id=result.session_id,
        node_endpoints=_endpoints(services, request, result),
    )


def _endpoints(
    services: Services, request: Request, result: FetchResult
) -> tuple[NodeEndpoint, ...]:
    if request.api_version < NODE_ENDPOINTS_FROM_VERSION:
        return ()
    return node_endpoints(services, request, (f.current_leader for f in result.partitions))


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
