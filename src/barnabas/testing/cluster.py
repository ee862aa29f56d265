"""Real clusters for tests: brokers, a coordinator, and methods that make them fail.

``Cluster`` is for tests without asyncio. ``async with Cluster() as cluster`` gives an
``AsyncCluster``, whose methods are the same but must be awaited.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from barnabas.cluster.profiles import TEST, Profile, profile_named
from barnabas.testing.async_cluster import AsyncCluster
from barnabas.testing.core import Direction, Others, Target
from barnabas.testing.faults import Fault
from barnabas.testing.records import Expected, TestRecord
from barnabas.testing.run import Life, View

if TYPE_CHECKING:
    from barnabas.testing.control import ControlAddress

T = TypeVar("T")

START_TIMEOUT_S = 30.0
WAIT_S = 10.0


class Cluster(View):
    """A cluster for tests. A context manager.

    Brokers are named by their ids. A ``Target`` may also be ``"controller"``, ``"coordinator"`` or
    ``"leader:TOPIC/PARTITION"``. A wait that takes too long raises ``TimedOut``, an AssertionError
    that shows the last events.
    """

    def __init__(
        self,
        brokers: int = 3,
        *,
        in_process: bool = False,
        settings: Mapping[str, object] | None = None,
        profile: Profile | str = TEST,
        directory: str | Path | None = None,
        port: int | None = None,
        start_timeout_s: float = START_TIMEOUT_S,
        wait_s: float = WAIT_S,
        faults_seed: int = 0,
        http: bool = False,
        racks: Sequence[str] = (),
    ) -> None:
        """Nothing is started before ``start`` or ``with``.

        ``brokers``: how many; their ids are 1, 2, 3 …, and the system chooses their ports.
        ``in_process``: run all nodes on one loop in a thread of this process. It is the same code,
        starts faster, and uses one core. Otherwise each node is a process of its own.
        ``settings``: Kafka's settings for every broker; they override those of ``profile``.
        ``directory``: where files are written and kept. Without it they are removed at the end, and
        are in memory if the profile says so.
        ``port``: that of the first broker; the others have the next ones.
        ``wait_s``: the longest time of waits that are called without ``timeout_s``.
        ``faults_seed``: the seed for ``faults`` with a probability.
        ``http``: each broker shows its metrics, health and events over HTTP (``http_url``).
        ``racks``: the rack of each broker (``broker.rack``). Consumers with a rack read from a
        follower there if ``settings`` have ``replica.selector.class`` (KIP-392).
        Raises ValueError if there are not as many racks as brokers.
        """
        if racks and len(racks) != brokers:
            raise ValueError(f"{len(racks)} racks for {brokers} brokers")
        options = {
            "in_process": in_process,
            "settings": dict(settings or {}),
            "profile": profile_named(profile) if isinstance(profile, str) else profile,
            "directory": None if directory is None else Path(directory).resolve(),
            "port": port,
            "start_timeout_s": start_timeout_s,
            "wait_s": wait_s,
            "faults_seed": faults_seed,
            "http": http,
            "racks": tuple(racks),
        }
        super().__init__(Life(brokers, options))

    def start(self) -> Self:
        """Start the cluster. Returns when every broker serves and there is a controller. Raises
        TimedOut, ConfigError, and OSError if ``port`` is taken."""
        self._life.start()
        return self

    def close(self) -> None:
        """End all nodes at once. A second call does nothing."""
        self._life.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def serve_control(self, port: int = 0) -> ControlAddress:
        """Let programs in any language do what this class does, over HTTP on loopback, until the
        cluster is closed. The paths are in docs/testing.md. Raises OSError."""
        return self._life.running.serve_control(port)

    @property
    def aio(self) -> AsyncCluster:
        """The same cluster for asyncio code: its methods are coroutines."""
        return AsyncCluster(self._life)

    async def __aenter__(self) -> AsyncCluster:
        return await self.aio.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aio.close()

    # State

    def leader_of(self, topic: str, partition: int = 0) -> int | None:
        """The id of a partition's leader; None if it has none."""
        return self._do(self._core.leader_of(topic, partition))

    def isr_of(self, topic: str, partition: int = 0) -> set[int]:
        """The in-sync replicas of a partition."""
        return self._do(self._core.isr_of(topic, partition))

    def controller(self) -> int | None:
        """The id of the controller; None if there is none."""
        return self._do(self._core.controller())

    # Topics and records

    def create_topic(
        self,
        name: str,
        partitions: int = 1,
        replicas: int | None = None,
        *,
        min_isr: int | None = None,
        assignments: Mapping[int, Sequence[int]] | None = None,
        timeout_s: float | None = None,
        **configs: object,
    ) -> str:
        """Create a topic. Returns its name once every broker knows its leaders.

        ``replicas``: by default three, or the number of brokers if that is less. ``assignments``:
        the replicas of each partition, instead of ``partitions`` and ``replicas``. ``configs``: the
        topic's settings, with ``_`` for ``.``. Raises ClientError."""
        return self._do(
            self._core.create_topic(
                name, partitions, replicas, min_isr, configs, assignments, timeout_s
            )
        )

    def produce(
        self,
        topic: str,
        values: Iterable[Expected],
        partition: int = 0,
        *,
        acks: int = -1,
        timeout_s: float | None = None,
    ) -> int:
        """Write values, or pairs of key and value, as one batch. Needs no client library.

        Returns the offset of the first record. The batch is sent again until it is acknowledged.
        Raises Unreachable if that takes too long, and ClientError for an error that stays."""
        return self._do(
            self._core.produce(topic, values, partition, acks=acks, timeout_s=timeout_s)
        )

    def records(
        self, topic: str, partition: int | None = None, *, read_committed: bool = False
    ) -> list[TestRecord]:
        """All records of a topic or of one partition, by partition and offset. Needs no client
        library. With ``read_committed`` records of open and aborted transactions are left out."""
        return self._do(self._core.records(topic, partition, read_committed=read_committed))

    def assert_records(
        self,
        topic: str,
        expected: Iterable[Expected],
        partition: int | None = None,
        *,
        in_order: bool = True,
        read_committed: bool = False,
        timeout_s: float | None = None,
    ) -> None:
        """Wait until a topic has exactly these records: values, or pairs of key and value; text is
        encoded as UTF-8. Raises TimedOut, whose text says what is missing or not expected."""
        self._do(
            self._core.assert_records(
                topic,
                expected,
                partition,
                in_order=in_order,
                read_committed=read_committed,
                timeout_s=timeout_s,
            )
        )

    # Waits

    def wait_for_leader(
        self,
        topic: str,
        partition: int = 0,
        *,
        not_on: int | None = None,
        timeout_s: float | None = None,
    ) -> int:
        """Wait until every broker knows a leader of the partition other than ``not_on``. Returns
        the leader's id. Brokers that are paused, isolated or down are not asked."""
        return self._do(self._core.wait_for_leader(topic, partition, not_on, timeout_s))

    def wait_for_isr(
        self,
        topic: str,
        partition: int = 0,
        isr: Iterable[int] | int = 3,
        *,
        timeout_s: float | None = None,
    ) -> set[int]:
        """Wait until every broker knows that exactly these brokers, or this number of brokers, are
        in sync. Returns the ISR."""
        return self._do(self._core.wait_for_isr(topic, partition, isr, timeout_s))

    def wait_for_controller(
        self, *, not_on: int | None = None, timeout_s: float | None = None
    ) -> int:
        """Wait until every broker knows a controller other than ``not_on``. Returns its id."""
        return self._do(self._core.wait_for_controller(not_on, timeout_s))

    def wait_for_brokers(
        self, brokers: Iterable[int] | None = None, *, timeout_s: float | None = None
    ) -> None:
        """Wait until exactly these brokers are registered; by default those that run."""
        self._do(self._core.wait_for_brokers(brokers, timeout_s))

    def wait_for_hits(
        self, fault: Fault, count: int = 1, *, timeout_s: float | None = None
    ) -> None:
        """Wait until a fault has hit ``count`` requests."""
        self._do(self._core.wait_for_hits(fault, count, timeout_s))

    # Failures

    def kill(self, target: Target) -> int | None:
        """End a node as a crash does: it closes nothing, and its files stay. Returns the broker's
        id."""
        return self._do(self._core.kill(target))

    def kill_controller(self) -> int:
        """Kill the controller. Returns its id. Raises LookupError if there is none."""
        broker = self.kill("controller")
        assert broker is not None
        return broker

    def stop(self, target: Target) -> int | None:
        """Stop a node cleanly: a broker hands over its leaderships first. Returns the broker's
        id."""
        return self._do(self._core.stop(target))

    def pause(self, target: Target) -> int | None:
        """Stop a node's code from running, as SIGSTOP does. Its connections stay open."""
        return self._do(self._core.pause(target))

    def resume(self, target: Target) -> int | None:
        """Let a paused node run again."""
        return self._do(self._core.resume(target))

    def restart(self, target: Target, *, timeout_s: float | None = None) -> int | None:
        """Start a node that has ended; if it runs, stop it cleanly before. When this returns, a
        broker serves again, unless the coordinator is down. It may not be in sync yet."""
        return self._do(self._core.restart(target, timeout_s))

    def stop_coordinator(self) -> None:
        """Kill the coordinator: the cluster serves, but elects no leaders. After
        ``restart_coordinator`` the coordinator has all its data again."""
        self.kill("coordinator")

    def restart_coordinator(self) -> None:
        """Start the coordinator again."""
        self.restart("coordinator")

    def expire_session(self, broker: int) -> None:
        """Expire a broker's ZooKeeper session, as if the broker had been silent for too long. It
        loses all its leaderships at once, and registers again with a new session."""
        self._do(self._core.expire_session(broker))

    def isolate(
        self,
        broker: Target,
        from_: Others = None,
        *,
        direction: Direction = "both",
        delay_ms: float | None = None,
    ) -> int | None:
        """Cut a node off from others: brokers, ``"coordinator"``, ``"clients"``, or several of
        them; by default from all. As on a network that loses packets, what is sent arrives after
        ``heal``, and new connections wait for that.

        ``direction``: ``"out"`` cuts only what the node sends, ``"in"`` only what is sent to it.
        ``delay_ms``: everything arrives, but that much later.
        """
        return self._do(self._core.isolate(broker, from_, direction, delay_ms))

    def heal(self, *targets: Target) -> None:
        """End the isolation of these nodes, or of all nodes."""
        self._do(self._core.heal(targets))

    def fill_disk(self, target: Target) -> int | None:
        """Make a broker's writes fail with "No space left on device". The broker then takes its log
        directory offline, and since it has no other, it ends."""
        return self._do(self._core.set_disk_full(target, is_full=True))

    def free_disk(self, target: Target) -> int | None:
        """Let a broker write again. If it has ended, it needs a ``restart`` too."""
        return self._do(self._core.set_disk_full(target, is_full=False))

    def shrink_isr(
        self, topic: str, partition: int = 0, to: int = 1, *, timeout_s: float | None = None
    ) -> set[int]:
        """Stop followers from copying until only ``to`` replicas are in sync. Returns the ISR. With
        fewer than ``min.insync.replicas`` the leader refuses acks=all (NOT_ENOUGH_REPLICAS)."""
        return self._do(self._core.shrink_isr(topic, partition, to, timeout_s))

    def restore_isr(
        self, topic: str, partition: int = 0, *, timeout_s: float | None = None
    ) -> set[int]:
        """Let the followers copy again. Returns the ISR once every running replica is in it."""
        return self._do(self._core.restore_isr(topic, partition, timeout_s))

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return self._life.running.call(work)
