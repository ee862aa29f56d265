"""KafkaController.onControllerFailover: taking over as controller (reference 2.5).

The order is Kafka's: watches, brokers, topics, states, then UpdateMetadata with all live brokers
(a broker ignores a role whose leader it does not know), then roles. Two things differ:

- elections do not wait for the ISR shrinks of dead replicas, as in a plain death of a broker: a
  partition whose leader died gets its new leader at once, with one epoch and not two;
- a live broker that registered after a state was written has restarted since, unseen by any
  controller. It never resumes leadership under the old epoch, and while another member stayed, it
  leaves the ISR and comes back by fetching (``ControllerContext.doubtful``). When all live members
  restarted, as in the start of a whole cluster, they are elected from with one write a partition.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

from barnabas.controller import (
    broker_changes,
    partition_reassignment,
    partitions,
    replicas,
    topic_changes,
    topic_deletion,
)
from barnabas.controller.batch import ControlBatch
from barnabas.controller.context import PartitionInfo
from barnabas.controller.deletion import ineligible_reason
from barnabas.controller.election import Strategy
from barnabas.controller.partition_states import PartitionState
from barnabas.controller.preferred import is_candidate
from barnabas.controller.replica_states import ReplicaState
from barnabas.controller.term import Term, in_chunks, together
from barnabas.zk import paths
from barnabas.zk.znodes import FeatureZNode, decode_preferred_election, encode_feature
from barnabas.zookeeper.client.operations import ChildrenOp, CreateOp, ExistsOp, GetOp, Operation
from barnabas.zookeeper.errors import MalformedZNode, NodeExists, NoNode, ZooKeeperError


async def take_over(term: Term, rng: random.Random) -> None:
    """From the won election to a cluster that follows this controller."""
    void = await _prepare_znodes(term)
    await _load(term, rng)
    term.send_metadata()
    leaderless = _classify(term)
    staying = [p for p in leaderless if not term.context.is_being_deleted(p.topic_partition.topic)]
    led = [
        p
        for p in term.context.partitions.values()
        if p.state is PartitionState.ONLINE
        and not term.context.is_being_deleted(p.topic_partition.topic)
    ]
    batch = term.batch()
    if leaderless:
        # All of them: a broker that has just started would take the ones it hears of for all that
        # a topic has, and find the wrong partition for a group or a key.
        batch.metadata(term.context.partitions.values())
    await broker_changes.elect_and_shrink(term, _leaving(term, led), batch, stop=False)
    _tell_roles(term, led, batch)
    await term.send_in_turns(batch)
    await term.store.delete_all(void)
    # An election has told the others, and has taken out of the ISR who is gone.
    await _announce_leaderless(term, [p for p in staying if p.state is not PartitionState.ONLINE])
    await partition_reassignment.requested_by_tools(term)
    await partition_reassignment.resume(term)
    await topic_deletion.resume(term)
    await preferred_election_requested(term)


async def _prepare_znodes(term: Term) -> list[str]:
    """Features, and watches on what tools and brokers write. Returns the notifications that the
    reading of everything, which comes now, makes void."""
    questions: list[Operation[Any]] = [
        GetOp(paths.FEATURE),
        ExistsOp(paths.PREFERRED_REPLICA_ELECTION, watch=True),
        ChildrenOp(paths.LOG_DIR_EVENTS, watch=True),
        ChildrenOp(paths.ISR_CHANGES, watch=True),
    ]
    feature, _, *listed = await term.store.submit_all(questions)
    if isinstance(feature, NoNode):
        try:
            node = encode_feature(FeatureZNode(), term.settings.versions.feature_node)
            await term.store.submit(CreateOp(paths.FEATURE, node))
        except NodeExists:
            pass
    void: list[str] = []
    for parent, outcome in zip((paths.LOG_DIR_EVENTS, paths.ISR_CHANGES), listed, strict=True):
        if isinstance(outcome, ZooKeeperError):
            raise outcome
        void += [f"{parent}/{name}" for name in outcome[0]]
    return void


async def _load(term: Term, rng: random.Random) -> None:
    """Brokers, topics, assignments, states; then a channel to each broker."""
    context = term.context
    context.brokers, (names, _) = await together(
        broker_changes.read_brokers(term), term.store.submit(ChildrenOp(paths.TOPICS, watch=True))
    )
    await topic_changes.read_topics(term, names, rng)
    await together(
        broker_changes.watch_endpoints(term, sorted(context.brokers)),
        _read_states(term),
        _read_markers(term),
    )
    for broker in context.brokers.values():
        term.channels.add(broker, starting=False)
        if broker.unclean_start:
            # The controller before us may have named it in a younger state without having seen that
            # it registered again. So no state that names it counts, until its logs have caught up.
            context.learnt_of(broker)


async def _read_states(term: Term) -> None:
    async def some(chunk: Sequence[PartitionInfo]) -> None:
        states = await term.store.read_states([p.topic_partition for p in chunk])
        for p, state in zip(chunk, states, strict=True):
            if state is not None:
                p.leadership, p.mzxid = state

    await in_chunks(list(term.context.partitions.values()), some)


async def _read_markers(term: Term) -> None:
    marked = await topic_deletion.read_markers(term)
    term.context.topics_to_delete.update(dict.fromkeys(marked))
    for topic in marked:
        if reason := ineligible_reason(term.context, topic):
            term.context.topics_ineligible[topic] = reason


def _classify(term: Term) -> list[PartitionInfo]:
    """States of partitions and replicas, from what was read. Returns those that need a leader."""
    context = term.context
    leaderless = []
    for p in context.partitions.values():
        if p.leadership is None:
            p.state = PartitionState.NEW
        elif context.has_leader_online(p) and p.leadership.leader not in context.restarted_since(p):
            p.state = PartitionState.ONLINE
        else:
            p.state = PartitionState.OFFLINE
        if p.state is not PartitionState.ONLINE:
            leaderless.append(p)
        deleted = context.is_being_deleted(p.topic_partition.topic)
        dead = ReplicaState.DELETION_INELIGIBLE if deleted else ReplicaState.OFFLINE
        p.replica_states.update(dict.fromkeys(p.assignment.replicas, ReplicaState.ONLINE))
        for replica in context.offline_replicas(p):
            p.replica_states[replica] = dead
    return leaderless


def _leaving(term: Term, infos: Iterable[PartitionInfo]) -> list[tuple[PartitionInfo, int]]:
    """Dead replicas, and followers that restarted unseen: they leave their ISRs."""
    gone: list[tuple[PartitionInfo, int]] = []
    for p in infos:
        restarted = term.context.restarted_since(p) if p.state is PartitionState.ONLINE else ()
        if not restarted and ReplicaState.OFFLINE not in p.replica_states.values():
            continue
        gone += [
            (p, r)
            for r, state in p.replica_states.items()
            if state is ReplicaState.OFFLINE or r in restarted
        ]
    return gone


def _tell_roles(term: Term, infos: Sequence[PartitionInfo], batch: ControlBatch) -> None:
    """Every live replica is told its role."""
    context = term.context
    for p in infos:
        offline = context.offline_replicas(p)
        replicas.tell_online(p, (r for r in p.assignment.replicas if r not in offline), batch)
    if infos:
        batch.metadata(infos)


async def _announce_leaderless(term: Term, infos: Sequence[PartitionInfo]) -> None:
    """Partitions that got no leader."""
    if infos:
        batch = term.batch()
        await replicas.take_offline(term, _leaving(term, infos), stop=False, batch=batch)
        _tell_roles(term, infos, batch)
        await term.send_in_turns(batch)


async def preferred_election_requested(term: Term) -> None:
    """Tools ask for preferred leaders in ``/admin/preferred_replica_election``; it is removed when
    done, and watched again."""
    path = paths.PREFERRED_REPLICA_ELECTION
    while True:
        try:
            data, _ = await term.store.submit(GetOp(path))
        except NoNode:
            # The next tool may have been faster than the watch.
            if await term.store.submit(ExistsOp(path, watch=True)) is None:
                return
            continue
        try:
            wanted = decode_preferred_election(path, data)
        except MalformedZNode:
            wanted = []
        infos = [p for tp in wanted if (p := term.context.partitions.get(tp)) is not None]
        await elect_preferred(term, infos)
        await term.store.delete_all([path])


async def elect_preferred(term: Term, infos: list[PartitionInfo]) -> None:
    """Give leadership back to preferred replicas, where they can take it and do not have it."""
    ready = [
        p
        for p in infos
        if is_candidate(term.context, p)
        and p.leadership is not None
        and p.leadership.leader != p.assignment.replicas[0]
    ]
    if ready:
        await partitions.bring_online(term, ready, Strategy.PREFERRED)
