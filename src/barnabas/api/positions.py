"""What OffsetCommit, TxnOffsetCommit and OffsetDelete have in common: topics that name partitions,
and an answer of the same form with an error code for each."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

from barnabas.api.request import Steps
from barnabas.api.services import Services
from barnabas.coordinator.group.offset_manager import Errors
from barnabas.coordinator.group.records.group_metadata import CommittedOffset
from barnabas.errors import ErrorCode
from barnabas.protocol.message import Message
from barnabas.types import NO_EPOCH, TopicPartition

Positions = list[tuple[TopicPartition, CommittedOffset]]


def to_commit(
    services: Services,
    topics: list[Any],
    readable: Container[str],
    now_ms: int,
    expire_ms: int | None = None,
) -> Steps[tuple[Positions, Errors]]:
    """The positions that a request brings, and the partitions among them that may not be read, or
    do not exist."""
    positions: Positions = []
    errors: Errors = {}
    for topic in topics:
        for partition in topic.partitions:
            yield 1
            name = TopicPartition(topic.name, partition.partition_index)
            if topic.name not in readable:
                errors[name] = ErrorCode.TOPIC_AUTHORIZATION_FAILED
                continue
            if name not in services.metadata:
                errors[name] = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
                continue
            position = CommittedOffset(
                partition.committed_offset,
                getattr(partition, "committed_leader_epoch", NO_EPOCH),
                partition.committed_metadata or "",
                now_ms,
                expire_ms,
            )
            positions.append((name, position))
    return positions, errors


def answered(
    topics: list[Any], error_of: Callable[[TopicPartition], ErrorCode]
) -> Steps[list[Message]]:
    """The answer's topics, in the order of the request's."""
    answers = []
    for topic in topics:
        partitions = []
        for p in topic.partitions:
            code = error_of(TopicPartition(topic.name, p.partition_index))
            partitions.append(Message(partition_index=p.partition_index, error_code=code))
            yield 1
        if partitions:
            answers.append(Message(name=topic.name, partitions=partitions))
    return answers
