"""KafkaController.doControlledShutdown: what a controlled shutdown moves (reference 3.12). Pure."""

from __future__ import annotations

from dataclasses import dataclass

from barnabas.controller.context import ControllerContext, PartitionInfo
from barnabas.errors import ErrorCode
from barnabas.types import UNKNOWN_BROKER_EPOCH


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownPlan:
    """Partitions of a leaving broker with more than one replica and known leadership."""

    led: list[PartitionInfo]
    followed: list[PartitionInfo]


def refusal(context: ControllerContext, broker_id: int, broker_epoch: int) -> ErrorCode | None:
    """Why the request is not served, or None."""
    known = context.broker_epoch(broker_id)
    if known is None:
        return ErrorCode.BROKER_NOT_AVAILABLE
    if broker_epoch != UNKNOWN_BROKER_EPOCH and broker_epoch < known:
        return ErrorCode.STALE_BROKER_EPOCH
    return None


def plan(context: ControllerContext, broker_id: int) -> ShutdownPlan:
    """What to move away from the broker, and what to stop on it."""
    led: list[PartitionInfo] = []
    followed: list[PartitionInfo] = []
    for p in context.partitions_on((broker_id,)):
        known = p.leadership is not None and len(p.assignment.replicas) > 1
        if known and not context.is_being_deleted(p.topic_partition.topic):
            (led if _led_by(p, broker_id) else followed).append(p)
    return ShutdownPlan(led=led, followed=followed)


def remaining(context: ControllerContext, broker_id: int) -> list[PartitionInfo]:
    """Partitions that the broker still leads although there is another replica."""
    return [
        p
        for p in context.partitions_on((broker_id,))
        if len(p.assignment.replicas) > 1 and _led_by(p, broker_id)
    ]


def _led_by(p: PartitionInfo, broker_id: int) -> bool:
    return p.leadership is not None and p.leadership.leader == broker_id
