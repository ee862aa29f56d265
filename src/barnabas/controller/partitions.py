"""PartitionStateMachine, actions: leadership is created, leaders are elected (reference 3.2).

Leadership is decided from the cached state and written conditionally on its version: nobody but the
controller writes it, so the cache is right, and when it is not (a lost reply, a Java controller
before us) the write is refused, the state read, and the decision made again. Kafka reads every
state before every election; this saves that round trip.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from barnabas.controller.batch import ControlBatch
from barnabas.controller.context import PartitionInfo
from barnabas.controller.election import (
    STRATEGIES,
    Election,
    Situation,
    Strategy,
    held_back,
    passed_over,
)
from barnabas.controller.partition_states import (
    PartitionState,
    initial_leadership,
    is_valid_transition,
)
from barnabas.controller.term import Chosen, Term, in_chunks
from barnabas.types import NO_LEADER, LeaderAndIsr
from barnabas.zk import paths
from barnabas.zk.znodes import decode_config
from barnabas.zookeeper.errors import MalformedZNode, ZooKeeperError

UNCLEAN_ELECTION_SETTING = "unclean.leader.election.enable"
_REASONS = {
    Strategy.REASSIGN: "it moves to other brokers",
    Strategy.PREFERRED: "the preferred replica leads",
    Strategy.CONTROLLED_SHUTDOWN: "a broker shuts down",
    Strategy.RENEW: "its assignment has changed",
}


class _Wanted(NamedTuple):
    """A state to write."""

    partition: PartitionInfo
    state: LeaderAndIsr
    election: Election | None
    """None if it says that nobody leads."""
    passed_over: dict[int, str]


class _Decided(NamedTuple):
    """What was found for a partition."""

    partition: PartitionInfo
    situation: Situation
    election: Election | None


def move(partitions: Sequence[PartitionInfo], state: PartitionState) -> None:
    """A transition without action: to New, Offline or NonExistent."""
    for p in partitions:
        assert is_valid_transition(p.state, state), (p.topic_partition, p.state, state)
        p.state = state


async def bring_online(
    term: Term,
    partitions: Sequence[PartitionInfo],
    strategy: Strategy = Strategy.OFFLINE,
    *,
    unclean: bool = False,
    batch: ControlBatch | None = None,
) -> list[PartitionInfo]:
    """Move to Online: create leadership, or elect. Returns those that got no (new) leader.

    ``unclean`` allows ``Strategy.OFFLINE`` to elect uncleanly whatever the topics' settings say.
    What brokers must hear is sent, or left in the caller's ``batch``."""
    collected = term.batch() if batch is None else batch
    failed: list[PartitionInfo] = []

    async def some(chunk: Sequence[PartitionInfo]) -> None:
        fresh = [p for p in chunk if p.state is PartitionState.NEW]
        others = [p for p in chunk if p.state is not PartitionState.NEW]
        failed.extend(await _create(term, collected, fresh))
        failed.extend(await _elect(term, collected, others, strategy, unclean=unclean))
        await asyncio.sleep(0)

    await in_chunks(partitions, some)
    if batch is None:
        term.send(collected)
    return failed


async def elect_where_needed(term: Term, *, batch: ControlBatch | None = None) -> None:
    """Try every New and Offline partition, except those of topics that are being deleted
    (``triggerOnlinePartitionStateChange``)."""
    waiting = (PartitionState.NEW, PartitionState.OFFLINE)
    context = term.context
    await bring_online(
        term,
        [
            p
            for p in context.partitions.values()
            if p.state in waiting and not context.is_being_deleted(p.topic_partition.topic)
        ],
        batch=batch,
    )


async def _create(
    term: Term, batch: ControlBatch, partitions: Sequence[PartitionInfo]
) -> list[PartitionInfo]:
    """New to Online: the first leadership of a partition. Answers go to live replicas only."""
    context = term.context
    wanted: list[tuple[PartitionInfo, LeaderAndIsr]] = []
    failed = []
    for p in partitions:
        tp = p.topic_partition
        online = [r for r in p.assignment.replicas if context.is_replica_online(r, tp)]
        state = initial_leadership(p.assignment.replicas, online, context.epoch)
        if state is None:
            _note_offline(term, p, "no replica is live")
            failed.append(p)
        else:
            wanted.append((p, state))
    if not wanted:
        return failed
    newest = max((b.epoch for b in context.brokers.values()), default=-1)
    writes = await term.store.create_states(
        [(p.topic_partition, state) for p, state in wanted], newest
    )
    for (p, _), write in zip(wanted, writes, strict=True):
        if write.written and write.leadership is not None:
            chosen = Chosen("first", _offline_before(term, p, write.leadership.leader))
            term.adopt(p, write.leadership, write.mzxid, reason="created", elected=chosen)
            p.state = PartitionState.ONLINE
            batch.lead_and_follow(write.leadership.isr, p, is_new=True)
        else:
            _note_offline(term, p, write.problem or "another controller created it")
            failed.append(p)
    return failed


async def _elect(
    term: Term,
    batch: ControlBatch,
    partitions: Sequence[PartitionInfo],
    strategy: Strategy,
    *,
    unclean: bool,
) -> list[PartitionInfo]:
    failed: list[PartitionInfo] = []
    pending = [p for p in partitions if p.leadership is not None]
    include = strategy is Strategy.CONTROLLED_SHUTDOWN
    elect = STRATEGIES[strategy]
    while pending:
        found = []
        for p in pending:
            situation = term.context.situation(p, include_shutting_down=include, unclean=unclean)
            found.append(_Decided(p, situation, elect(situation)))
        if strategy is Strategy.OFFLINE and not unclean:
            found = await _uncleanly_if_allowed(term, found)
        wanted: list[_Wanted] = []
        for p, situation, election in found:
            if election is not None:
                over = passed_over(situation, election.leadership.leader)
                wanted.append(_Wanted(p, election.leadership, election, over))
                continue
            failed.append(p)
            if strategy is Strategy.OFFLINE:
                _leave_offline(term, p)
                if held := held_back(situation):
                    wanted.append(_Wanted(p, held, None, {}))
        pending = await _write(term, batch, wanted, failed, strategy)
    return failed


async def _write(
    term: Term,
    batch: ControlBatch,
    wanted: Sequence[_Wanted],
    failed: list[PartitionInfo],
    strategy: Strategy,
) -> list[PartitionInfo]:
    """Write what was decided; returns the partitions to decide again."""
    again = []
    writes = await term.store.update_states(
        [(w.partition.topic_partition, w.state) for w in wanted]
    )
    for (p, _, election, over), write in zip(wanted, writes, strict=True):
        if write.leadership is None:
            _note_offline(term, p, write.problem)
            if election is not None:
                failed.append(p)
        elif not write.written:
            p.leadership, p.mzxid = write.leadership, write.mzxid
            if election is not None:
                again.append(p)
        else:
            new = election is not None and not _leads_on(p, write.leadership)
            chosen = Chosen(strategy.value, over) if new else None
            reason = _reason(term, p, strategy)
            term.adopt(p, write.leadership, write.mzxid, reason=reason, elected=chosen)
            if election is None:
                batch.lead_and_follow(write.leadership.isr, p)
            else:
                p.state = PartitionState.ONLINE
                batch.lead_and_follow(election.recipients, p)
    return again


def _reason(term: Term, p: PartitionInfo, strategy: Strategy) -> str:
    """Why a state is written that an election made, in a few words."""
    if strategy is not Strategy.OFFLINE:
        return _REASONS[strategy]
    before = p.leadership
    if before is None or before.leader == NO_LEADER:
        return "a replica may lead again"
    return term.context.absence(before.leader, p.topic_partition) or "its leader has restarted"


def _offline_before(term: Term, p: PartitionInfo, leader: int) -> dict[int, str]:
    replicas = p.assignment.replicas
    before = replicas[: replicas.index(leader)] if leader in replicas else ()
    return dict.fromkeys(before, "offline")


def _leads_on(p: PartitionInfo, elected: LeaderAndIsr) -> bool:
    """Whether only the epoch of a leader is new."""
    before = p.leadership
    return (
        p.state is PartitionState.ONLINE
        and before is not None
        and (before.leader == elected.leader)
    )


def _leave_offline(term: Term, p: PartitionInfo) -> None:
    """No leader was found. If the recorded one has restarted since, it must not be told to go on
    under its old epoch: as far as brokers hear from us there is none. (ZooKeeper keeps the record,
    whose age is what tells us that its members restarted.)"""
    assert p.leadership is not None
    p.state = PartitionState.OFFLINE
    if p.leadership.leader in term.context.restarted_since(p):
        p.leadership = replace(p.leadership, leader=NO_LEADER)
    _note_offline(term, p, "no replica may lead")


def _note_offline(term: Term, p: PartitionInfo, reason: str) -> None:
    if p.offline_noted:
        return
    p.offline_noted = True
    tp = p.topic_partition
    isr = [] if p.leadership is None else list(p.leadership.isr)
    term.observer.note(
        "partition_offline",
        topic=tp.topic,
        partition=tp.partition,
        isr=isr,
        reason=reason,
        replicas=p.assignment.replicas,
    )


async def _uncleanly_if_allowed(term: Term, found: Sequence[_Decided]) -> list[_Decided]:
    """Decide again without a clean leader, where the topic's settings allow an unclean one.

    They are read from ``/config/topics/T`` each time: they decide over data, and this is rare."""
    context = term.context
    topics = dict.fromkeys(
        p.topic_partition.topic
        for p, _, election in found
        if election is None and any(context.is_live(r) for r in p.assignment.replicas)
    )
    if not topics:
        return list(found)
    outcomes = await term.store.data(paths.config_path(paths.topic_entity(t)) for t in topics)
    allowing = {
        topic: None
        for topic, outcome in zip(topics, outcomes, strict=True)
        if _allows_unclean(term, topic, outcome)
    }
    elect = STRATEGIES[Strategy.OFFLINE]
    decided = []
    for p, _, _ in found:  # all of them again: something may have changed meanwhile
        situation = context.situation(p, unclean=p.topic_partition.topic in allowing)
        decided.append(_Decided(p, situation, elect(situation)))
    return decided


def _allows_unclean(term: Term, topic: str, outcome: tuple[bytes, object] | ZooKeeperError) -> bool:
    default = term.settings.unclean_leader_election_enable
    if isinstance(outcome, ZooKeeperError):
        return default
    try:
        config = decode_config(paths.config_path(paths.topic_entity(topic)), outcome[0])
    except MalformedZNode:
        return default
    value = config.get(UNCLEAN_ELECTION_SETTING)
    return default if value is None else value.lower() == "true"
