"""TopicDeletionManager, actions: topics are deleted (reference 3.8). ``deletion.py`` has the rules.

A topic is queued by its marker in ``/admin/delete_topics``, which goes last, so that a controller
that comes after a crash in between carries on. Differences from Kafka: a topic of which a partition
is being reassigned does not wait for that, all replicas of the move are deleted; the ISR shrinks
that Kafka still writes into the states it is about to delete are left out; replicas of a topic on
its way out are not told a role again when their broker starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from barnabas.controller import partitions, replicas
from barnabas.controller.context import PartitionInfo
from barnabas.controller.deletion import (
    DEAD_REPLICA,
    REPLICA_FAILED,
    Step,
    next_step,
    resumable_topics,
)
from barnabas.controller.partition_states import PartitionState
from barnabas.controller.replica_states import ReplicaState
from barnabas.controller.replicas import Replicas
from barnabas.controller.term import Term, chunks
from barnabas.errors import ErrorCode
from barnabas.types import TopicPartition
from barnabas.zk import paths
from barnabas.zookeeper.client.operations import ChildrenOp


async def read_markers(term: Term) -> list[str]:
    """Known topics that are marked for deletion; arms the watch. Other markers are removed: those
    of topics that do not exist, and all of them if deletion is switched off."""
    names, _ = await term.store.submit(ChildrenOp(paths.DELETE_TOPICS, watch=True))
    known = [name for name in names if name in term.context.topics]
    wanted = known if term.settings.delete_topic_enable else []
    useless = [name for name in names if name not in wanted]
    await term.store.delete_all(paths.delete_topic_path(name) for name in useless)
    return wanted


async def markers_changed(term: Term) -> None:
    """The TopicDeletion event."""
    for topic in await read_markers(term):
        if topic not in term.context.topics_to_delete:
            term.context.topics_to_delete[topic] = None
        elif term.context.topics_ineligible.get(topic) == REPLICA_FAILED:
            del term.context.topics_ineligible[topic]
    await resume(term)


async def resume_on_brokers(term: Term, broker_ids: Sequence[int]) -> None:
    """Brokers have come back: topics that waited for them go on."""
    topics = resumable_topics(term.context, broker_ids)
    for topic in topics:
        if term.context.topics_ineligible.get(topic) in (DEAD_REPLICA, REPLICA_FAILED):
            del term.context.topics_ineligible[topic]
    if topics:
        await resume(term)


async def resume(term: Term) -> None:
    """Take the next possible step for every queued topic."""
    context = term.context
    complete, starting = [], []
    for topic in list(context.topics_to_delete):
        step = next_step(context, topic)
        if step is Step.COMPLETE:
            complete.append(topic)
        elif step is Step.RETRY:
            failed = _in_state(context.partitions_of((topic,)), ReplicaState.DELETION_INELIGIBLE)
            replicas.move(failed, ReplicaState.OFFLINE)
            starting.append(topic)
        elif step is Step.START:
            starting.append(topic)
    for some in chunks(complete):
        await _complete(term, some)
    if starting:
        _start(term, starting)


def replicas_failed(term: Term, failed: Replicas) -> None:
    """Brokers or directories of these replicas failed: the topics wait."""
    replicas.move(failed, ReplicaState.OFFLINE)
    _wait_for(term, failed, DEAD_REPLICA)


async def answered(term: Term, broker_id: int, errors: Mapping[TopicPartition, int]) -> None:
    """A broker answered a StopReplica that deletes; ``errors`` names every replica it was about."""
    good: list[tuple[PartitionInfo, int]] = []
    bad: list[tuple[PartitionInfo, int]] = []
    for tp, error in errors.items():
        p = term.context.partitions.get(tp)
        if p is None or broker_id not in p.replica_states:
            continue  # it was deleted at the end of a reassignment
        if term.context.is_being_deleted(tp.topic):
            (good if error == ErrorCode.NONE else bad).append((p, broker_id))
    replicas.move(good, ReplicaState.DELETION_SUCCESSFUL)
    _wait_for(term, bad, REPLICA_FAILED)
    await resume(term)


def _start(term: Term, topics: Sequence[str]) -> None:
    """Tell clients that the topics are gone, and stop the replicas on live brokers."""
    context = term.context
    anew = [t for t in topics if t not in context.topics_deletion_started]
    gone = list(context.partitions_of(anew))
    partitions.move(gone, PartitionState.OFFLINE)
    partitions.move(gone, PartitionState.NON_EXISTENT)
    context.topics_deletion_started.update(dict.fromkeys(anew))
    everything = list(context.partitions_of(topics))
    term.send_metadata(everything)
    dead: list[tuple[PartitionInfo, int]] = []
    live: list[tuple[PartitionInfo, int]] = []
    for p in everything:
        for replica, state in p.replica_states.items():
            if state is not ReplicaState.DELETION_SUCCESSFUL:
                here = context.is_replica_online(
                    replica, p.topic_partition, include_shutting_down=True
                )
                (live if here else dead).append((p, replica))
    replicas.move(dead, ReplicaState.OFFLINE)
    _wait_for(term, dead, DEAD_REPLICA)
    batch = term.batch()
    for p, replica in live:
        batch.stop((replica,), p, delete=False)
    term.send(batch)
    replicas.move(live, ReplicaState.OFFLINE)
    replicas.start_deletion(term, live)


def _wait_for(term: Term, failed: Replicas, reason: str) -> None:
    replicas.move(failed, ReplicaState.DELETION_INELIGIBLE)
    for p, _ in failed:
        term.context.topics_ineligible[p.topic_partition.topic] = reason


def _in_state(
    infos: Iterable[PartitionInfo], state: ReplicaState
) -> list[tuple[PartitionInfo, int]]:
    return [(p, r) for p in infos for r, present in p.replica_states.items() if present is state]


async def _complete(term: Term, topics: Sequence[str]) -> None:
    """Every replica of these is gone. The order of the writes lets the next controller repair a
    crash in between (reference 1.4): no step begins before the one before is done for all."""
    context = term.context
    numbers = {topic: list(context.topics[topic].partitions) for topic in topics}
    await term.store.delete_topics(numbers)
    await term.store.delete_all(paths.config_path(paths.topic_entity(t)) for t in topics)
    await term.store.delete_all(paths.delete_topic_path(t) for t in topics)
    for topic in topics:
        context.remove_topic(topic)
        term.observer.note("topic_deleted", topic=topic)
