"""ReplicaStateMachine, actions: what brokers hear of a replica that comes, goes or is deleted, and
which leaderships change (reference 3.4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from barnabas.controller.batch import ControlBatch
from barnabas.controller.context import PartitionInfo
from barnabas.controller.partition_states import PartitionState
from barnabas.controller.replica_states import (
    ReplicaState,
    is_valid_transition,
    without_replicas,
)
from barnabas.controller.term import Term, in_chunks
from barnabas.types import LeaderAndIsr, TopicPartition

Replicas = Sequence[tuple[PartitionInfo, int]]
"""(partition, broker id) pairs."""


def on_brokers(
    partitions: Iterable[PartitionInfo], broker_ids: Sequence[int]
) -> list[tuple[PartitionInfo, int]]:
    """The replicas of some partitions that live on some brokers."""
    return [(p, b) for p in partitions for b in broker_ids if b in p.assignment.replicas]


def _enter(p: PartitionInfo, replica: int, state: ReplicaState) -> bool:
    """Take the step if the table has it."""
    present = p.replica_states.get(replica, ReplicaState.NON_EXISTENT)
    if not is_valid_transition(present, state):
        return False
    p.replica_states[replica] = state
    return True


def move(replicas: Replicas, state: ReplicaState) -> None:
    """A transition without action: New (of a partition without leadership), DeletionIneligible,
    DeletionSuccessful, or NonExistent."""
    for p, replica in replicas:
        _enter(p, replica, state)
        if state is ReplicaState.NON_EXISTENT:
            p.replica_states.pop(replica, None)


def bring_online(term: Term, replicas: Replicas, *, batch: ControlBatch | None = None) -> None:
    """To Online: tell the replica its role. A new one was told when leadership was created."""
    collected = term.batch() if batch is None else batch
    for p, replica in replicas:
        tell_online(p, (replica,), collected)
    if batch is None:
        term.send(collected)


def tell_online(p: PartitionInfo, members: Iterable[int], batch: ControlBatch) -> None:
    """``bring_online`` for some replicas of one partition."""
    told, states = [], p.replica_states
    for replica in members:
        before = states.get(replica)
        known = before is ReplicaState.ONLINE or _enter(p, replica, ReplicaState.ONLINE)
        if known and before is not ReplicaState.NEW:
            told.append(replica)
    if told and p.leadership is not None:
        batch.lead_and_follow(told, p)


async def take_offline(
    term: Term,
    replicas: Replicas,
    *,
    stop: bool = True,
    batch: ControlBatch | None = None,
    next_state: ReplicaState = ReplicaState.OFFLINE,
) -> None:
    """To Offline: stop them, take them out of their ISR, and tell the replicas that remain.

    ``stop``: send StopReplica (it is dropped for brokers that are gone); it carries the epoch from
    before the ISR shrink. Differences from Kafka: the replicas of one partition leave in one write,
    and a partition whose ISR did not change is only in the UpdateMetadata, not in a LeaderAndIsr
    (whose receivers know that epoch already).
    """
    collected = term.batch() if batch is None else batch
    going: dict[TopicPartition, tuple[PartitionInfo, list[int]]] = {}
    for p, replica in replicas:
        if _enter(p, replica, next_state):
            going.setdefault(p.topic_partition, (p, []))[1].append(replica)

    async def some(chunk: Sequence[tuple[PartitionInfo, list[int]]]) -> None:
        if stop:
            for p, gone in chunk:
                collected.stop(gone, p, delete=False)
        shrunk = await shrink(term, {p.topic_partition: (p, gone) for p, gone in chunk})
        for p, gone in chunk:
            if p.topic_partition in shrunk:
                rest = (r for r in p.assignment.replicas if r not in gone)
                collected.lead_and_follow(rest, p)
            else:
                collected.metadata((p,))
        await asyncio.sleep(0)

    await in_chunks(list(going.values()), some)
    if batch is None:
        term.send(collected)


async def shrink(
    term: Term, going: Mapping[TopicPartition, tuple[PartitionInfo, Sequence[int]]]
) -> Mapping[TopicPartition, None]:
    """Write the ISRs without the replicas that go, deciding again where the write was refused.
    Returns the partitions whose state was written."""
    shrunk: dict[TopicPartition, None] = {}
    pending = [entry for entry in going.values() if entry[0].leadership is not None]
    while pending:
        wanted: list[tuple[PartitionInfo, Sequence[int], LeaderAndIsr]] = []
        for p, gone in pending:
            assert p.leadership is not None
            doubtful = term.context.doubtful(p)
            # A live leader has everything: the doubtful ones go too, and come back by fetching.
            also = doubtful if p.state is PartitionState.ONLINE else ()
            state = without_replicas(
                p.leadership,
                (*gone, *also),
                controller_epoch=term.context.epoch,
                doubtful=doubtful,
            )
            if state is not None:
                wanted.append((p, gone, state))
        writes = await term.store.update_states([(p.topic_partition, s) for p, _, s in wanted])
        pending = []
        for (p, gone, _), write in zip(wanted, writes, strict=True):
            if write.leadership is None:
                continue  # the partition keeps what it had; its next event tries again
            if write.written:
                reason = _why_out(term, p, gone)
                term.adopt(p, write.leadership, write.mzxid, reason=reason)
                shrunk[p.topic_partition] = None
            else:
                p.leadership, p.mzxid = write.leadership, write.mzxid
                pending.append((p, gone))
    return shrunk


def _why_out(term: Term, p: PartitionInfo, gone: Sequence[int]) -> str:
    """Why replicas leave an ISR that they have not fallen behind of, in a few words."""
    tp = p.topic_partition
    why = (term.context.absence(r, tp) or f"broker {r} holds it no longer" for r in gone)
    return ", ".join(why)


def start_deletion(term: Term, replicas: Replicas) -> None:
    """Offline to DeletionStarted: ask the brokers to delete."""
    batch = term.batch()
    for p, replica in replicas:
        if _enter(p, replica, ReplicaState.DELETION_STARTED):
            batch.stop((replica,), p, delete=True)
    term.send(batch)
