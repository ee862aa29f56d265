"""OffsetCommit v2-9: stores a group's positions. It answers once they are replicated.

v2-4 may have a retention time of their own. From v6 the leader epoch of the last record read is
stored too. Partitions that do not exist are refused one by one. v9 also serves members of consumer
groups (KIP-848), which send their member epoch as the generation.
"""

from __future__ import annotations

from barnabas.api.access import allowed, is_allowed
from barnabas.api.positions import answered, to_commit
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Promise, Request, Steps
from barnabas.api.services import Services
from barnabas.api.when import when
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.coordinator.group.offset_manager import CommitRequest, Errors
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitResponse

TIMESTAMP_MAX = 2**63 - 1
MEMBER_EPOCHS_FROM = 9


@serves(
    ApiKey.OFFSET_COMMIT,
    of_each((ResourceType.GROUP, AclOperation.READ), (ResourceType.TOPIC, AclOperation.READ)),
)
def handle(services: Services, request: Request) -> Answer:
    """Waits for the in-sync replicas of the group's partition."""
    return request.in_steps_if_long(_commit(services, request))


def _commit(services: Services, request: Request) -> Steps[Pieces | Steps[Pieces] | Promise]:
    decoded = request.decode(OffsetCommitRequest)
    group_id = decoded.group_id
    if not is_allowed(services, request, AclOperation.READ, ResourceType.GROUP, group_id):
        refused = ErrorCode.GROUP_AUTHORIZATION_FAILED
        topics = yield from answered(
            decoded.topics,
            lambda _: refused,
            OffsetCommitResponse.Topic,
            OffsetCommitResponse.Partition,
        )
        return (
            yield from request.answer_in_steps(OffsetCommitResponse(throttle_time=0, topics=topics))
        )
    readable = allowed(services, request, AclOperation.READ, ResourceType.TOPIC)
    now_ms = services.env.clock.wall_ms()
    retention_ms = decoded.retention_time
    expire_ms = None if retention_ms < 0 else min(now_ms + retention_ms, TIMESTAMP_MAX)
    offsets, errors = yield from to_commit(services, decoded.topics, readable, now_ms, expire_ms)
    if not offsets:
        return (yield from _answer(request, decoded, errors))
    result = yield from services.groups.offsets.commit(
        CommitRequest(
            group_id=decoded.group_id,
            member_id=decoded.member_id,
            instance_id=decoded.group_instance_id,
            generation=decoded.generation_id_or_member_epoch,
            offsets=offsets,
            knows_member_epochs=request.api_version >= MEMBER_EPOCHS_FROM,
        )
    )
    return when(
        result,
        lambda codes: request.in_steps_if_long(_answer(request, decoded, {**errors, **codes})),
    )


def _answer(request: Request, decoded: OffsetCommitRequest, errors: Errors) -> Steps[Pieces]:
    topics = yield from answered(
        decoded.topics,
        errors.__getitem__,
        OffsetCommitResponse.Topic,
        OffsetCommitResponse.Partition,
    )
    return (
        yield from request.answer_in_steps(OffsetCommitResponse(throttle_time=0, topics=topics))
    )
