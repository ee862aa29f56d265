"""OffsetFetch v1-9: positions of a group, from v8 of several; without topics (v2+) all there are.

What was never committed has offset -1 and no error. From v7 a reader may ask for stable positions:
partitions with a commit on its way answer UNSTABLE_OFFSET_COMMIT. v1 has no place for an error of
the whole group and says it for each partition. Members of next-generation groups bring their id and
epoch with v9.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from barnabas.api.registry import serves
from barnabas.api.request import Answer, Request
from barnabas.api.services import Services
from barnabas.coordinator.group.offset_manager import FetchedOffset
from barnabas.coordinator.group.records.group_metadata import CommittedOffset
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.types import NO_EPOCH, TopicPartition

GROUP_ERROR_FROM = 2
BATCHED_FROM = 8


@serves(ApiKey.OFFSET_FETCH)
def handle(services: Services, request: Request) -> Answer:
    """At once."""
    decoded = request.decode()
    stable = getattr(decoded, "require_stable", False)
    if request.api_version >= BATCHED_FROM:
        groups = [_group(services, g, stable) for g in decoded.groups]
        return request.answer(Message(throttle_time=0, groups=groups))
    group = _group(services, decoded, stable)
    if group.error_code != ErrorCode.NONE and request.api_version < GROUP_ERROR_FROM:
        names = _names(decoded.topics) or ()
        nothing = CommittedOffset(-1)
        group.topics = _topics(
            [FetchedOffset(partition=n, value=nothing, error=group.error_code) for n in names]
        )
    return request.answer(
        Message(throttle_time=0, topics=group.topics, error_code=group.error_code)
    )


def _names(topics: Sequence[Any] | None) -> list[TopicPartition] | None:
    if topics is None:
        return None
    return [TopicPartition(t.name, index) for t in topics for index in t.partition_indexes]


def _group(services: Services, asked: Any, stable: bool) -> Message:
    group_id = asked.group_id
    try:
        found = services.groups.offsets.fetch(
            group_id,
            _names(asked.topics),
            require_stable=stable,
            member_id=getattr(asked, "member_id", None),
            member_epoch=getattr(asked, "member_epoch", NO_EPOCH),
        )
    except KafkaError as error:
        return Message(group_id=group_id, topics=[], error_code=error.code)
    return Message(group_id=group_id, topics=_topics(found), error_code=ErrorCode.NONE)


def _topics(found: list[FetchedOffset]) -> list[Message]:
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
    return [Message(name=name, partitions=partitions) for name, partitions in topics.items()]
