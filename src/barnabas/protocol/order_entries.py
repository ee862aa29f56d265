"""The entries of a controller's orders (LeaderAndIsr and UpdateMetadata), in both layouts, and
their validation. Pure.

Names and numbers in an order become paths, indexes and fields of answers, so they are checked
first. Only an invalid entry is refused; the others of its order are carried out.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from barnabas.errors import ErrorCode, KafkaError
from barnabas.names import check_partition_of_topic, check_topic
from barnabas.protocol.messages.leader_and_isr import LeaderAndIsrRequest
from barnabas.protocol.messages.update_metadata import UpdateMetadataRequest
from barnabas.types import (
    EPOCH_DURING_DELETE,
    LEADER_DURING_DELETE,
    NO_LEADER,
    ZERO_UUID,
    TopicPartition,
)

S = TypeVar("S", bound="_State")
S_co = TypeVar("S_co", bound="_State", covariant=True)


class _Topic(Protocol[S_co]):
    @property
    def topic_name(self) -> str: ...
    @property
    def topic_id(self) -> uuid.UUID | None: ...
    @property
    def partition_states(self) -> Sequence[S_co]: ...


class _State(Protocol):
    @property
    def topic_name(self) -> str: ...


class _Order(Protocol[S_co]):
    @property
    def topic_states(self) -> Sequence[_Topic[S_co]]: ...
    @property
    def ungrouped_partition_states(self) -> Sequence[S_co]: ...


def topics_of(request: _Order[S]) -> Iterable[tuple[str, uuid.UUID | None, Iterable[S]]]:
    """(name, id or None, states) of each topic in a LeaderAndIsr or UpdateMetadata. It reads both
    layouts: states grouped by topic, as in later versions, and in one flat list."""
    for topic in request.topic_states:
        known = None if topic.topic_id == ZERO_UUID else topic.topic_id
        yield topic.topic_name, known, topic.partition_states
    for state in request.ungrouped_partition_states:
        yield state.topic_name, None, (state,)


def role_problem(
    name: TopicPartition, state: LeaderAndIsrRequest.PartitionState
) -> KafkaError | None:
    """The error of an invalid entry of a LeaderAndIsr whose topic has a legal name; None if it is
    valid."""
    problem = (
        _problem(name, state, leader_min=NO_LEADER, epoch_min=0)
        or _negative("adding_replicas", state.adding_replicas)
        or _negative("removing_replicas", state.removing_replicas)
    )
    if problem is None and state.leader_recovery_state not in (0, 1):
        return KafkaError(
            ErrorCode.INVALID_REQUEST, f"leader recovery state {state.leader_recovery_state}"
        )
    return problem


def announced_problem(
    name: TopicPartition, state: UpdateMetadataRequest.PartitionState
) -> KafkaError | None:
    """The same for UpdateMetadata, in which a leader of -2 means that the partition is deleted."""
    return _problem(
        name, state, leader_min=LEADER_DURING_DELETE, epoch_min=EPOCH_DURING_DELETE
    ) or _negative("offline_replicas", state.offline_replicas)


def _problem(
    name: TopicPartition,
    state: LeaderAndIsrRequest.PartitionState | UpdateMetadataRequest.PartitionState,
    *,
    leader_min: int,
    epoch_min: int,
) -> KafkaError | None:
    try:
        check_partition_of_topic(name)
    except KafkaError as error:
        return error
    if state.leader < leader_min or state.leader_epoch < epoch_min:
        return KafkaError(
            ErrorCode.INVALID_REQUEST, f"leader {state.leader} in epoch {state.leader_epoch}"
        )
    return _negative("replicas", state.replicas) or _negative("isr", state.isr)


def _negative(field: str, ids: Sequence[int]) -> KafkaError | None:
    """Broker ids have 32 bits in a request, so only their signs are looked at."""
    if ids and min(ids) < 0:
        return KafkaError(ErrorCode.INVALID_REQUEST, f"{field} names a negative broker")
    return None


def name_problem(topic: str) -> KafkaError | None:
    """The error of all entries of a topic whose name is not legal; None if it is."""
    try:
        check_topic(topic)
    except KafkaError as error:
        return error
    return None
