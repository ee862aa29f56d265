"""OffsetCommit v0-9: stores a group's positions. It answers once they are replicated.

v0 stores them in ZooKeeper, where only v0 of OffsetFetch finds them, without their metadata. v1 may
have a time for each, from which it is kept, instead of now. v2-4 may have a retention time of their
own. From v6 the leader epoch of the last record read is stored too. Partitions that do not exist
are refused one by one. v9 also serves members of consumer groups (KIP-848), which send their member
epoch as the generation.
"""

from __future__ import annotations

from barnabas.api.access import allowed, is_allowed
from barnabas.api.positions import Positions, answered, to_commit
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request, Steps
from barnabas.api.services import Services
from barnabas.api.when import when
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.coordinator.group.offset_manager import CommitRequest, Errors
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitResponse
from barnabas.types import NO_TIMESTAMP, TopicPartition
from barnabas.zk import consumer_offsets
from barnabas.zookeeper.errors import ZooKeeperError

TIMESTAMP_MAX = 2**63 - 1
MEMBER_EPOCHS_FROM = 9


@serves(
    ApiKey.OFFSET_COMMIT,
    of_each((ResourceType.GROUP, AclOperation.READ), (ResourceType.TOPIC, AclOperation.READ)),
)
def handle(services: Services, request: Request) -> Answer:
    """Waits for the in-sync replicas of the group's partition."""
    return request.in_steps_if_long(_commit(services, request))


def _commit(services: Services, request: Request) -> Steps[Answer]:
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
    if request.api_version == 0:
        return _commit_in_zookeeper(services, request, decoded, offsets, errors)
    if request.api_version == 1:
        offsets = yield from _with_times(decoded, offsets)
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


def _with_times(decoded: OffsetCommitRequest, positions: Positions) -> Steps[Positions]:
    """The positions with the times that v1 has for them."""
    times = {}
    for topic in decoded.topics:
        for p in topic.partitions:
            times[TopicPartition(topic.name, p.partition_index)] = p.commit_timestamp
            yield 1
    return [
        (
            name,
            position if times[name] == NO_TIMESTAMP else position._replace(commit_ms=times[name]),
        )
        for name, position in positions
    ]


async def _commit_in_zookeeper(
    services: Services,
    request: Request,
    decoded: OffsetCommitRequest,
    positions: Positions,
    errors: Errors,
) -> Pieces:
    longest = services.config.integer("offset.metadata.max.bytes")
    wanted = {}
    for name, position in positions:
        if len(position.metadata) > longest:
            errors[name] = ErrorCode.OFFSET_METADATA_TOO_LARGE
        else:
            wanted[name] = position.offset
    code = ErrorCode.NONE
    try:
        consumer_offsets.check_group(decoded.group_id)
        store = consumer_offsets.store(services.zookeeper, decoded.group_id, wanted)
        await services.in_zookeeper(store)
    except KafkaError as error:
        code = error.code
    except ZooKeeperError:  # such as a node that others may not write
        code = ErrorCode.UNKNOWN_SERVER_ERROR
    errors.update(dict.fromkeys(wanted, code))
    return await request.in_turns_if_long(_answer(request, decoded, errors))


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
