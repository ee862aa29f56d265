"""KafkaController.checkAndTriggerAutoLeaderRebalance: which partitions should go back to their
preferred leader (reference 3.11). Pure."""

from __future__ import annotations

from barnabas.controller.context import ControllerContext, PartitionInfo


def imbalanced_partitions(context: ControllerContext, percentage: int) -> list[PartitionInfo]:
    """Partitions of brokers that lead too few of those that prefer them.

    A broker counts if more than ``percentage`` percent of the partitions whose first replica it is
    are led by somebody else. Only partitions whose preferred replica is online and in sync are
    returned, and none that is being deleted or reassigned."""
    preferring: dict[int, list[PartitionInfo]] = {}
    for p in context.partitions.values():
        if not context.is_being_deleted(p.topic_partition.topic):
            preferring.setdefault(p.assignment.replicas[0], []).append(p)
    chosen = []
    for broker, partitions in sorted(preferring.items()):
        away = [p for p in partitions if p.leadership and p.leadership.leader != broker]
        if len(away) * 100 > percentage * len(partitions):
            chosen += [p for p in away if is_candidate(context, p)]
    return chosen


def is_candidate(context: ControllerContext, p: PartitionInfo) -> bool:
    """Whether the preferred replica can take over now."""
    preferred = p.assignment.replicas[0]
    return (
        p.leadership is not None
        and preferred in p.leadership.isr
        and context.is_replica_online(preferred, p.topic_partition)
        and not p.assignment.being_reassigned
        and not context.is_being_deleted(p.topic_partition.topic)
    )
