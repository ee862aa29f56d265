"""The entries of a controller's orders, in both layouts, and which of them are believed. Pure.

A controller names topics and numbers that become paths, offsets into arrays and fields of answers.
An entry that cannot be right is refused alone, the others of its order are carried out.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from barnabas.errors import ErrorCode, KafkaError
from barnabas.names import check_partition, is_number
from barnabas.types import (
    EPOCH_DURING_DELETE,
    LEADER_DURING_DELETE,
    NO_LEADER,
    ZERO_UUID,
    TopicPartition,
)


def topics_of(request: Any) -> Iterable[tuple[str, uuid.UUID | None, Iterable[Any]]]:
    """Name, id (None: not told) and states of each topic in a LeaderAndIsr or UpdateMetadata:
    grouped, as later versions have them, and flat."""
    for topic in getattr(request, "topic_states", None) or ():
        topic_id = getattr(topic, "topic_id", None)
        known = None if topic_id in (None, ZERO_UUID) else topic_id
        yield topic.topic_name, known, topic.partition_states
    for state in getattr(request, "ungrouped_partition_states", None) or ():
        yield state.topic_name, None, (state,)


def role_problem(name: TopicPartition, state: Any) -> KafkaError | None:
    """Why an entry of a LeaderAndIsr is refused; None if nothing speaks against it."""
    return _problem(name, state, leader_min=NO_LEADER, epoch_min=0)


def announced_problem(name: TopicPartition, state: Any) -> KafkaError | None:
    """The same for UpdateMetadata, where a leader of -2 says that the partition is deleted."""
    return _problem(name, state, leader_min=LEADER_DURING_DELETE, epoch_min=EPOCH_DURING_DELETE)


def _problem(
    name: TopicPartition, state: Any, *, leader_min: int, epoch_min: int
) -> KafkaError | None:
    try:
        check_partition(name)
    except KafkaError as error:
        return error
    if state.leader < leader_min or state.leader_epoch < epoch_min:
        return KafkaError(
            ErrorCode.INVALID_REQUEST, f"leader {state.leader} in epoch {state.leader_epoch}"
        )
    for field in ("replicas", "isr", "adding_replicas", "removing_replicas", "offline_replicas"):
        if not all(map(is_number, getattr(state, field, None) or ())):
            return KafkaError(ErrorCode.INVALID_REQUEST, f"{field} names a negative broker")
    if getattr(state, "leader_recovery_state", 0) not in (0, 1):
        return KafkaError(
            ErrorCode.INVALID_REQUEST, f"leader recovery state {state.leader_recovery_state}"
        )
    return None
