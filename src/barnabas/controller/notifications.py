"""KafkaController, notes of brokers in ZooKeeper: failed log directories (reference 3.13), and ISR
changes by leaders on an inter-broker protocol before 2.7.
"""

from __future__ import annotations

from collections.abc import Iterable

from barnabas.controller import broker_changes, partition_reassignment, replicas
from barnabas.controller.store import Read
from barnabas.controller.term import Term
from barnabas.types import TopicPartition
from barnabas.zk import paths
from barnabas.zk.znodes import decode_isr_change, decode_log_dir_event
from barnabas.zookeeper.client.operations import ChildrenOp
from barnabas.zookeeper.errors import MalformedZNode, ZooKeeperError


async def _take(term: Term, parent: str) -> tuple[list[str], list[Read]]:
    """Paths and contents of the notes; arms the watch."""
    names, _ = await term.store.submit(ChildrenOp(parent, watch=True))
    found = [f"{parent}/{name}" for name in names]
    return found, await term.store.data(found)


async def log_directories_failed(term: Term) -> None:
    """Ask the brokers about all their replicas: the answers name those on failed directories."""
    found, notes = await _take(term, paths.LOG_DIR_EVENTS)
    brokers: dict[int, None] = {}
    for path, note in zip(found, notes, strict=True):
        if not isinstance(note, ZooKeeperError):
            try:
                brokers[decode_log_dir_event(path, note[0])] = None
            except MalformedZNode:
                continue
    live = [b for b in brokers if b in term.context.brokers]
    affected = list(term.context.partitions_on(live))
    replicas.bring_online(term, replicas.on_brokers(affected, live))
    await term.store.delete_all(found)


async def directories_answered(
    term: Term,
    broker_id: int,
    failed: Iterable[TopicPartition],
    working: Iterable[TopicPartition],
) -> None:
    """A broker told which of its replicas are on failed directories."""
    context = term.context
    if broker_id not in context.brokers:
        return
    offline = context.offline_dirs.setdefault(broker_id, {})
    for tp in working:
        offline.pop(tp, None)
    new = [tp for tp in failed if tp not in offline and tp in context.partitions]
    offline.update(dict.fromkeys(new))
    if new:
        term.observer.note("log_directory_failed", broker=broker_id, partitions=len(new))
        gone = [(context.partitions[tp], broker_id) for tp in new]
        await broker_changes.replicas_unavailable(term, gone)


async def isr_changed_by_leaders(term: Term) -> None:
    """Read the states that old leaders wrote, tell all brokers, remove the notes."""
    found, notes = await _take(term, paths.ISR_CHANGES)
    changed: dict[TopicPartition, None] = {}
    for path, note in zip(found, notes, strict=True):
        if not isinstance(note, ZooKeeperError):
            try:
                changed.update(dict.fromkeys(decode_isr_change(path, note[0])))
            except MalformedZNode:
                continue
    known = [tp for tp in changed if tp in term.context.partitions]
    for tp, state in zip(known, await term.store.read_states(known), strict=True):
        if state is not None:
            term.adopt(term.context.partitions[tp], *state, reason="written by its leader")
    term.send_metadata([term.context.partitions[tp] for tp in known])
    await partition_reassignment.finish_complete(term)
    await term.store.delete_all(found)
