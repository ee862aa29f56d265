"""The cluster as its znodes show it, kept current by watches.

Every relevant node is read with a watch. When a watch fires its node is read again; many such reads
are in flight together. Nothing is written, and the session has no ephemeral nodes. It works the
same with Kafka 3.x in ZooKeeper mode.

A watch fires once, and does not say what changed. So two quick changes of one partition may be seen
as one; ``partition_epoch`` tells how many were not seen.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from typing import Final

from barnabas.console.hub import Hub
from barnabas.console.model import (
    BrokerState,
    ControllerState,
    PartitionState,
    Snapshot,
    TopicState,
)
from barnabas.names import is_topic, number_in
from barnabas.seams import Env
from barnabas.types import LeaderAndIsr, TopicPartition, topic_id_text
from barnabas.zk import paths
from barnabas.zk.startup import listed_broker_ids
from barnabas.zk.znodes import (
    TopicZNode,
    decode_broker,
    decode_cluster_id,
    decode_config,
    decode_controller,
    decode_controller_epoch,
    decode_partition_state,
    decode_topic,
)
from barnabas.zookeeper.client.client import SessionState, ZooKeeperClient
from barnabas.zookeeper.client.operations import (
    AnyOperation,
    ChildrenOp,
    ExistsOp,
    GetOp,
    WatchEvent,
)
from barnabas.zookeeper.client.security import OPEN, ZooKeeperSecurity
from barnabas.zookeeper.errors import (
    AuthFailed,
    ConnectionLoss,
    MalformedZNode,
    NoNode,
    SessionExpired,
    ZooKeeperError,
)
from barnabas.zookeeper.messages import EventType, Stat

log = logging.getLogger("barnabas.console")

PARTITIONS_MAX: Final = 100_000
"""If there are more only the first ones by topic are watched and shown, and the console says so."""
SESSION_TIMEOUT_MS: Final = 6_000
PAUSE_S: Final = 0.5

_ROOTS: Final = (
    paths.CLUSTER_ID,
    paths.CONTROLLER,
    paths.CONTROLLER_EPOCH,
    paths.BROKER_IDS,
    paths.TOPICS,
)
_LISTS: Final = (paths.BROKER_IDS, paths.TOPICS)
_CONFIG_TOPICS: Final = "/config/topics/"
_BELOW_TOPICS: Final = (paths.TOPICS + "/", _CONFIG_TOPICS)


@dataclass(slots=True)
class _Known:
    """What has been read so far, decoded."""

    cluster_id: str | None = None
    controller: int = -1
    controller_since: tuple[int, int] = (-1, 0)
    """Time in ms and zxid of the creation of the controller's node."""
    controller_epoch: int = -1
    brokers: dict[int, BrokerState] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    """Names of the topics that exist."""
    topics: dict[str, TopicZNode] = field(default_factory=dict)
    states: dict[TopicPartition, tuple[LeaderAndIsr, Stat]] = field(default_factory=dict)
    partitions: int = 0
    """The partitions of all topics together."""
    min_isr: dict[str, int] = field(default_factory=dict)
    made: dict[str, TopicState] = field(default_factory=dict)
    """Topics as they were last published, without those that have changed since."""


class ZooKeeperSource:
    """Publishes to ``hub`` until it is cancelled."""

    def __init__(
        self,
        env: Env,
        connect_string: str,
        hub: Hub,
        *,
        session_timeout_ms: int = SESSION_TIMEOUT_MS,
        partitions_max: int = PARTITIONS_MAX,
        security: ZooKeeperSecurity = OPEN,
    ) -> None:
        self._env = env
        self._hub = hub
        self._partitions_max = partitions_max
        self._known = _Known()
        self._left_out: dict[str, int] = {}
        """How many partitions are not shown because there are too many, by topic."""
        self._dirty: dict[str, bool] = {}
        """Paths to read again. True: the node did not exist, so watch for its creation."""
        self._wake = asyncio.Event()
        self.min_isr_default = 1
        """``min.insync.replicas`` of topics without a setting of their own."""
        self.zookeeper = ZooKeeperClient(
            env,
            connect_string,
            session_timeout_ms,
            on_event=self._fired,
            on_session=self._session_changed,
            security=security,
        )

    async def run(self) -> None:
        """Read everything, then each change. Raises AuthFailed if the server refuses the login,
        and NoNode if there is no node of the connect string's path: a console creates none."""
        try:
            await self.zookeeper.connect(create_chroot=False)
            self._begin()
            while True:
                try:
                    await self._follow()
                except SessionExpired:
                    await self._new_session()
                except ConnectionLoss:
                    pass
        finally:
            await self.zookeeper.close()

    def _begin(self) -> None:
        """Forget what was read, since the watches on it are gone. The hub keeps its snapshot."""
        self._known = _Known()
        self._left_out = {}
        self._dirty = dict.fromkeys(_ROOTS, False)

    async def _new_session(self) -> None:
        self._hub.say_trouble("the ZooKeeper session has expired: what is shown may be old")
        while True:
            try:
                await self.zookeeper.new_session()
                return self._begin()
            except AuthFailed:
                raise
            except ZooKeeperError as error:
                log.warning("no new ZooKeeper session: %s", error)
                await asyncio.sleep(PAUSE_S)

    async def _follow(self) -> None:
        """Read what has changed and publish it, again and again. Raises the connection's error.
        Then it can be called again: nodes that could not be read are still marked for reading."""
        while True:
            await self.zookeeper.connected()
            while self._dirty:
                await self._read_dirty()
            self._publish()
            while not self._dirty and self.zookeeper.state is SessionState.CONNECTED:
                self._wake.clear()
                await self._wake.wait()

    def _fired(self, event: WatchEvent) -> None:
        path = event.path
        if event.type == EventType.NODE_DELETED and path.startswith(_BELOW_TOPICS):
            self._deleted(path)
        self._dirty[path] = False
        self._wake.set()

    def _deleted(self, path: str) -> None:
        """Forget the topic of a deleted node. A later node at the same path belongs to a new topic
        of that name."""
        name = path.removeprefix(paths.TOPICS + "/").removeprefix(_CONFIG_TOPICS).partition("/")[0]
        self._forget(name)

    def _session_changed(self, state: SessionState) -> None:
        if state is SessionState.DISCONNECTED:
            self._hub.say_trouble("no connection to ZooKeeper: what is shown may be old")
        self._wake.set()

    # --- reading ----------------------------------------------------------------------------------

    async def _read_dirty(self) -> None:
        """Read all that has changed, with many reads in flight; mark the paths that follow from
        the answers."""
        again, self._dirty = self._dirty, {}
        ops = [_op(path, gone) for path, gone in again.items() if self._is_wanted(path)]
        try:
            outcomes = await self.zookeeper.submit_all(ops)
        except BaseException:
            self._dirty = {**again, **self._dirty}
            raise
        lost = next((o for o in outcomes if isinstance(o, ConnectionLoss | SessionExpired)), None)
        if lost is not None:
            self._dirty = {**again, **self._dirty}
            raise lost
        for op, outcome in zip(ops, outcomes, strict=True):
            if isinstance(outcome, ZooKeeperError):
                if not isinstance(outcome, NoNode):
                    log.warning("cannot be read: %s", outcome)
                outcome = None
            for path in self._take(op, outcome):
                self._dirty.setdefault(path, False)

    def _is_wanted(self, path: str) -> bool:
        """Whether a node is outside of topics, or below a topic that exists."""
        if path.startswith(_CONFIG_TOPICS):
            return path.removeprefix(_CONFIG_TOPICS) in self._known.listed
        tp = paths.parse_partition_state_path(path)
        return tp is None or tp.topic in self._known.topics

    def _take(self, op: AnyOperation, outcome: object) -> list[str]:
        """Keep one answer (None: the node does not exist). Returns the paths to read next."""
        path = op.path or ""
        if isinstance(op, ExistsOp):
            return [] if outcome is None else [path]
        if outcome is None and not path.startswith((paths.BROKER_IDS + "/", paths.TOPICS + "/")):
            self._dirty.setdefault(path, True)
        try:
            if path == paths.BROKER_IDS:
                return self._take_broker_ids(outcome)
            if path == paths.TOPICS:
                return self._take_topics(outcome)
            return self._take_node(path, outcome)
        except MalformedZNode as error:
            log.warning("ignored: %s", error)
            return []

    def _take_node(self, path: str, outcome: object) -> list[str]:
        found: tuple[bytes, Stat] | None = outcome  # type: ignore[assignment]
        if path == paths.CLUSTER_ID:
            self._known.cluster_id = None if found is None else decode_cluster_id(path, found[0])
        elif path == paths.CONTROLLER:
            self._take_controller(path, found)
        elif path == paths.CONTROLLER_EPOCH:
            self._known.controller_epoch = (
                -1 if found is None else decode_controller_epoch(path, found[0])
            )
        elif path.startswith(paths.BROKER_IDS):
            self._take_broker(path, found)
        elif path.startswith(_CONFIG_TOPICS):
            self._take_config(path, found)
        elif (tp := paths.parse_partition_state_path(path)) is not None:
            self._take_state(path, tp, found)
        elif path.startswith(paths.TOPICS) and path.count("/") == 3:
            return self._take_topic(path, found)
        return []

    def _take_controller(self, path: str, found: tuple[bytes, Stat] | None) -> None:
        known = self._known
        if found is None:
            known.controller, known.controller_since = -1, (-1, 0)
        else:
            known.controller = decode_controller(path, found[0]).broker_id
            known.controller_since = (found[1].ctime, found[1].czxid)

    def _take_broker_ids(self, outcome: object) -> list[str]:
        names: list[str] = [] if outcome is None else outcome[0]  # type: ignore[index]
        ids = listed_broker_ids(names)
        for gone in [i for i in self._known.brokers if i not in ids]:
            del self._known.brokers[gone]
        return [paths.broker_id_path(i) for i in ids if i not in self._known.brokers]

    def _take_broker(self, path: str, found: tuple[bytes, Stat] | None) -> None:
        broker_id = number_in(path.rpartition("/")[2])
        if broker_id is None:
            return
        self._known.brokers.pop(broker_id, None)
        if found is not None:
            data, stat = found
            broker = decode_broker(path, data, stat.czxid)
            self._known.brokers[broker_id] = BrokerState(
                id=broker_id,
                epoch=broker.epoch,
                endpoints=broker.endpoints,
                rack=broker.rack,
                since_ms=stat.ctime,
            )

    def _take_topics(self, outcome: object) -> list[str]:
        names: list[str] = [] if outcome is None else outcome[0]  # type: ignore[index]
        there = {name for name in names if is_topic(name)}
        for gone in sorted(self._known.listed.difference(there)):
            self._forget(gone)
        new = sorted(there.difference(self._known.listed))
        self._known.listed.update(new)
        return [paths.topic_path(name) for name in new]

    def _take_topic(self, path: str, found: tuple[bytes, Stat] | None) -> list[str]:
        name = path.rpartition("/")[2]
        known = self._known
        if found is None:
            self._forget(name)
            return []
        topic = decode_topic(path, found[0])
        old = known.topics.get(name)
        if old is not None and old.topic_id != topic.topic_id:
            self._forget(name)
            old = None
        before = 0 if old is None else len(old.partitions)
        if known.partitions - before + len(topic.partitions) > self._partitions_max:
            self._left_out[name] = len(topic.partitions)
            return []
        self._left_out.pop(name, None)
        known.partitions += len(topic.partitions) - before
        known.listed.add(name)
        known.topics[name] = topic
        known.made.pop(name, None)
        read = {} if old is None else old.partitions
        new = [number for number in topic.partitions if number not in read]
        more = [paths.partition_state_path(name, number) for number in new]
        return more if old is not None else [_CONFIG_TOPICS + name, *more]

    def _take_config(self, path: str, found: tuple[bytes, Stat] | None) -> None:
        name = path.removeprefix(_CONFIG_TOPICS)
        text = "" if found is None else decode_config(path, found[0]).get("min.insync.replicas", "")
        number = number_in(text)
        if number is None:
            self._known.min_isr.pop(name, None)
        else:
            self._known.min_isr[name] = number
        self._known.made.pop(name, None)

    def _take_state(self, path: str, tp: TopicPartition, found: tuple[bytes, Stat] | None) -> None:
        self._known.made.pop(tp.topic, None)
        if found is None:
            self._known.states.pop(tp, None)
            self._dirty.setdefault(path, True)
        elif tp.topic in self._known.topics:
            data, stat = found
            self._known.states[tp] = (decode_partition_state(path, data, stat.version), stat)

    def _forget(self, topic: str) -> None:
        known = self._known
        body = known.topics.pop(topic, None)
        if body is not None:
            known.partitions -= len(body.partitions)
            for number in body.partitions:
                known.states.pop(TopicPartition(topic, number), None)
        known.listed.discard(topic)
        known.made.pop(topic, None)
        known.min_isr.pop(topic, None)
        self._left_out.pop(topic, None)

    # --- publishing -------------------------------------------------------------------------------

    def _publish(self) -> None:
        known = self._known
        topics = {}
        for name in sorted(known.topics):
            made = known.made.get(name)
            if made is None:
                known.made[name] = made = self._topic_state(name, known.topics[name])
            topics[name] = made
        since_ms, zxid = known.controller_since
        snapshot = Snapshot(
            cluster_id=known.cluster_id,
            controller=ControllerState(
                broker=known.controller,
                epoch=known.controller_epoch,
                since_ms=since_ms,
                zxid=zxid,
            ),
            brokers={i: known.brokers[i] for i in sorted(known.brokers)},
            topics=topics,
        )
        left_out = sum(self._left_out.values())
        self._hub.publish(snapshot, self._env.clock.wall_ms())
        self._hub.say_trouble(f"{left_out} partitions are not shown" if left_out else None)

    def _topic_state(self, name: str, body: TopicZNode) -> TopicState:
        old = self._hub.snapshot.topics.get(name)
        partitions = {}
        for number, replicas in body.partitions.items():
            made = self._partition_state(name, number, replicas, body)
            known = None if old is None else old.partitions.get(number)
            partitions[number] = known if known == made and known is not None else made
        return TopicState(
            name=name,
            topic_id=None if body.topic_id is None else topic_id_text(body.topic_id),
            min_isr=self._known.min_isr.get(name, self.min_isr_default),
            partitions=partitions,
        )

    def _partition_state(
        self, topic: str, number: int, replicas: tuple[int, ...], body: TopicZNode
    ) -> PartitionState:
        assigned = PartitionState(
            replicas=replicas,
            adding=body.adding.get(number, ()),
            removing=body.removing.get(number, ()),
        )
        found = self._known.states.get(TopicPartition(topic, number))
        if found is None:
            return assigned
        state, stat = found
        return replace(
            assigned,
            leader=state.leader,
            leader_epoch=state.leader_epoch,
            isr=state.isr,
            partition_epoch=state.partition_epoch,
            controller_epoch=state.controller_epoch,
            recovering=state.recovering,
            changed_ms=stat.mtime,
            zxid=stat.mzxid,
        )


def _op(path: str, gone: bool) -> AnyOperation:
    """The operation for a path. Reading a node that does not exist sets no watch, so then its
    existence is asked for."""
    if gone:
        return ExistsOp(path, True)
    return ChildrenOp(path, True) if path in _LISTS else GetOp(path, True)
