"""What happened between two snapshots, as events that say why. Pure.

An election leaves only its outcome in the znodes. Why it was held, and who was passed over, follows
from the state before it, the assignment and who was registered: the strategies are few
(``controller/election.py``). Where several fit, the text says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from barnabas.console.health import listed
from barnabas.console.model import (
    NOTHING,
    UNKNOWN_TIME,
    BrokerState,
    PartitionState,
    Snapshot,
    TopicState,
)
from barnabas.types import NO_LEADER

Key: TypeAlias = tuple[str, str, int, int, tuple[int, ...]]
"""Kind, topic, partition, leader epoch and in-sync set: one event of a cluster."""

OFFLINE, UNCLEAN, PREFERRED, REASSIGN, HANDED_OVER, CONTROLLED_SHUTDOWN, FIRST, UNKNOWN = (
    "offline",
    "unclean",
    "preferred",
    "reassign",
    "handed over",
    "controlled shutdown",
    "first",
    "unknown",
)
"""Why there was an election. ``handed over`` is a controlled shutdown, or a leader that the
controller could not reach any more. The znodes are the same in both cases; brokers know which it
was (``told.py``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a cluster. ``kind`` is in the past tense, such as
    ``leader_elected``."""

    time_ms: int
    """Wall time: by ZooKeeper's clock where a znode has it, else when the console saw the
    change."""
    kind: str
    text: str
    """One line."""
    zxid: int = 0
    """The zxid of the change, by which events are ordered; 0 if unknown."""
    broker: int | None = None
    topic: str | None = None
    partition: int | None = None
    why: str = ""
    """The reason in a sentence; "" if there is none."""
    strategy: str = ""
    """Of an election: one of the constants above."""
    fields: Mapping[str, object] = field(default_factory=lambda: NOTHING)

    @property
    def key(self) -> Key | None:
        """By which a broker's word about the same is found; None if brokers say nothing more."""
        return key_of(self.kind, self.broker, self.topic, self.partition, self.fields)


def key_of(
    kind: str,
    broker: int | None,
    topic: str | None,
    partition: int | None,
    fields: Mapping[str, object],
) -> Key | None:
    """The key of an election, of a set that shrank, of a broker that went; None of others."""
    if kind == "broker_down" and broker is not None:
        return kind, "", broker, 0, ()
    epoch, isr = fields.get("epoch"), fields.get("isr")
    if kind not in ("leader_elected", "isr_shrank") or topic is None or partition is None:
        return None
    if not isinstance(epoch, int) or not isinstance(isr, list):
        return None
    return kind, topic, partition, epoch, tuple(sorted(isr))


def events_between(before: Snapshot, after: Snapshot, now_ms: int) -> list[Event]:
    """What happened, in the order of the changes as far as it is known. Events without a time of
    their own get ``now_ms``."""
    events = [
        *_brokers(before, after, now_ms),
        *_controller(before, after, now_ms),
        *_topics(before, after, now_ms),
    ]
    # Changes without a zxid were seen now. Lost brokers come before the elections that follow.
    return [e for _, e in sorted(enumerate(events), key=lambda pair: _rank(*pair))]


def _rank(position: int, event: Event) -> tuple[int, int, int, int]:
    """The sort key. Many partitions may change in one transaction; elections come first there."""
    gone_first = 0 if event.kind in ("broker_down", "controller_gone") else 1
    election_first = 0 if event.kind == "leader_elected" else 1
    return gone_first, event.zxid or 2**63, election_first, position


# --- brokers and controller -----------------------------------------------------------------------


def _brokers(before: Snapshot, after: Snapshot, now_ms: int) -> Iterator[Event]:
    for broker_id, broker in before.brokers.items():
        if broker_id not in after.brokers:
            yield _gone(before, broker, now_ms)
    for broker_id, broker in after.brokers.items():
        old = before.brokers.get(broker_id)
        if old is None:
            yield _registered(broker, now_ms, "")
        elif old.epoch != broker.epoch:
            yield _registered(broker, now_ms, "It had registered before, so it has restarted.")


def _gone(before: Snapshot, broker: BrokerState, now_ms: int) -> Event:
    led = sum(p.leader == broker.id for _, _, p in before.partitions())
    return Event(
        time_ms=now_ms,
        kind="broker_down",
        broker=broker.id,
        text=f"Broker {broker.id} is gone",
        why="Its registration ended with its ZooKeeper session."
        f" It led {led} partition{'' if led == 1 else 's'}."
        if led
        else "Its registration ended with its ZooKeeper session.",
        fields={"led": led},
    )


def _registered(broker: BrokerState, now_ms: int, why: str) -> Event:
    return Event(
        time_ms=now_ms if broker.since_ms == UNKNOWN_TIME else broker.since_ms,
        zxid=max(broker.epoch, 0),
        kind="broker_registered",
        broker=broker.id,
        text=f"Broker {broker.id} registered",
        why=why,
        fields={"epoch": broker.epoch},
    )


def _controller(before: Snapshot, after: Snapshot, now_ms: int) -> Iterator[Event]:
    old, new = before.controller, after.controller
    if (old.broker, old.epoch) == (new.broker, new.epoch):
        return
    if old.broker != NO_LEADER and new.broker != old.broker and new.broker == NO_LEADER:
        yield Event(
            time_ms=now_ms,
            kind="controller_gone",
            broker=old.broker,
            text=f"Broker {old.broker} is no longer controller",
            why="Each broker now tries to become controller; the first to create /controller does.",
        )
    if new.broker != NO_LEADER:
        yield Event(
            time_ms=now_ms if new.since_ms == UNKNOWN_TIME else new.since_ms,
            zxid=new.zxid,
            kind="controller_elected",
            broker=new.broker,
            text=f"Broker {new.broker} is controller" + _epoch(new.epoch),
            why="It was the first to create the node /controller.",
            fields={"epoch": new.epoch},
        )


def _epoch(epoch: int) -> str:
    return f", epoch {epoch}" if epoch >= 0 else ""


# --- topics and partitions ------------------------------------------------------------------------


def _topics(before: Snapshot, after: Snapshot, now_ms: int) -> Iterator[Event]:
    for name, topic in before.topics.items():
        new = after.topics.get(name)
        if new is None or _is_another(topic, new):
            yield Event(
                time_ms=now_ms, kind="topic_deleted", topic=name, text=f"Topic {name} was deleted"
            )
    for name, topic in after.topics.items():
        old = before.topics.get(name)
        if old is topic:
            continue
        if old is None or _is_another(old, topic):
            yield _created(topic, now_ms)
        elif len(topic.partitions) > len(old.partitions):
            count = len(topic.partitions) - len(old.partitions)
            yield Event(
                time_ms=now_ms,
                kind="partitions_added",
                topic=name,
                text=f"Topic {name} has {count} more partition{'' if count == 1 else 's'}",
                fields={"partitions": len(topic.partitions)},
            )
        if old is not None and not _is_another(old, topic):
            for number, partition in topic.partitions.items():
                known = old.partitions.get(number)
                if known is not None and known is not partition and known != partition:
                    yield from _partition(before, after, topic, number, known, now_ms)


def _is_another(old: TopicState, new: TopicState) -> bool:
    return None not in (old.topic_id, new.topic_id) and old.topic_id != new.topic_id


def _created(topic: TopicState, now_ms: int) -> Event:
    count = len(topic.partitions)
    replicas = max((len(p.replicas) for p in topic.partitions.values()), default=0)
    return Event(
        time_ms=now_ms,
        kind="topic_created",
        topic=topic.name,
        text=f"Topic {topic.name} was created: {count} partition{'' if count == 1 else 's'},"
        f" {replicas} replica{'' if replicas == 1 else 's'} of each",
        fields={"partitions": count, "replicas": replicas},
    )


def _partition(
    before: Snapshot,
    after: Snapshot,
    topic: TopicState,
    number: int,
    old: PartitionState,
    now_ms: int,
) -> Iterator[Event]:
    new = topic.partitions[number]
    name = f"{topic.name}/{number}"
    state_changed = new.zxid != old.zxid or new.zxid == 0
    time_ms = new.changed_ms if state_changed and new.changed_ms != UNKNOWN_TIME else now_ms
    known = {"time_ms": time_ms, "zxid": new.zxid, "topic": topic.name, "partition": number}
    unseen = new.partition_epoch - old.partition_epoch - 1
    fields: dict[str, object] = {"unseen": unseen} if old.partition_epoch >= 0 < unseen else {}
    if new.leader < 0 <= old.leader:
        yield _partition_offline(after, name, old, new, known, fields)
    elif new.leader != old.leader and new.leader >= 0:
        yield _elected(before, after, name, old, new, known, fields)
    elif set(new.isr) != set(old.isr) and old.isr:
        yield from _isr(after, name, old, new, known, fields)
    elif new.leader_epoch != old.leader_epoch and new.leader >= 0:
        yield _renewed(name, new, known, fields)
    yield from _moves(name, old, new, topic.name, number, now_ms)


def _partition_offline(
    after: Snapshot,
    name: str,
    old: PartitionState,
    new: PartitionState,
    known: Mapping[str, object],
    fields: Mapping[str, object],
) -> Event:
    there = [r for r in new.isr if r in after.brokers and r != old.leader]
    if there:
        why = f"Its leader is gone; in-sync replica {_or(there)} can be elected next."
    elif new.isr:
        why = (
            f"No in-sync replica is there. It waits for broker {_or(new.isr)}, as others may lack"
            " acknowledged records."
        )
    else:
        why = "No in-sync replica is there."
    return Event(
        **known,  # type: ignore[arg-type]
        kind="partition_offline",
        broker=old.leader if old.leader >= 0 else None,
        text=f"{name} has no leader{_epoch(new.leader_epoch)}",
        why=why,
        fields={**fields, "was": old.leader, "epoch": new.leader_epoch},
    )


def _or(numbers: Sequence[int]) -> str:
    return " or ".join(map(str, numbers))


def _elected(
    before: Snapshot,
    after: Snapshot,
    name: str,
    old: PartitionState,
    new: PartitionState,
    known: Mapping[str, object],
    fields: Mapping[str, object],
) -> Event:
    strategy, why = why_elected(before, after, old, new)
    rest = f"{_epoch(new.leader_epoch)}, in sync {_set(new.isr)}"
    if old.leader >= 0:
        text = f"{name} leader {old.leader} → {new.leader}{rest}"
    elif old.leader_epoch >= 0:
        text = f"{name} is led again, by broker {new.leader}{rest}"
    else:
        text = f"{name} is led by broker {new.leader}{rest}"
    return Event(
        **known,  # type: ignore[arg-type]
        kind="leader_elected",
        broker=new.leader,
        text=text,
        why=why,
        strategy=strategy,
        fields={
            **fields,
            "was": old.leader,
            "leader": new.leader,
            "epoch": new.leader_epoch,
            "isr": list(new.isr),
            "isr_before": list(old.isr),
            "passed_over": {
                str(broker): because for broker, because in passed_over(before, after, old, new)
            },
        },
    )


def _renewed(
    name: str, new: PartitionState, known: Mapping[str, object], fields: Mapping[str, object]
) -> Event:
    return Event(
        **known,  # type: ignore[arg-type]
        kind="leader_epoch_raised",
        broker=new.leader,
        text=f"{name} keeps leader {new.leader}{_epoch(new.leader_epoch)}",
        why="Its assignment changes, and all its brokers must learn the newest epoch.",
        fields={**fields, "leader": new.leader, "epoch": new.leader_epoch},
    )


def why_elected(
    before: Snapshot, after: Snapshot, old: PartitionState, new: PartitionState
) -> tuple[str, str]:
    """The strategy, and the reason in a sentence."""
    leader, gone = new.leader, old.leader
    if old.leader_epoch < 0:
        return FIRST, f"The partition is new; broker {leader} is its first replica that is there."
    others = passed_over(before, after, old, new)
    over = "".join(f" Broker {broker} was passed over: {because}." for broker, because in others)
    if new.recovering or (leader not in old.isr and old.isr):
        left = listed(old.isr)
        return UNCLEAN, (
            f"No in-sync replica (broker {left}) was there, and the topic allows an unclean"
            f" election: records that only they had are lost.{over}"
        )
    if gone < 0:
        return OFFLINE, f"The partition had no leader; in-sync replica {leader} is there.{over}"
    restarted = gone in before.brokers and gone in after.brokers and _restarted(before, after, gone)
    if gone not in after.brokers or restarted:
        what = "has restarted" if restarted else "is gone"
        first = "the first in-sync replica that is there, in the order of assignment"
        return OFFLINE, f"Broker {gone} {what}. Broker {leader} is {first}.{over}"
    if (old.adding, old.removing) != (new.adding, new.removing) or gone not in new.replicas:
        return REASSIGN, f"The partition moves away from broker {gone}.{over}"
    if old.adding or old.removing:
        return REASSIGN, f"The partition is being moved; broker {leader} is of its target.{over}"
    if gone not in new.isr:
        return HANDED_OVER, (
            f"Broker {gone} gave its leaderships up: it shuts down, or the controller cannot reach"
            f" it. Broker {leader} is the first in-sync replica that stays.{over}"
        )
    if leader == new.preferred:
        return PREFERRED, (
            f"Broker {leader} is the preferred leader, the first of the assignment, and is in sync"
            " again."
        )
    return UNKNOWN, f"Broker {gone} is there and in sync; who asked for this cannot be seen.{over}"


def _restarted(before: Snapshot, after: Snapshot, broker: int) -> bool:
    return before.brokers[broker].epoch != after.brokers[broker].epoch


def passed_over(
    before: Snapshot, after: Snapshot, old: PartitionState, new: PartitionState
) -> list[tuple[int, str]]:
    """Replicas that come before the new leader in the assignment, and why they do not lead."""
    found = []
    for broker in new.replicas:
        if broker == new.leader:
            break
        if broker == old.leader:
            continue  # this is the leader that was replaced
        if broker not in after.brokers:
            because = "it is gone"
        elif broker not in old.isr:
            because = "it was not in sync"
        elif broker not in new.isr:
            because = "it left the in-sync set with this election"
        else:
            because = "it had just come back, or is not of the target"
        found.append((broker, because))
    return found


def _isr(
    after: Snapshot,
    name: str,
    old: PartitionState,
    new: PartitionState,
    known: Mapping[str, object],
    fields: Mapping[str, object],
) -> Iterator[Event]:
    left = [r for r in old.isr if r not in new.isr]
    joined = [r for r in new.isr if r not in old.isr]
    sizes = {
        **fields,
        "epoch": new.leader_epoch,
        "isr": list(new.isr),
        "isr_before": list(old.isr),
    }
    if left:
        gone = [r for r in left if r not in after.brokers]
        yield Event(
            **known,  # type: ignore[arg-type]
            kind="isr_shrank",
            broker=left[0],
            text=f"{name} in sync {_set(old.isr)} → {_set(new.isr)}"
            if not joined
            else f"{name} lost {listed(left)} of its in-sync set",
            why=_why_shrunk(left, gone, new),
            fields={**sizes, "left": left},
        )
    if joined:
        yield Event(
            **known,  # type: ignore[arg-type]
            kind="isr_expanded",
            broker=joined[0],
            text=f"{name} in sync {_set(old.isr)} → {_set(new.isr)}"
            if not left
            else f"{name} got {listed(joined)} into its in-sync set",
            why=f"Broker {listed(joined)} has caught up with the leader.",
            fields={**sizes, "joined": joined},
        )


def _why_shrunk(left: list[int], gone: list[int], new: PartitionState) -> str:
    texts = []
    if gone:
        texts.append(f"Broker {listed(gone)} is gone.")
    moved = [r for r in left if r not in gone and r not in new.replicas]
    if moved:
        texts.append(f"Broker {listed(moved)} no longer holds a replica.")
    behind = [r for r in left if r not in gone and r not in moved]
    if behind:
        texts.append(
            f"Broker {listed(behind)} had not caught up for longer than replica.lag.time.max.ms,"
            " or it shuts down."
        )
    return " ".join(texts)


def _set(isr: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, isr))}]"


def _moves(
    name: str, old: PartitionState, new: PartitionState, topic: str, number: int, now_ms: int
) -> Iterator[Event]:
    was, moves = bool(old.adding or old.removing), bool(new.adding or new.removing)
    if (old.adding, old.removing) == (new.adding, new.removing):
        return
    if moves:
        target = [r for r in new.replicas if r not in new.removing]
        yield Event(
            time_ms=now_ms,
            kind="reassignment_began",
            topic=topic,
            partition=number,
            text=f"{name} moves to {_set(tuple(target))}",
            why=f"Adding {_set(new.adding)}, removing {_set(new.removing)}.",
            fields={"adding": list(new.adding), "removing": list(new.removing)},
        )
    elif was:
        done = all(r in new.replicas for r in old.adding)
        yield Event(
            time_ms=now_ms,
            kind="reassignment_done" if done else "reassignment_cancelled",
            topic=topic,
            partition=number,
            text=f"{name} has moved to {_set(new.replicas)}"
            if done
            else f"{name} stays on {_set(new.replicas)}",
            fields={"replicas": list(new.replicas)},
        )
