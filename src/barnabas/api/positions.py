"""What OffsetCommit, TxnOffsetCommit and OffsetDelete have in common: topics with partitions, and
an answer of the same form with an error code for each partition."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Protocol, TypeVar

from barnabas.api.request import Steps
from barnabas.api.services import Services
from barnabas.coordinator.group.offset_manager import Errors
from barnabas.coordinator.group.records.group_metadata import CommittedOffset
from barnabas.errors import ErrorCode
from barnabas.protocol.messages.offset_commit import OffsetCommitRequest
from barnabas.protocol.messages.txn_offset_commit import TxnOffsetCommitRequest
from barnabas.types import TopicPartition

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
P = TypeVar("P")
P_contra = TypeVar("P_contra", contravariant=True)

Positions = list[tuple[TopicPartition, CommittedOffset]]


def to_commit(
    services: Services,
    topics: Sequence[OffsetCommitRequest.Topic] | Sequence[TxnOffsetCommitRequest.Topic],
    readable: Container[str],
    now_ms: int,
    expire_ms: int | None = None,
) -> Steps[tuple[Positions, Errors]]:
    """(the positions in a request, errors of partitions that may not be read or do not exist). If a
    partition is there twice, its last position counts."""
    positions: dict[TopicPartition, CommittedOffset] = {}
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
            positions[name] = CommittedOffset(
                partition.committed_offset,
                partition.committed_leader_epoch,
                partition.committed_metadata or "",
                now_ms,
                expire_ms,
            )
    return list(positions.items()), errors


class _Named(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def partitions(self) -> Sequence[_Numbered]: ...


class _Numbered(Protocol):
    @property
    def partition_index(self) -> int: ...


class MakeTopic(Protocol[P_contra, T_co]):
    """The class of an answer's topics."""

    def __call__(self, *, name: str, partitions: Sequence[P_contra]) -> T_co: ...


class _MakePartition(Protocol[T_co]):
    def __call__(self, *, partition_index: int, error_code: int) -> T_co: ...


def answered(
    topics: Sequence[_Named],
    error_of: Callable[[TopicPartition], ErrorCode],
    make_topic: MakeTopic[P, T],
    make_partition: _MakePartition[P],
) -> Steps[list[T]]:
    """The answer's topics, in the order of the request's."""
    answers = []
    for topic in topics:
        partitions = []
        for p in topic.partitions:
            code = error_of(TopicPartition(topic.name, p.partition_index))
            partitions.append(make_partition(partition_index=p.partition_index, error_code=code))
            yield 1
        if partitions:
            answers.append(make_topic(name=topic.name, partitions=partitions))
    return answers
