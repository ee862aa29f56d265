"""KafkaController, brokers that come, go, come back and stop answering (reference 3.6).

A broker is what its registration says: the same id with a greater czxid has bounced, which is a
failure followed by a start (trap 32). Ours: a registered broker whose port refuses connections
(``reachability``), or whose machine is silent (``silence``), is handled as failed until it answers
or registers again; its epochs fence it if it was alive after all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from barnabas.controller import (
    partition_reassignment,
    partitions,
    replicas,
    topic_deletion,
)
from barnabas.controller.batch import ControlBatch
from barnabas.controller.context import PartitionInfo
from barnabas.controller.partition_states import PartitionState
from barnabas.controller.replicas import Replicas
from barnabas.controller.term import CHUNK, Term, together
from barnabas.types import Broker
from barnabas.zk import paths
from barnabas.zk.startup import decode_brokers, listed_broker_ids
from barnabas.zk.znodes import decode_broker
from barnabas.zookeeper.client.operations import ChildrenOp, ExistsOp, GetOp
from barnabas.zookeeper.errors import MalformedZNode, NoNode

TOLD_S_MAX = 2.0
TOLD_S_EACH = 0.00025
"""How long brokers may take to carry out elections before other work is begun, and how much longer
for each partition that this work is about: there are about as many elections."""


@dataclass(slots=True)
class BrokerDiff:
    """What changed between two looks at ``/brokers/ids``; each list sorted by id."""

    new: list[Broker] = field(default_factory=list)
    bounced: list[Broker] = field(default_factory=list)
    dead: list[int] = field(default_factory=list)


def difference(known: dict[int, Broker], registered: dict[int, Broker]) -> BrokerDiff:
    """Pure: compare by id and epoch."""
    diff = BrokerDiff()
    for broker_id, broker in sorted(registered.items()):
        before = known.get(broker_id)
        if before is None:
            diff.new.append(broker)
        elif broker.epoch > before.epoch:
            diff.bounced.append(broker)
    diff.dead = sorted(b for b in known if b not in registered)
    return diff


async def read_brokers(term: Term) -> dict[int, Broker]:
    """All registrations, with their epochs; arms the watch on the list of ids."""
    names, _ = await term.store.submit(ChildrenOp(paths.BROKER_IDS, watch=True))
    ids = listed_broker_ids(names)
    found = await term.store.data(paths.broker_id_path(b) for b in ids)
    return decode_brokers(
        ids,
        found,
        lambda broker_id, error: term.observer.note(
            "broker_unreadable", broker=broker_id, reason=str(error)
        ),
    )


async def watch_endpoints(term: Term, broker_ids: Sequence[int]) -> None:
    """Arm the watches that tell of changed endpoints."""
    await term.store.submit_all([ExistsOp(paths.broker_id_path(b), watch=True) for b in broker_ids])


async def brokers_changed(term: Term) -> None:
    """The BrokerChange event."""
    context = term.context
    registered = await read_brokers(term)
    diff = difference({**context.brokers, **context.unreachable}, registered)
    for broker in (*diff.new, *diff.bounced):
        term.channels.add(broker, starting=True)
        context.learnt_of(broker)
    for broker_id in diff.dead:
        term.channels.remove(broker_id)
    if diff.new:
        context.brokers.update({b.id: b for b in diff.new})
        await started(term, [b.id for b in diff.new])
    if diff.bounced:
        context.returning = {b.id: b for b in diff.bounced}
        await _leave(term, [b.id for b in diff.bounced], "bounced")
        context.returning = {}
        context.brokers.update({b.id: b for b in diff.bounced})
        await started(term, [b.id for b in diff.bounced])
    if diff.dead:
        await _leave(term, diff.dead, "session gone")


async def became_unreachable(term: Term, broker: Broker) -> None:
    """The broker's port refuses connections: elect other leaders, although its session is alive."""
    context = term.context
    if context.brokers.get(broker.id) is not None and (
        context.brokers[broker.id].epoch == broker.epoch
    ):
        term.channels.clear(broker.id)
        await _leave(term, [broker.id], "connection refused", keep=context.brokers[broker.id])


async def fell_silent(term: Term, broker: Broker) -> None:
    """Nothing has come from the broker's machine for too long: elect other leaders, although its
    session is alive. First a look at ZooKeeper. If it cannot be reached, this waits until it can,
    and by then it may be known that we were cut off, and not the broker."""
    context = term.context
    await term.store.submit_all([ExistsOp(paths.broker_id_path(broker.id))])
    known = context.brokers.get(broker.id)
    if known is None or known.epoch != broker.epoch or not term.channels.is_silent(broker.id):
        return
    term.channels.give_up(broker.id)
    reason = f"silent for {term.settings.silence_ms} ms"
    await _leave(term, [broker.id], reason, keep=known)


async def became_reachable(term: Term, broker: Broker) -> None:
    """The broker answers again, in the same incarnation: its replicas start."""
    context = term.context
    term.channels.heard(broker.id)
    back = context.unreachable.get(broker.id)
    if back is not None and back.epoch == broker.epoch:
        del context.unreachable[broker.id]
        context.brokers[broker.id] = back
        await started(term, [broker.id], reason="reachable again")


async def _leave(
    term: Term, broker_ids: Sequence[int], reason: str, *, keep: Broker | None = None
) -> None:
    """Remove brokers from the live ones and handle their failure. A broker that was treated as
    failed before is only forgotten. ``keep``: it is still registered, only unreachable."""
    context = term.context
    failing = []
    for broker_id in broker_ids:
        if context.unreachable.pop(broker_id, None) is None:
            failing.append(broker_id)
        context.brokers.pop(broker_id, None)
    if keep is not None:
        context.unreachable[keep.id] = keep
    if failing:
        await failed(term, failing, reason)


async def started(term: Term, broker_ids: Sequence[int], reason: str = "registered") -> None:
    """Brokers came (``onBrokerStartup``). Elections and the new brokers' roles are sent in one
    batch, so that each broker gets one LeaderAndIsr with the final leaders (Kafka sends two)."""
    context = term.context
    for broker_id in broker_ids:
        context.offline_dirs.pop(broker_id, None)
        term.observer.note(
            "broker_up",
            broker=broker_id,
            epoch=context.brokers[broker_id].epoch,
            reason=reason,
        )
    term.send_metadata((), [b for b in context.brokers if b not in broker_ids])
    everything = term.batch()
    everything.metadata(context.partitions.values(), broker_ids)
    await term.send_in_turns(everything)
    staying = [
        p
        for p in context.partitions_on(broker_ids)
        if not context.is_being_deleted(p.topic_partition.topic)
    ]
    batch = term.batch()
    await partitions.elect_where_needed(term, batch=batch)
    replicas.bring_online(term, replicas.on_brokers(staying, broker_ids), batch=batch)
    await term.send_in_turns(batch)
    await partition_reassignment.resume(term, broker_ids)
    await topic_deletion.resume_on_brokers(term, broker_ids)
    await watch_endpoints(term, broker_ids)


async def failed(term: Term, broker_ids: Sequence[int], reason: str) -> None:
    """Brokers went (``onBrokerFailure``); they are no longer among the live ones."""
    context = term.context
    for broker_id in broker_ids:
        context.offline_dirs.pop(broker_id, None)
        context.shutting_down.pop(broker_id, None)
        term.observer.note("broker_down", broker=broker_id, reason=reason)
    affected = list(context.partitions_on(broker_ids))
    await replicas_unavailable(term, replicas.on_brokers(affected, broker_ids))


async def replicas_unavailable(term: Term, gone: Replicas) -> None:
    """Brokers went (``onBrokerFailure``); they are not live any more."""
    context = term.context
    led: list[tuple[PartitionInfo, int]] = []
    followed: list[tuple[PartitionInfo, int]] = []
    deleted: list[tuple[PartitionInfo, int]] = []
    for p, replica in gone:
        if context.is_being_deleted(p.topic_partition.topic):
            deleted.append((p, replica))
        elif p.state is PartitionState.ONLINE and context.has_leader_online(p):
            followed.append((p, replica))
        else:
            led.append((p, replica))
            if p.state is PartitionState.ONLINE:
                p.state = PartitionState.OFFLINE
    batch = term.batch()
    await elect_and_shrink(term, followed, batch)
    # An election has taken the replica out of the ISR: nothing of these is left to be written.
    elected = [entry for entry in led if entry[0].state is PartitionState.ONLINE]
    await replicas.take_offline(term, elected, batch=batch)
    await term.send_in_turns(batch)
    await replicas.take_offline(
        term, [entry for entry in led if entry[0].state is not PartitionState.ONLINE]
    )
    if deleted:
        topic_deletion.replicas_failed(term, deleted)
        await topic_deletion.resume(term)
    if not led and not followed:
        term.send_metadata()


async def elect_and_shrink(
    term: Term, followed: Replicas, batch: ControlBatch, *, stop: bool = True
) -> None:
    """Elect where a leader is needed, and take the offline replicas out of the ISRs of other
    partitions. If they are few, both are written in one round to the coordinator's disk, elections
    first, and sent in one batch. If they are many, elections are written and sent first, and the
    brokers have answered before the rest is begun: this controller's own broker is one of them, and
    clients wait for their leaders. (To send some while others are written takes longer: the
    controller's own broker carries them out in the same loop.) That spares time, and nothing rests
    on it: the wait ends early when another broker goes, because its partitions have no leader until
    this is done."""
    if len(followed) <= CHUNK:
        await together(
            partitions.elect_where_needed(term, batch=batch),
            replicas.take_offline(term, followed, stop=stop, batch=batch),
        )
        return
    await partitions.elect_where_needed(term, batch=batch)
    await term.send_in_turns(batch)
    await term.channels.told(TOLD_S_MAX + TOLD_S_EACH * len(followed))
    await replicas.take_offline(term, followed, stop=stop, batch=batch)


async def endpoints_changed(term: Term, broker_id: int) -> None:
    """The BrokerModifications event. The removal of the node fires it too; that is ignored. A
    broker that is not reachable may have caught up meanwhile, which ends its doubt. It must not
    come back with the old doubt."""
    path = paths.broker_id_path(broker_id)
    try:
        data, stat = await term.store.submit(GetOp(path, watch=True))
        broker = decode_broker(path, data, stat.czxid)
    except (NoNode, MalformedZNode):
        return
    context = term.context
    for brokers in (context.brokers, context.unreachable):
        known = brokers.get(broker_id)
        if known is not None and known.epoch == broker.epoch and known != broker:
            brokers[broker_id] = broker
            term.channels.update(broker)
            term.send_metadata()
