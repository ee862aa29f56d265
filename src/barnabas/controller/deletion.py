"""TopicDeletionManager, rules: what may happen to a topic that is queued for deletion
(reference 3.8). Pure; the flow is ``topic_deletion.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from barnabas.controller.context import ControllerContext
from barnabas.controller.replica_states import ReplicaState

DEAD_REPLICA = "a replica's broker is not there"
REPLICA_FAILED = "a replica could not be deleted"


class Step(Enum):
    """What to do next about one topic."""

    WAIT = "wait"
    """A StopReplica is not answered yet, or the topic is ineligible."""
    START = "start"
    """Take its partitions away from clients and its replicas offline, then delete these."""
    RETRY = "retry"
    """Nothing is running any more and some replica failed: its replicas go back to Offline."""
    COMPLETE = "complete"
    """All replicas are gone: remove its znodes."""


def next_step(context: ControllerContext, topic: str) -> Step:
    """Look at the replicas of a queued topic."""
    states = [state for p in context.partitions_of((topic,)) for state in p.replica_states.values()]
    if all(state is ReplicaState.DELETION_SUCCESSFUL for state in states):
        return Step.COMPLETE
    if ReplicaState.DELETION_STARTED in states:
        return Step.WAIT
    if topic in context.topics_ineligible:
        return Step.WAIT
    if ReplicaState.DELETION_INELIGIBLE in states:
        return Step.RETRY
    return Step.START


def ineligible_reason(context: ControllerContext, topic: str) -> str | None:
    """Why the deletion cannot start now, or None."""
    for p in context.partitions_of((topic,)):
        for replica, state in p.replica_states.items():
            gone = state is ReplicaState.DELETION_SUCCESSFUL
            if not gone and not context.is_replica_online(
                replica, p.topic_partition, include_shutting_down=True
            ):
                return DEAD_REPLICA
    return None


def resumable_topics(context: ControllerContext, broker_ids: Sequence[int]) -> list[str]:
    """Queued topics with a replica on one of the brokers (they have come back)."""
    return [
        topic
        for topic in context.topics_to_delete
        if any(
            b in p.assignment.replicas for p in context.partitions_of((topic,)) for b in broker_ids
        )
    ]
