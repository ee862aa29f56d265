"""OffsetFetch v1-9: positions of a group, from v8 of several; without topics (v2+) all there are.

What was never committed has offset -1 and no error. From v7 a reader may ask for stable positions:
partitions with a commit on its way answer UNSTABLE_OFFSET_COMMIT. v1 has no place for an error of
the whole group and says it for each partition. Members of next-generation groups bring their id and
epoch with v9.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from barnabas.api.access import allowed, is_allowed
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request, Steps
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.coordinator.group.offset_manager import FetchedOffset
from barnabas.coordinator.group.records.group_metadata import CommittedOffset
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.types import NO_EPOCH, TopicPartition

GROUP_ERROR_FROM = 2
BATCHED_FROM = 8
NAMES_AT_ONCE = 64


@serves(
    ApiKey.OFFSET_FETCH,
    of_each(
        (ResourceType.GROUP, AclOperation.DESCRIBE), (ResourceType.TOPIC, AclOperation.DESCRIBE)
    ),
)
def handle(services: Services, request: Request) -> Answer:
    """Each group on its own."""
    return request.worked_out(_answer(services, request))


def _answer(services: Services, request: Request) -> Steps[Pieces]:
    decoded = request.decode()
    stable = getattr(decoded, "require_stable", False)
    if request.api_version >= BATCHED_FROM:
        groups = []
        for asked in decoded.groups:
            groups.append((yield from _group(services, request, asked, stable)))
            yield 1
        return (yield from request.answer_in_steps(Message(throttle_time=0, groups=groups)))
    group = yield from _group(services, request, decoded, stable)
    if group.error_code != ErrorCode.NONE and request.api_version < GROUP_ERROR_FROM:
        if group.error_code == ErrorCode.GROUP_AUTHORIZATION_FAILED:
            return request.answer(Message(topics=[]))  # as the original does, who says nothing
        names = _names(decoded.topics) or ()
        nothing = CommittedOffset(-1)
        group.topics = yield from _topics(
            [FetchedOffset(partition=n, value=nothing, error=group.error_code) for n in names]
        )
    message = Message(throttle_time=0, topics=group.topics, error_code=group.error_code)
    return (yield from request.answer_in_steps(message))


def _names(topics: Sequence[Any] | None) -> list[TopicPartition] | None:
    if topics is None:
        return None
    return [TopicPartition(t.name, index) for t in topics for index in t.partition_indexes]


def _group(services: Services, request: Request, asked: Any, stable: bool) -> Steps[Message]:
    """What is denied comes last; of all positions it is left out."""
    group_id = asked.group_id
    if not is_allowed(services, request, AclOperation.DESCRIBE, ResourceType.GROUP, group_id):
        refused = ErrorCode.GROUP_AUTHORIZATION_FAILED
        return Message(group_id=group_id, topics=[], error_code=refused)
    quiet = asked.topics is None
    described = allowed(services, request, AclOperation.DESCRIBE, ResourceType.TOPIC, quiet=quiet)
    fetch = partial(
        services.groups.offsets.fetch,
        group_id,
        require_stable=stable,
        member_id=getattr(asked, "member_id", None),
        member_epoch=getattr(asked, "member_epoch", NO_EPOCH),
    )
    names = _names(asked.topics)
    hidden: list[FetchedOffset] = []
    if names is not None:
        nothing, error_code = CommittedOffset(-1), ErrorCode.TOPIC_AUTHORIZATION_FAILED
        hidden = [
            FetchedOffset(partition=name, value=nothing, error=error_code)
            for name in names
            if name.topic not in described
        ]
        names = [name for name in names if name.topic in described]
    try:
        found = fetch(names[:NAMES_AT_ONCE] if names is not None else None)
        for start in range(NAMES_AT_ONCE, len(names or ()), NAMES_AT_ONCE):
            yield 1
            found += fetch((names or [])[start : start + NAMES_AT_ONCE])
    except KafkaError as error:
        return Message(group_id=group_id, topics=[], error_code=error.code)
    topics = yield from _topics([f for f in found if f.partition.topic in described] + hidden)
    return Message(group_id=group_id, topics=topics, error_code=ErrorCode.NONE)


def _topics(found: list[FetchedOffset]) -> Steps[list[Message]]:
    topics: dict[str, list[Message]] = {}
    for position in found:
        value = position.value
        topics.setdefault(position.partition.topic, []).append(
            Message(
                partition_index=position.partition.partition,
                committed_offset=value.offset,
                committed_leader_epoch=value.leader_epoch,
                metadata=value.metadata,
                error_code=position.error,
            )
        )
        yield 1
    return [Message(name=name, partitions=partitions) for name, partitions in topics.items()]
