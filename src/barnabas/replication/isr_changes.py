"""Partition.submitAlterPartition: an ISR change on its way to the controller, and its answer.

What may be proposed is decided in ``leadership.py`` and ``isr.py``. One change of a partition is on
its way at a time; while it is, the leader counts both sets (trap 7).
"""

from __future__ import annotations

import uuid
from typing import Protocol

from barnabas.errors import ErrorCode
from barnabas.replication.isr import (
    AlterPartitionAnswer,
    IsrProposal,
    Pending,
    PendingExpand,
    Reaction,
)
from barnabas.replication.leadership import Leadership
from barnabas.replication.settings import ReplicationContext
from barnabas.types import TopicPartition


class Led(Protocol):
    """A partition, as far as its ISR changes need it."""

    context: ReplicationContext
    topic_partition: TopicPartition
    topic_id: uuid.UUID | None
    leader_epoch: int
    partition_epoch: int
    leadership: Leadership | None

    def note(self, event: str, **fields: object) -> None: ...

    def isr_changed(self, isr: tuple[int, ...], partition_epoch: int) -> None:
        """The controller has recorded the ISR that was proposed."""
        ...

    def isr_refused(self, isr: tuple[int, ...], error: ErrorCode) -> None:
        """The controller has refused what was proposed; this ISR stays."""
        ...


def propose(led: Led, leadership: Leadership, pending: Pending) -> None:
    """Hand a change to the manager that talks to the controller."""
    context = led.context
    proposal = IsrProposal(
        partition=led.topic_partition,
        leader_epoch=led.leader_epoch,
        partition_epoch=led.partition_epoch,
        isr_with_epochs=leadership.with_epochs(pending.proposed, context.broker_epoch()),
        answered=lambda answer: _answered(led, leadership, pending, proposal, answer),
        topic_id=led.topic_id,
    )
    leadership.propose(pending)
    if isinstance(pending, PendingExpand):
        led.note("isr_expand_proposed", isr=pending.proposed, last_isr=pending.committed)
    else:
        led.note(
            "isr_shrink_proposed",
            isr=pending.proposed,
            last_isr=pending.committed,
            behind=leadership.behind_ms(pending.out_of_sync, context.now_ms()),
        )
    if not context.submit_isr(proposal):
        leadership.withdraw(pending)


def _answered(
    led: Led,
    leadership: Leadership,
    pending: Pending,
    proposal: IsrProposal,
    answer: AlterPartitionAnswer,
) -> None:
    step = leadership.answered(
        pending,
        answer,
        still_leads=led.leadership is leadership,
        leader_epoch=led.leader_epoch,
        partition_epoch=led.partition_epoch,
    )
    if step is Reaction.COMMIT:
        _count(led.context, pending)
        led.isr_changed(tuple(answer.isr), answer.partition_epoch)
    elif step is Reaction.REVERT:
        _count(led.context, None)
        led.isr_refused(pending.committed, answer.error)
    elif step is Reaction.RETRY and not led.context.submit_isr(proposal):
        leadership.withdraw(pending)


def _count(context: ReplicationContext, recorded: Pending | None) -> None:
    """None: it was refused."""
    figures = context.figures
    if figures is None:
        return
    if recorded is None:
        figures.failed_isr_updates += 1
    elif isinstance(recorded, PendingExpand):
        figures.isr_expands += 1
    else:
        figures.isr_shrinks += 1
