"""KafkaController.processReplicaLeaderElection: elections that an administrator asks for
(ElectLeaders, KIP-183, KIP-460; reference 3.11).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from barnabas.controller import partitions
from barnabas.controller.context import ControllerContext, PartitionInfo
from barnabas.controller.election import Strategy
from barnabas.controller.term import Term
from barnabas.errors import ErrorCode, KafkaError
from barnabas.types import NO_LEADER, TopicPartition


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedElection:
    """An administrator's request: elect preferred leaders, or (``unclean``) any live replica."""

    partitions: tuple[TopicPartition, ...]
    unclean: bool


ElectionResults: TypeAlias = Mapping[TopicPartition, int | KafkaError]
"""The elected leader, or why there was no election."""


def refusal(context: ControllerContext, tp: TopicPartition, *, unclean: bool) -> KafkaError | None:
    """Why no election of this partition is held, or None. Pure. An unclean election is only for a
    partition whose leader is not live; it replaces no live leader."""
    p = context.partitions.get(tp)
    if p is None:
        return KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "The partition does not exist.")
    if context.is_being_deleted(tp.topic):
        return KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, "The topic is being deleted")
    leader = NO_LEADER if p.leadership is None else p.leadership.leader
    needed = not context.is_live(leader) if unclean else leader != p.assignment.replicas[0]
    if not needed:
        return KafkaError(
            ErrorCode.ELECTION_NOT_NEEDED, "Leader election not needed for topic partition."
        )
    return None


async def elect_leaders(term: Term, asked: RequestedElection) -> ElectionResults:
    """Hold the elections that are needed; what became of each partition, in the order asked."""
    refused: dict[TopicPartition, KafkaError] = {}
    wanted: list[PartitionInfo] = []
    for tp in dict.fromkeys(asked.partitions):
        error = refusal(term.context, tp, unclean=asked.unclean)
        if error is None:
            wanted.append(term.context.partitions[tp])
        else:
            refused[tp] = error
    strategy = Strategy.OFFLINE if asked.unclean else Strategy.PREFERRED
    failed = await partitions.bring_online(term, wanted, strategy, unclean=asked.unclean)
    for p in failed:
        tp = p.topic_partition
        refused[tp] = _unavailable(tp, unclean=asked.unclean)
    elected = {p.topic_partition: p.leadership.leader for p in wanted if p.leadership is not None}
    return {
        tp: refused.get(tp) or elected.get(tp, NO_LEADER) for tp in dict.fromkeys(asked.partitions)
    }


def _unavailable(tp: TopicPartition, *, unclean: bool) -> KafkaError:
    """The text names the strategy as the original's classes do."""
    if unclean:
        code = ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE
        strategy = "OfflinePartitionLeaderElectionStrategy(true)"
    else:
        code = ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE
        strategy = "PreferredReplicaPartitionLeaderElectionStrategy"
    return KafkaError(code, f"Failed to elect leader for partition {tp} under strategy {strategy}")
