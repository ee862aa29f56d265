"""TxnOffsetCommit v0-4: stores a group's positions, which count once a transaction commits.

The coordinator of the transaction is asked first whether the group is in the transaction (KIP-890).
From v3 the member and its generation are checked as for OffsetCommit. Below v2
COORDINATOR_LOAD_IN_PROGRESS is answered as COORDINATOR_NOT_AVAILABLE (KAFKA-7296).
"""

from __future__ import annotations

from barnabas.api.access import allowed, is_allowed
from barnabas.api.positions import Positions, answered, to_commit
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request, Steps
from barnabas.api.services import Services
from barnabas.api.verification import Batch, prepare
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.coordinator.group.offset_manager import CommitRequest, Errors
from barnabas.coordinator.group.placement import OFFSETS_TOPIC
from barnabas.coordinator.group.writing import OFFSET_ERRORS
from barnabas.coordinator.transaction.verification import told_to_client
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitResponse,
)
from barnabas.types import NO_SEQUENCE, TopicPartition

ABORTABLE_FROM = 4
LOADING_FROM = 2


@serves(
    ApiKey.TXN_OFFSET_COMMIT,
    of_each(
        (ResourceType.TRANSACTIONAL_ID, AclOperation.WRITE),
        (ResourceType.GROUP, AclOperation.READ),
        (ResourceType.TOPIC, AclOperation.READ),
    ),
)
def handle(services: Services, request: Request) -> Answer:
    """Waits for the transaction's coordinator, and the replicas of the group's partition."""
    return _commit(services, request)


async def _commit(services: Services, request: Request) -> Pieces:
    decoded = request.decode(TxnOffsetCommitRequest)
    refused = _refusal(services, request, decoded)
    if refused != ErrorCode.NONE:
        topics = await request.in_turns_if_long(
            answered(
                decoded.topics,
                lambda _: refused,
                TxnOffsetCommitResponse.Topic,
                TxnOffsetCommitResponse.Partition,
            )
        )
        return request.answer(TxnOffsetCommitResponse(throttle_time=0, topics=topics))
    readable = allowed(services, request, AclOperation.READ, ResourceType.TOPIC)
    now_ms = services.env.clock.wall_ms()
    offsets, errors = await request.in_turns_if_long(
        to_commit(services, decoded.topics, readable, now_ms)
    )
    if offsets:
        errors.update(await _append(services, request, decoded, offsets))
    return await request.in_turns_if_long(_answer(request, decoded, errors))


def _refusal(services: Services, request: Request, decoded: TxnOffsetCommitRequest) -> ErrorCode:
    """The error if the sender may not do this; the transactional id is checked first."""
    kind = ResourceType.TRANSACTIONAL_ID
    if not is_allowed(services, request, AclOperation.WRITE, kind, decoded.transactional_id):
        return ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    if not is_allowed(services, request, AclOperation.READ, ResourceType.GROUP, decoded.group_id):
        return ErrorCode.GROUP_AUTHORIZATION_FAILED
    return ErrorCode.NONE


async def _append(
    services: Services,
    request: Request,
    decoded: TxnOffsetCommitRequest,
    offsets: Positions,
) -> Errors:
    if not decoded.group_id:
        return dict.fromkeys((name for name, _ in offsets), ErrorCode.INVALID_GROUP_ID)
    place = TopicPartition(OFFSETS_TOPIC, services.groups.partition_of(decoded.group_id))
    transaction, verdicts = await prepare(
        services,
        decoded.transactional_id,
        {place: Batch(decoded.producer_id, decoded.producer_epoch, NO_SEQUENCE)},
    )
    verdict = verdicts.get(place, ErrorCode.NONE)
    if verdict != ErrorCode.NONE:
        code = told_to_client(verdict, abortable=request.api_version >= ABORTABLE_FROM)
        if code == ErrorCode.NETWORK_EXCEPTION:
            # After this error clients ask again, without looking for another coordinator.
            code = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        return {name: OFFSET_ERRORS.get(code, code) for name, _ in offsets}
    commit = CommitRequest(
        group_id=decoded.group_id,
        member_id=decoded.member_id,
        instance_id=decoded.group_instance_id,
        generation=decoded.generation_id,
        offsets=offsets,
        producer_id=decoded.producer_id,
        producer_epoch=decoded.producer_epoch,
        transaction=transaction,
    )
    result = await request.in_turns_if_long(services.groups.offsets.commit(commit))
    return result if isinstance(result, dict) else await result


def _answer(request: Request, decoded: TxnOffsetCommitRequest, errors: Errors) -> Steps[Pieces]:
    def code(name: TopicPartition) -> ErrorCode:
        error = errors[name]
        if error == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS and request.api_version < LOADING_FROM:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        return error

    topics = yield from answered(
        decoded.topics, code, TxnOffsetCommitResponse.Topic, TxnOffsetCommitResponse.Partition
    )
    return (
        yield from request.answer_in_steps(TxnOffsetCommitResponse(throttle_time=0, topics=topics))
    )
