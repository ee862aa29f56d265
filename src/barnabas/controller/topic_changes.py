"""KafkaController, topics and partitions that appear in ZooKeeper (reference 3.7).

A broker that serves CreateTopics or CreatePartitions writes the assignment (``zk/admin.py``). The
watch on it tells the controller.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace

from barnabas.controller import partitions, replicas
from barnabas.controller.context import PartitionInfo, ReplicaAssignment, TopicInfo
from barnabas.controller.partition_states import PartitionState
from barnabas.controller.replica_states import ReplicaState
from barnabas.controller.store import Read
from barnabas.controller.term import Term
from barnabas.names import is_number, is_partition_of_topic, is_topic, topic_problem
from barnabas.types import TopicPartition, topic_id_text
from barnabas.zk import paths
from barnabas.zk.startup import generate_id
from barnabas.zk.znodes import TopicZNode, decode_topic, encode_topic
from barnabas.zookeeper.client.operations import ChildrenOp, GetOp, SetOp
from barnabas.zookeeper.errors import BadVersion, MalformedZNode, NoAuth, NoNode, ZooKeeperError


async def topics_changed(term: Term, rng: random.Random) -> None:
    """The TopicChange event: new topics are created, topics that are gone are forgotten."""
    names, _ = await term.store.submit(ChildrenOp(paths.TOPICS, watch=True))
    context = term.context
    listed = dict.fromkeys(names)
    for name in [t for t in context.topics if t not in listed]:
        context.remove_topic(name)  # by hand: that is not a deletion, nobody is told to stop
    new = [name for name in names if name not in context.topics]
    added = await read_topics(term, new, rng)
    for topic in added:
        term.observer.note(
            "topic_created",
            topic=topic.name,
            partitions=len(topic.partitions),
            topic_id=None if topic.topic_id is None else topic_id_text(topic.topic_id),
        )
    await created(term, [p for topic in added for p in topic.partitions.values()])


async def read_topics(term: Term, names: Sequence[str], rng: random.Random) -> list[TopicInfo]:
    """Read assignments (arming a watch on each), give ids to topics without, know them all."""
    for name in names:
        if (problem := topic_problem(name)) is not None:
            term.observer.note("topic_unreadable", topic=name, reason=problem)
    topics: list[TopicInfo] = []
    pending = [name for name in names if is_topic(name)]
    while pending:
        pending = await _read_some(term, pending, rng, topics)
    return topics


async def _read_some(
    term: Term, names: Sequence[str], rng: random.Random, topics: list[TopicInfo]
) -> list[str]:
    """Read topics, and append those that are known now; the names of those that have changed
    meanwhile, if only by a write of this controller's own whose answer was lost."""
    outcomes = await term.store.data((paths.topic_path(name) for name in names), watch=True)
    znodes: dict[str, TopicZNode] = {}
    writes: dict[str, SetOp] = {}
    for name, outcome in zip(names, outcomes, strict=True):
        found = decoded(term, name, outcome)
        if found is None:
            continue
        znode, version = found
        if znode.topic_id is None:
            znode = replace(znode, topic_id=generate_id(rng))
            writes[name] = SetOp(paths.topic_path(name), encode_topic(znode), version)
        znodes[name] = znode
    written = await term.store.fenced(list(writes.values()))
    again = []
    for name, result in zip(writes, written, strict=True):
        if isinstance(result, BadVersion | NoNode):
            again.append(name)
            del znodes[name]
        elif isinstance(result, ZooKeeperError):
            raise result
    for name, znode in znodes.items():
        topic = term.context.add_topic(name, znode.topic_id)
        same: dict[ReplicaAssignment, ReplicaAssignment] = {}
        for number in usable(term, name, znode):
            assignment = assignment_of(znode, number)
            # One object for all that are equal: they are few, and stay in memory.
            assignment = same.setdefault(assignment, assignment)
            term.context.add_partition(topic, number, assignment)
        topics.append(topic)
    return again


def decoded(term: Term, name: str, outcome: Read) -> tuple[TopicZNode, int] | None:
    """A topic's znode and its version, or None if it is gone or unreadable (then left alone)."""
    if isinstance(outcome, NoNode):
        return None
    if isinstance(outcome, NoAuth):
        term.observer.note("topic_unreadable", topic=name, reason=str(outcome))
        return None
    if isinstance(outcome, ZooKeeperError):
        raise outcome
    try:
        data, stat = outcome
        return decode_topic(paths.topic_path(name), data), stat.version
    except MalformedZNode as error:
        term.observer.note("topic_unreadable", topic=name, reason=str(error))
        return None


def usable(term: Term, name: str, znode: TopicZNode) -> list[int]:
    """The valid partitions of a topic. Others, written by hand, are logged and left alone."""
    numbers = []
    moving = {**znode.adding, **znode.removing}
    seen: dict[tuple[int, ...], bool] = {(): False}
    for number, members in znode.partitions.items():
        legal = seen.get(members)
        if legal is None:
            legal = seen[members] = all(map(is_number, members))
        if number in moving:
            added, removed = znode.adding.get(number, ()), znode.removing.get(number, ())
            legal = legal and all(map(is_number, (*added, *removed)))
        if legal and is_partition_of_topic(TopicPartition(name, number)):
            numbers.append(number)
        else:
            term.observer.note(
                "partition_unreadable", topic=name, partition=number, replicas=members
            )
    return numbers


def assignment_of(znode: TopicZNode, number: int) -> ReplicaAssignment:
    """One partition's replicas, with those that a reassignment adds and removes."""
    return ReplicaAssignment(
        replicas=znode.partitions[number],
        adding=znode.adding.get(number, ()),
        removing=znode.removing.get(number, ()),
    )


async def created(term: Term, new: Sequence[PartitionInfo]) -> None:
    """Create new partitions (``onNewPartitionCreation``)."""
    if not new:
        return
    partitions.move(new, PartitionState.NEW)
    everywhere = [(p, r) for p in new for r in p.assignment.replicas]
    replicas.move(everywhere, ReplicaState.NEW)
    await partitions.bring_online(term, new)
    replicas.bring_online(term, everywhere)


async def partitions_changed(term: Term, name: str) -> None:
    """The PartitionModifications event: only added partitions count.

    If the topic is on its way out the znode is put back (KAFKA-6612)."""
    try:
        outcome = await term.store.submit(GetOp(paths.topic_path(name), watch=True))
    except (NoNode, NoAuth):
        return
    topic = term.context.topics.get(name)
    found = decoded(term, name, outcome)
    if topic is None or found is None:
        return
    znode, version = found
    numbers = [n for n in usable(term, name, znode) if n not in topic.partitions]
    if not numbers:
        return
    if term.context.is_being_deleted(name):
        await _restore(term, topic, version)
        return
    added = [term.context.add_partition(topic, n, assignment_of(znode, n)) for n in numbers]
    term.observer.note("partitions_added", topic=name, partitions=numbers)
    await created(term, added)


async def _restore(term: Term, topic: TopicInfo, version: int) -> None:
    infos: Iterable[tuple[int, PartitionInfo]] = topic.partitions.items()
    znode = TopicZNode(
        partitions={n: p.assignment.replicas for n, p in infos},
        topic_id=topic.topic_id,
        adding={n: p.assignment.adding for n, p in infos if p.assignment.adding},
        removing={n: p.assignment.removing for n, p in infos if p.assignment.removing},
    )
    await term.store.fenced([SetOp(paths.topic_path(topic.name), encode_topic(znode), version)])
