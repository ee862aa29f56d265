"""What must hold of replicas at every step, as the TLA+ models of Kafka's replication state it.

Evaluated at every advance of a high watermark, change of role, truncation, order of a controller,
acknowledgement, and write of a partition's state in the coordinator. The judge sees everything: all
logs (``shadow``) and the committed znodes. It knows three things that no broker knows at once: what
was ever committed (below some leader's high watermark), which batch was written at an offset in an
epoch, and which incarnation of a broker led in which epoch.

A broker that lost power without ``log.flush.before.ack`` is *weak* until an ISR written after its
new registration names it: the promise does not cover what it held.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from tests.simulation.moves import Moves
from tests.simulation.shadow import Batch, ShadowLog, Shadows

from barnabas.types import NO_LEADER, LeaderAndIsr, TopicPartition
from barnabas.zk import paths
from barnabas.zk.znodes import (
    decode_broker,
    decode_controller,
    decode_controller_epoch,
    decode_partition_state,
    decode_topic,
)
from barnabas.zookeeper.server.store import Batch as StoreBatch
from barnabas.zookeeper.server.store import MemoryStore, StoredNode


class WatchedStore(MemoryStore):
    """A coordinator's memory that tells of every commit."""

    heard: Callable[[StoreBatch], None] = staticmethod(lambda batch: None)

    async def commit(self, batch: StoreBatch) -> None:
        await super().commit(batch)
        self.heard(batch)


class Invariants:
    """The judge of one run; ``fail(invariant, text)`` hears of every violation."""

    def __init__(
        self,
        shadows: Shadows,
        fail: Callable[[str, str], None],
        *,
        min_isr: int = 2,
        compacted: Collection[str] = (),
        flush: bool = False,
    ) -> None:
        """``compacted``: topics whose logs may lose old records, but not their last segment's.
        ``flush``: brokers have ``log.flush.before.ack``."""
        self.shadows = shadows
        self._compacted = compacted
        self._flush = flush
        self.committed: dict[TopicPartition, list[Batch]] = {}
        self.states: dict[TopicPartition, LeaderAndIsr] = {}
        self.controller = 0
        """The broker that is controller, as far as the coordinator knows."""
        self.controller_epoch = 0
        self.registered: dict[int, int] = {}
        """Broker -> czxid of its registration."""
        self.in_doubt: dict[int, None] = {}
        """Brokers whose newest registration says that their machine crashed (KIP-966)."""
        self.assignments: dict[TopicPartition, tuple[int, ...]] = {}
        self._created: dict[TopicPartition, int] = {}
        """czxid of a partition's state."""
        self.checks = 0
        self._fail = fail
        self._min_isr = min_isr
        self._controller_since = 0
        self._lives: dict[int, int] = {}
        self._written: dict[tuple[TopicPartition, int, int], Batch] = {}
        self._led: dict[tuple[TopicPartition, int], tuple[int, int]] = {}
        self._views: dict[tuple[int, TopicPartition], tuple[int, ...]] = {}
        self._proposed: dict[tuple[int, TopicPartition], tuple[int, ...]] = {}
        self._watermarks: dict[tuple[int, TopicPartition, int], int] = {}
        self._obeyed: dict[int, int] = {}
        self._sessions: dict[int, None] = {}
        self._weak: dict[tuple[int, TopicPartition], int] = {}
        self._moves = Moves()

    # -- what is known ---------------------------------------------------------------------------

    def end(self, tp: TopicPartition) -> int:
        """Everything below was committed at some time."""
        batches = self.committed.get(tp)
        return batches[-1].last + 1 if batches else 0

    def isr(self, tp: TopicPartition) -> tuple[int, ...]:
        """As the coordinator has it."""
        state = self.states.get(tp)
        return () if state is None else state.isr

    def is_deposed(self, broker: int, topic: str) -> bool:
        """Whether it still leads a partition for which the coordinator has another leader: cut off,
        it has not heard of that. What it answers may be old; what it writes is not committed."""
        return any(
            number == broker and tp.topic == topic and self.states[tp].leader != broker
            for number, tp in self._views
            if tp in self.states
        )

    def lost_power(self, broker: int) -> None:
        """What this broker had not flushed may be gone, and it need not have flushed."""
        for tp in self.states:
            self._weak[broker, tp] = self.registered.get(broker, 0)

    def held(self) -> bool:
        """Some partition waits for an operator: its last member may lack something (KIP-966)."""
        return any(s.leader == NO_LEADER and s.recovering for s in self.states.values())

    def can_lose(self, broker: int) -> bool:
        """Whether the promise says that nothing acknowledged is lost if this broker's machine
        loses what was not flushed: another ISR member of each partition has it all, and has said
        so. Two that may both lack something are not told apart."""
        return bool(self.states) and all(
            any(
                m != broker and (m, tp) not in self._weak and m not in self.in_doubt
                for m in state.isr
            )
            for tp, state in self.states.items()
        )

    # -- what happens ----------------------------------------------------------------------------

    def on_note(self, who: str, life: int, event: str, fields: Mapping[str, Any]) -> None:
        """A process noted something; brokers are called b1, b2 and so on."""
        if event == "session_began":
            self._session_began(fields["session"])
        elif event == "acknowledged":
            self._acknowledged(fields)
        if not (who[0] == "b" and who[1:].isdigit()):
            return
        broker = int(who[1:])
        if self._lives.get(broker) != life:
            self._begin_life(broker, life)
        handler = _HANDLERS.get(event)
        if handler is not None:
            handler(self, broker, fields)

    def _begin_life(self, broker: int, life: int) -> None:
        self._lives[broker] = life
        self._obeyed.pop(broker, None)
        self.shadows.restarted(broker)
        for known in (self._views, self._proposed):
            for key in [key for key in known if key[0] == broker]:
                del known[key]
        for mark in [key for key in self._watermarks if key[0] == broker]:
            del self._watermarks[mark]

    def _session_began(self, session: int) -> None:
        if session in self._sessions:
            self._fail("SessionIds", f"session {session:#x} began twice")
        self._sessions[session] = None

    def _acknowledged(self, fields: Mapping[str, Any]) -> None:
        topic, _, number = str(fields["key"]).rpartition("-")
        tp = TopicPartition(topic, int(number))
        self.checks += 1
        after = fields["offset"] + fields["count"]
        if after > self.end(tp):
            text = f"{tp} up to {after} was acknowledged, but committed only to {self.end(tp)}"
            self._fail("AckRule", text)

    def _became_leader(self, broker: int, fields: Mapping[str, Any]) -> None:
        tp, epoch = _name(fields), fields["epoch"]
        self._views[broker, tp] = tuple(fields["isr"])
        self._proposed.pop((broker, tp), None)
        life = (broker, self._lives[broker])
        before = self._led.setdefault((tp, epoch), life)
        if before != life:
            text = f"{tp} epoch {epoch}: led by life {before[1]} of broker {before[0]}"
            text += f", and by life {life[1]} of broker {broker}"
            self._fail("OneLeaderPerEpoch", text)
        log = self._look(broker, tp)
        state = self.states.get(tp)
        if state is not None and state.leader_epoch == epoch:
            self._holds_committed("LeaderComplete", broker, tp, log)
            self._strong_isr(tp)

    def _became_follower(self, broker: int, fields: Mapping[str, Any]) -> None:
        tp = _name(fields)
        self._views.pop((broker, tp), None)
        self._proposed.pop((broker, tp), None)
        self._look(broker, tp)
        self._strong_isr(tp)

    def _watermark(self, broker: int, fields: Mapping[str, Any]) -> None:
        tp, offset = _name(fields), fields["offset"]
        log = self._look(broker, tp)
        if fields["role"] == "leader":
            self._leader_watermark(broker, tp, fields["epoch"], offset, log)
        elif offset > self.end(tp):
            text = f"{tp} on follower {broker}: {offset}, committed is {self.end(tp)}"
            self._fail("ValidHighWatermark", text)
        else:
            self._agrees("CommittedPrefix", broker, tp, log, offset)

    def _leader_watermark(
        self, broker: int, tp: TopicPartition, epoch: int, offset: int, log: ShadowLog
    ) -> None:
        last = self._watermarks.get((broker, tp, epoch), -1)
        if offset < last:
            text = f"{tp} on leader {broker}: from {last} to {offset} in epoch {epoch}"
            self._fail("MonotonicHighWatermark", text)
        self._watermarks[broker, tp, epoch] = offset
        view = self._views.get((broker, tp), ())
        if len(view) < self._min_isr:
            self._fail("MinIsr", f"{tp} on leader {broker}: advanced with ISR {view}")
        self._agrees("CommittedPrefix", broker, tp, log, min(offset, self.end(tp)))
        self._commit(broker, tp, offset, log)
        self._strong_isr(tp)
        if self._flush and tp.topic not in self._compacted:
            self._on_disk(tp, offset, view)
        for member in self._proposed.get((broker, tp), ()):
            held = self.shadows.get(member, tp)
            if held is not None and (member, tp) not in self._weak:
                self._refresh(member, tp, held)
                self._agrees("ValidHighWatermark", member, tp, held, offset)

    def _on_disk(self, tp: TopicPartition, offset: int, isr: tuple[int, ...]) -> None:
        """What counts as replicated is on the disk of every member of the leader's ISR."""
        for member in isr:
            held = self.shadows.get(member, tp)
            if held is not None and not held.is_durable(offset):
                text = (
                    f"{tp} on broker {member}: {offset} counts as flushed, but is not on its disk"
                )
                self._fail("Durable", text)

    def _commit(self, broker: int, tp: TopicPartition, offset: int, log: ShadowLog) -> None:
        committed = self.committed.setdefault(tp, [])
        end = self.end(tp)
        if log.end < offset:
            text = f"{tp} on leader {broker}: {offset}, its log ends at {log.end}"
            self._fail("ValidHighWatermark", text)
        for batch in log.batches[bisect_left(log.batches, (end,)) :]:
            if batch.last < offset:
                committed.append(batch)

    def _truncated(self, broker: int, fields: Mapping[str, Any]) -> None:
        tp = _name(fields)
        log = self.shadows.get(broker, tp)
        if log is not None:
            log.forget()
        self._look(broker, tp)
        self._strong_isr(tp)

    def _isr_proposed(self, broker: int, fields: Mapping[str, Any]) -> None:
        self._proposed[broker, _name(fields)] = tuple({*fields["isr"], *fields["last_isr"]})

    def _isr_refused(self, broker: int, fields: Mapping[str, Any]) -> None:
        self._proposed.pop((broker, _name(fields)), None)

    def _isr_changed(self, broker: int, fields: Mapping[str, Any]) -> None:
        if "partition_epoch" not in fields:
            return  # the controller's view of the same
        self._views[broker, _name(fields)] = tuple(fields["isr"])
        self._proposed.pop((broker, _name(fields)), None)

    def _ordered(self, broker: int, fields: Mapping[str, Any]) -> None:
        epoch = fields["controller_epoch"]
        highest = self._obeyed.get(broker, -1)
        if epoch < highest:
            text = f"broker {broker} obeys controller epoch {epoch} after {highest}"
            self._fail("FencedController", text)
        self._obeyed[broker] = max(epoch, highest)

    # -- the coordinator -------------------------------------------------------------------------

    def on_commit(self, batch: StoreBatch) -> None:
        """The coordinator has made changes durable."""
        for gone in filter(None, map(paths.parse_partition_state_path, batch.deleted_paths)):
            self._forget(gone)
        states = []
        for node in batch.nodes:
            if node.path == paths.CONTROLLER_EPOCH:
                self._controller_epoch_written(node)
            elif node.path.startswith(paths.BROKER_IDS + "/"):
                self._broker_registered(node)
            elif node.path == paths.CONTROLLER:
                self.controller = decode_controller(node.path, node.data).broker_id
            elif node.path.endswith("/state"):
                states.append(node)
            elif node.path.startswith(paths.TOPICS + "/") and node.path.count("/") == 3:
                self._assigned(node)
        for node in states:
            tp = paths.parse_partition_state_path(node.path)
            if tp is not None:
                self._state_written(tp, node)

    def _forget(self, tp: TopicPartition) -> None:
        """Its topic was deleted; one of its name has nothing to do with it."""
        self.states.pop(tp, None)
        self._created.pop(tp, None)
        self.assignments.pop(tp, None)
        self.committed.pop(tp, None)
        self.shadows.forget(tp)
        known: Sequence[dict[Any, Any]] = (
            self._written, self._led, self._views, self._proposed, self._watermarks, self._weak
        )  # fmt: skip
        for each in known:
            for key in [key for key in each if tp in key]:
                del each[key]

    def _broker_registered(self, node: StoredNode) -> None:
        broker = int(node.path.rpartition("/")[2])
        self.registered[broker] = node.czxid
        if decode_broker(node.path, node.data, node.czxid).unclean_start:
            self.in_doubt[broker] = None
        else:
            self.in_doubt.pop(broker, None)

    def _assigned(self, node: StoredNode) -> None:
        topic = node.path.rpartition("/")[2]
        znode = decode_topic(node.path, node.data)
        for number, replicas in znode.partitions.items():
            tp = TopicPartition(topic, number)
            self.assignments[tp] = replicas
            adding, removing = znode.adding.get(number, ()), znode.removing.get(number, ())
            wrong = self._moves.assigned(tp, replicas, adding, removing, self.isr(tp))
            if wrong:
                self._fail("MovedInSync", wrong)

    def _controller_epoch_written(self, node: StoredNode) -> None:
        epoch = decode_controller_epoch(node.path, node.data)
        if epoch < self.controller_epoch:
            text = f"controller epoch went from {self.controller_epoch} to {epoch}"
            self._fail("Monotonic", text)
        self.controller_epoch, self._controller_since = epoch, node.mzxid

    def _state_written(self, tp: TopicPartition, node: StoredNode) -> None:
        state = decode_partition_state(node.path, node.data, node.version)
        if self._created.setdefault(tp, node.czxid) != node.czxid:
            assigned = self.assignments[tp]
            self._forget(tp)  # deleted and made again within one commit
            self.assignments[tp], self._created[tp] = assigned, node.czxid
        before = self.states.get(tp)
        self.states[tp] = state
        self._moves.in_sync(tp, state.isr)
        self.checks += 1
        if state.leader != NO_LEADER and state.leader not in state.isr:
            self._fail("LeaderInIsr", f"{tp}: leader {state.leader}, ISR {state.isr}")
        if before is not None and (
            state.leader_epoch < before.leader_epoch
            or state.partition_epoch < before.partition_epoch
            or state.controller_epoch < before.controller_epoch
        ):
            self._fail("Monotonic", f"{tp}: from {before} to {state}")
        epoch = self.controller_epoch
        if node.mzxid > self._controller_since and state.controller_epoch != epoch:
            text = f"{tp}: written by controller {state.controller_epoch}, {epoch} was elected"
            self._fail("FencedController", text)
        for member in state.isr if state.leader != NO_LEADER else ():
            registered = self.registered.get(member, 0)
            if self._weak.get((member, tp), registered) < registered < node.mzxid:
                del self._weak[member, tp]
        self._strong_isr(tp)

    # -- agreement -------------------------------------------------------------------------------

    def _strong_isr(self, tp: TopicPartition) -> None:
        """Everything that consumers were shown is on every replica that could be elected."""
        for member in self.isr(tp):
            log = self.shadows.get(member, tp)
            if log is not None and (member, tp) not in self._weak:
                self._refresh(member, tp, log)
                self._holds_committed("StrongIsr", member, tp, log)

    def _holds_committed(
        self, invariant: str, broker: int, tp: TopicPartition, log: ShadowLog
    ) -> None:
        self._agrees(invariant, broker, tp, log, self.end(tp))

    def _agrees(
        self, invariant: str, broker: int, tp: TopicPartition, log: ShadowLog, offset: int
    ) -> None:
        """The log holds every committed batch below ``offset``, and nothing else there; but what
        retention or the cleaner has removed."""
        self.checks += 1
        committed, position = self.committed.get(tp, []), log.verified
        if position >= len(committed) or committed[position].base >= offset:
            return
        held = log.batches
        at = bisect_left(held, (committed[position].base,))
        while position < len(committed) and committed[position].base < offset:
            want = committed[position]
            have = held[at] if at < len(held) else None
            if have != want and not self._may_lack(tp, log, want, have):
                text = f"{tp} on broker {broker}: committed {want}, it has {have}"
                text += f" (state {self.states.get(tp)})"
                self._fail(invariant, text)
                return
            at += have is not None and have.base == want.base
            position += 1
        log.verified = position

    def _may_lack(
        self, tp: TopicPartition, log: ShadowLog, want: Batch, have: Batch | None
    ) -> bool:
        """Retention has deleted it, or a cleaner changed or removed it, here or on the leader that
        it was not copied from. Where the leader's log begins, a follower's own end of an earlier
        epoch cannot be told from the leader's: what is below goes when the follower hears of the
        start, after it has heard of the watermark."""
        cleaned = tp.topic in self._compacted and want.base < self.shadows.cleanable(tp)
        if have is None or have.base > want.base:
            return want.base < log.start or cleaned
        if cleaned and have[:3] == want[:3]:
            return True
        state = self.states.get(tp)
        leader = None if state is None else self.shadows.get(state.leader, tp)
        if state is None or leader is None or leader is log:
            return False
        self._refresh(state.leader, tp, leader)
        return have.last < leader.oldest

    def _refresh(self, broker: int, tp: TopicPartition, log: ShadowLog) -> None:
        log.refresh(lambda batch: self._saw(tp, batch))
        if log.oldest > self.end(tp):
            text = f"{tp} on broker {broker} begins at {log.oldest}, committed is {self.end(tp)}"
            self._fail("DeletedUncommitted", text)

    def _look(self, broker: int, tp: TopicPartition) -> ShadowLog:
        log = self.shadows.opened(broker, tp)
        had = len(log.batches)
        self._refresh(broker, tp, log)
        start = max(1, had if had <= len(log.batches) else 1)
        gaps = tp.topic in self._compacted
        for one, other in zip(log.batches[start - 1 :], log.batches[start:], strict=False):
            follows = other.base > one.last if gaps else other.base == one.last + 1
            if other.epoch < one.epoch or not follows:
                self._fail("EpochOrder", f"{tp} on broker {broker}: {other} after {one}")
        return log

    def _saw(self, tp: TopicPartition, batch: Batch) -> None:
        known = self._written.setdefault((tp, batch.base, batch.epoch), batch)
        if known != batch and (tp.topic not in self._compacted or known[:3] != batch[:3]):
            self._fail("OneValue", f"{tp}: {batch} and {known} in one epoch")

    def level(self, tp: TopicPartition) -> str:
        """After healing, without writes: empty if all replicas hold the same, else why not."""
        latest = None
        for broker in self.assignments.get(tp, ()):
            log = self.shadows.get(broker, tp)
            if log is None:
                return f"{tp} has no role on broker {broker}"
            log.forget()
            self._refresh(broker, tp, log)
            if log.end != self.end(tp):
                return f"{tp} on broker {broker} ends at {log.end}, committed is {self.end(tp)}"
            self._holds_committed("Level", broker, tp, log)
            if tp.topic in self._compacted:
                values = log.latest()
                if latest is not None and values != latest:
                    self._fail("Level", f"{tp} on broker {broker}: {_differing(values, latest)}")
                latest = values
        return ""


def _differing(one: Mapping[bytes, object], other: Mapping[bytes, object]) -> str:
    keys = [key for key in sorted({*one, *other}) if one.get(key) != other.get(key)]
    return "; ".join(f"{key!r}: {one.get(key)} and {other.get(key)}" for key in keys[:3])


def _name(fields: Mapping[str, Any]) -> TopicPartition:
    return TopicPartition(fields["topic"], fields["partition"])


_HANDLERS: Mapping[str, Callable[[Invariants, int, Mapping[str, Any]], None]] = {
    "became_leader": Invariants._became_leader,
    "became_follower": Invariants._became_follower,
    "high_watermark": Invariants._watermark,
    "truncated": Invariants._truncated,
    "isr_expand_proposed": Invariants._isr_proposed,
    "isr_shrink_proposed": Invariants._isr_proposed,
    "isr_proposal_refused": Invariants._isr_refused,
    "isr_changed": Invariants._isr_changed,
    "controller_order": Invariants._ordered,
}
