"""Produce v0-11.

v0-2 may have message formats 0 and 1, which are converted. acks=0 has no answer; an error closes
the connection, so that the client looks for the leader again. For the first batch of a transaction
in a partition, the transaction's coordinator is asked (KIP-890). acks=0 cannot wait for that, so it
is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Sequence
from typing import TypeAlias

from barnabas.api.access import denied_of, is_allowed
from barnabas.api.hints import node_endpoints
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Promise, Request, Steps, at_once
from barnabas.api.services import Services
from barnabas.api.throttling import throttle_ms
from barnabas.api.verification import Batch, begin, take_turn
from barnabas.api.when import when
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.coordinator.transaction.verification import Verdicts, told_to_producer
from barnabas.errors import ErrorCode, InvalidRequest, KafkaError
from barnabas.limits import PARTITIONS_AT_ONCE
from barnabas.protocol.api import ApiKey
from barnabas.protocol.produce import (
    NodeEndpoint,
    PartitionProduceResult,
    ProduceRequest,
    RecordError,
    begin_produce,
    encode_appended,
    encode_produce_response_in_steps,
)
from barnabas.records.header import (
    ATTRIBUTES_POSITION,
    HEADER_BYTES,
    MAGIC,
    MAGIC_POSITION,
    TRANSACTIONAL_BIT,
    parse_header,
)
from barnabas.replication.append_request import AppendRequest, InTransaction
from barnabas.replication.results import ProduceResult
from barnabas.types import TopicPartition

CURRENT_LEADER_FROM_VERSION = 10
ABORTABLE_FROM = 11
"""Clients of this version know TRANSACTION_ABORTABLE."""
ADMIN_CLIENT_ID = "__admin_client"
"""The only client that may write to internal topics, as in Kafka."""


@serves(
    ApiKey.PRODUCE,
    of_each(
        (ResourceType.TOPIC, AclOperation.WRITE),
        (ResourceType.TRANSACTIONAL_ID, AclOperation.WRITE),
    ),
)
def handle(services: Services, request: Request) -> Answer:
    """Appends at once; answers now, or when enough replicas have the records."""
    begun = begin_produce(request.api_version, request.frame, request.body_offset)
    if not isinstance(begun, ProduceRequest):
        return _parse_on(services, request, begun)
    return _serve(services, request, begun)


def _parse_on(services: Services, request: Request, rest: Steps[ProduceRequest]) -> Steps[Answer]:
    """For very many partitions."""
    parsed = yield from rest
    return _serve(services, request, parsed)


def _serve(services: Services, request: Request, parsed: ProduceRequest) -> Answer:
    if services.authorizer is not None and not _may_be_transactional(services, request, parsed):
        return _refuse(services, request, parsed)
    if parsed.partition_count > PARTITIONS_AT_ONCE:
        request.elements = parsed.partition_count
        if parsed.transactional_id is None:
            return _in_steps(services, request, parsed)
    if parsed.transactional_id is not None:
        return _in_transaction(services, request, parsed, parsed.transactional_id)
    outcome = _append(services, request, parsed)
    if parsed.acks == 0:
        _close_on_error(outcome)
        return None
    if isinstance(outcome, list):
        return _answer(services, request, parsed, outcome)
    return Promise(outcome, lambda results: _answer(services, request, parsed, results))


def _may_be_transactional(services: Services, request: Request, parsed: ProduceRequest) -> bool:
    """Whether the request has no transactional batch, or its sender may use the transactional
    id."""
    if not _is_transactional(parsed):
        return True
    name, kind = parsed.transactional_id, ResourceType.TRANSACTIONAL_ID
    return name is not None and is_allowed(services, request, AclOperation.WRITE, kind, name)


def _is_transactional(parsed: ProduceRequest) -> bool:
    """Whether the request has a transactional batch."""
    for _, partitions in parsed.topics:
        for _, records in partitions:
            if (
                records is not None
                and len(records) >= HEADER_BYTES
                and records[ATTRIBUTES_POSITION + 1] & TRANSACTIONAL_BIT
            ):
                return True
    return False


def _refuse(services: Services, request: Request, parsed: ProduceRequest) -> Answer:
    """Refuse every partition, since the sender may not use the transactional id."""
    if parsed.acks == 0:
        raise InvalidRequest("acks=0 with a transactional id that is not allowed")
    results = []
    for topic, partitions in parsed.topics:
        for number, _ in partitions:
            result = ProduceResult(topic, number)
            result.fail(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
            results.append(result)
    return _answer_in_steps(services, request, parsed, results)


def _denied(
    services: Services, request: Request, parsed: ProduceRequest, *, quiet: bool = False
) -> Container[str]:
    """The topics that the sender may not write to."""
    write, kind, names = AclOperation.WRITE, ResourceType.TOPIC, [name for name, _ in parsed.topics]
    denied = denied_of(services, request, write, kind, names, quiet=quiet)
    return frozenset(denied) if denied else ()


Outcome: TypeAlias = "list[ProduceResult] | asyncio.Future[list[ProduceResult]]"


def _append(
    services: Services,
    request: Request,
    parsed: ProduceRequest,
    transaction: InTransaction | None = None,
) -> Outcome:
    return services.replicas.append(_append_request(services, request, parsed, transaction))


def _in_steps(
    services: Services,
    request: Request,
    parsed: ProduceRequest,
    transaction: InTransaction | None = None,
) -> Steps[Pieces | Steps[Pieces] | Promise | None]:
    """``handle`` for very many partitions, in steps."""
    yield 1
    append = _append_request(services, request, parsed, transaction)
    outcome = yield from services.replicas.append_in_steps(append)
    if parsed.acks == 0:
        _close_on_error(outcome)
        return None
    return when(outcome, lambda results: _answer_in_steps(services, request, parsed, results))


def _append_request(
    services: Services,
    request: Request,
    parsed: ProduceRequest,
    transaction: InTransaction | None,
) -> AppendRequest:
    return AppendRequest(
        acks=parsed.acks,
        timeout_ms=parsed.timeout_ms,
        entries=[
            (name, partition, memoryview(bytearray()) if records is None else records)
            for name, partitions in parsed.topics
            for partition, records in partitions
        ],
        produce_version=request.api_version,
        internal_topics=request.client_id == ADMIN_CLIENT_ID,
        transaction=transaction,
        denied=() if services.authorizer is None else _denied(services, request, parsed),
    )


def _in_transaction(
    services: Services, request: Request, parsed: ProduceRequest, transactional_id: str
) -> Answer:
    """Append at once to partitions that are in the transaction already; for others ask its
    coordinator first, and let no later request of the producer overtake this one."""
    if parsed.acks == 0:
        raise InvalidRequest("acks=0 in a transaction")
    denied = _denied(services, request, parsed, quiet=True)
    batches = _transactional_batches(parsed, denied)
    if len({batch[:2] for batch in batches.values()}) > 1:
        problem = KafkaError(
            ErrorCode.INVALID_PRODUCER_ID_MAPPING,
            "Transactional records contained more than one producer ID",
        )
        transaction = InTransaction(refused=dict.fromkeys(batches, problem))
        return _finish(services, request, parsed, transaction)
    transaction, unknown = begin(services, batches)
    appended: asyncio.Future[None] | None = None
    if parsed.partition_count > PARTITIONS_AT_ONCE:
        appended = asyncio.get_running_loop().create_future()
    turn = take_turn(services, transactional_id, batches, unknown, appended)
    if turn is None:
        return _finish(services, request, parsed, transaction)
    return _verified(services, request, parsed, transaction, turn, appended)


def _finish(
    services: Services, request: Request, parsed: ProduceRequest, transaction: InTransaction
) -> Answer:
    if parsed.partition_count > PARTITIONS_AT_ONCE:
        return _in_steps(services, request, parsed, transaction)
    outcome = _append(services, request, parsed, transaction)
    return when(outcome, lambda results: _answer(services, request, parsed, results))


async def _verified(
    services: Services,
    request: Request,
    parsed: ProduceRequest,
    transaction: InTransaction,
    verdicts: asyncio.Future[Verdicts],
    appended: asyncio.Future[None] | None,
) -> Pieces:
    abortable = request.api_version >= ABORTABLE_FROM
    refused = dict(transaction.refused)
    try:
        for name, verdict in (await verdicts).items():
            if verdict != ErrorCode.NONE and name in transaction.guards:
                code, message = told_to_producer(verdict, abortable=abortable)
                refused[name] = KafkaError(code, message or "")
        transaction = InTransaction(guards=transaction.guards, refused=refused)
        outcome: Outcome
        if appended is None:
            outcome = _append(services, request, parsed, transaction)
        else:
            append = _append_request(services, request, parsed, transaction)
            outcome = await request.in_turns(services.replicas.append_in_steps(append))
    finally:
        if appended is not None:
            appended.set_result(None)  # also if the client is gone: others wait for their turn
    results = outcome if isinstance(outcome, list) else await outcome
    if appended is None:
        return _answer(services, request, parsed, results)
    return await request.in_turns(_answer_in_steps(services, request, parsed, results))


def _transactional_batches(
    parsed: ProduceRequest, denied: Container[str]
) -> dict[TopicPartition, Batch]:
    """The transactional batches of a request that may be written. Malformed ones are refused
    later."""
    found: dict[TopicPartition, Batch] = {}
    for topic, partitions in parsed.topics:
        if topic in denied:
            continue
        for number, records in partitions:
            if records is None or len(records) < HEADER_BYTES or records[MAGIC_POSITION] != MAGIC:
                continue
            try:
                header = parse_header(records)
            except KafkaError:
                continue
            if header.is_transactional and header.producer_id >= 0:
                found[TopicPartition(topic, number)] = Batch(
                    header.producer_id, header.producer_epoch, header.base_sequence
                )
    return found


def _close_on_error(
    outcome: Outcome,
) -> None:
    results = outcome if isinstance(outcome, list) else []
    failed = next((r for r in results if r.error), None)
    if failed is not None:
        raise InvalidRequest(
            f"acks=0 to {failed.topic}-{failed.partition}: {failed.error.name}"
            " (closing tells the client)"
        )


def _answer(
    services: Services, request: Request, parsed: ProduceRequest, results: Sequence[ProduceResult]
) -> Pieces:
    """The answer. The results are in the order of the request's partitions."""
    if len(results) == 1 and not (result := results[0]).error:
        return [
            encode_appended(
                request.api_version,
                request.correlation_id,
                result.topic,
                result.partition,
                result.base_offset,
                result.append_time_ms,
                result.log_start_offset,
                0 if request.meter is None else throttle_ms(services, request),
            )
        ]
    return at_once(_answer_in_steps(services, request, parsed, results))


def _answer_in_steps(
    services: Services, request: Request, parsed: ProduceRequest, results: Sequence[ProduceResult]
) -> Steps[Pieces]:
    position = 0
    topics: list[tuple[str, list[PartitionProduceResult]]] = []
    for name, partitions in parsed.topics:
        end = position + len(partitions)
        found: list[PartitionProduceResult] = []
        for start in range(position, end, PARTITIONS_AT_ONCE):
            stop = min(start + PARTITIONS_AT_ONCE, end)
            for result in results[start:stop]:
                request.count_error(result.error)
                found.append(_partition(result))
            yield 1
        if found:
            topics.append((name, found))
        position = end
    endpoints: tuple[NodeEndpoint, ...] = ()
    if request.api_version >= CURRENT_LEADER_FROM_VERSION:
        endpoints = node_endpoints(services, request, (r.current_leader for r in results))
    throttled = throttle_ms(services, request)
    version, correlation_id = request.api_version, request.correlation_id
    frame = yield from encode_produce_response_in_steps(
        version, correlation_id, topics, endpoints, throttled
    )
    return [frame]


def _partition(result: ProduceResult) -> PartitionProduceResult:
    return PartitionProduceResult(
        result.partition,
        int(result.error),
        result.base_offset,
        result.append_time_ms,
        result.log_start_offset,
        [RecordError(*e) for e in result.record_errors] if result.record_errors else (),
        result.error_message,
        result.current_leader,
    )
