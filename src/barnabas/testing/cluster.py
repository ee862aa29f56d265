"""Real clusters for tests: brokers and a coordinator, and failures that you can call.

``Cluster`` is for tests without asyncio. ``async with Cluster() as cluster`` gives an
``AsyncCluster``: the same methods, to be awaited.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from barnabas.cluster.profiles import TEST, Profile, profile_named
from barnabas.testing.async_cluster import AsyncCluster
from barnabas.testing.core import Direction, Others, Target
from barnabas.testing.faults import Fault
from barnabas.testing.records import Expected, TestRecord
from barnabas.testing.run import Life, View

T = TypeVar("T")

START_TIMEOUT_S = 30.0
WAIT_S = 10.0


class Cluster(View):
    """A cluster, and what can be done to it. A context manager.

    Brokers are named by their ids; ``Target`` also takes ``"controller"``, ``"coordinator"`` and
    ``"leader:TOPIC/PARTITION"``. Waits that take too long raise ``TimedOut``, an AssertionError
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
        start_timeout_s: float = START_TIMEOUT_S,
        wait_s: float = WAIT_S,
        faults_seed: int = 0,
    ) -> None:
        """Nothing is started before ``start``, or a ``with``.

        ``brokers`` have the ids 1, 2, 3 … on ports of the system's choice. Each is a process of its
        own, or with ``in_process`` all of them and the coordinator share one loop in a thread of
        this process: the same code, started faster, with one core for all.
        ``settings`` are Kafka's, of every broker, on top of those of ``profile``.
        ``directory`` is where their files go and stay; without it, they are in memory if the
        profile says so, and gone at the end.
        ``wait_s`` is how long waits take at most whose caller does not say; ``faults_seed`` is what
        ``faults`` with a probability draw from.
        """
        options = {
            "in_process": in_process,
            "settings": dict(settings or {}),
            "profile": profile_named(profile) if isinstance(profile, str) else profile,
            "directory": None if directory is None else Path(directory).resolve(),
            "start_timeout_s": start_timeout_s,
            "wait_s": wait_s,
            "faults_seed": faults_seed,
        }
        super().__init__(Life(brokers, options))

    def start(self) -> Self:
        """Start it; returns when every broker serves and there is a controller. Raises TimedOut,
        ConfigError."""
        self._life.start()
        return self

    def close(self) -> None:
        """End everything at once; a second call does nothing."""
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

    @property
    def aio(self) -> AsyncCluster:
        """The same cluster for code with a loop: its methods are coroutines."""
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

    # What can be seen

    def leader_of(self, topic: str, partition: int = 0) -> int | None:
        """The leader of a partition, None if it has none."""
        return self._do(self._core.leader_of(topic, partition))

    def isr_of(self, topic: str, partition: int = 0) -> set[int]:
        """The replicas of a partition that are in sync."""
        return self._do(self._core.isr_of(topic, partition))

    def controller(self) -> int | None:
        """The broker that is controller, None if there is none."""
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
        """Create a topic; its name, once every broker knows its leaders. ``replicas`` is three, or
        the number of brokers if that is less. ``assignments`` names the replicas of each partition
        instead. ``configs`` are the topic's settings, with ``_`` for ``.``. Raises ClientError."""
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
        """Write values, or pairs of key and value, as one batch, without a client library; the
        offset of the first. Sent again until acknowledged or time is up (Unreachable). Raises
        ClientError for what is refused for good."""
        return self._do(
            self._core.produce(topic, values, partition, acks=acks, timeout_s=timeout_s)
        )

    def records(
        self, topic: str, partition: int | None = None, *, read_committed: bool = False
    ) -> list[TestRecord]:
        """All records of a topic or of one partition, by partition and offset, without a client
        library. With ``read_committed`` those of open and aborted transactions are left out."""
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
        """Wait until these are the records of a topic, no fewer and no more: values, or pairs of
        key and value; text is UTF-8. Raises TimedOut, which says what is missing or too much."""
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
        """Wait until every broker knows a leader of the partition other than ``not_on``; its id.
        Brokers that are paused, isolated or down are not asked."""
        return self._do(self._core.wait_for_leader(topic, partition, not_on, timeout_s))

    def wait_for_isr(
        self,
        topic: str,
        partition: int = 0,
        isr: Iterable[int] | int = 3,
        *,
        timeout_s: float | None = None,
    ) -> set[int]:
        """Wait until every broker knows that these brokers, or so many, are in sync; the ISR."""
        return self._do(self._core.wait_for_isr(topic, partition, isr, timeout_s))

    def wait_for_controller(
        self, *, not_on: int | None = None, timeout_s: float | None = None
    ) -> int:
        """Wait until every broker knows a controller other than ``not_on``; its id."""
        return self._do(self._core.wait_for_controller(not_on, timeout_s))

    def wait_for_brokers(
        self, brokers: Iterable[int] | None = None, *, timeout_s: float | None = None
    ) -> None:
        """Wait until exactly these brokers count as alive; by default those that run."""
        self._do(self._core.wait_for_brokers(brokers, timeout_s))

    def wait_for_hits(
        self, fault: Fault, count: int = 1, *, timeout_s: float | None = None
    ) -> None:
        """Wait until a fault was done to so many requests."""
        self._do(self._core.wait_for_hits(fault, count, timeout_s))

    # Failures

    def kill(self, target: Target) -> int | None:
        """End a node as a crash does: no goodbye, what is on its disk stays. The broker's id."""
        return self._do(self._core.kill(target))

    def kill_controller(self) -> int:
        """Kill the broker that is controller; its id. Raises LookupError if there is none."""
        broker = self.kill("controller")
        assert broker is not None
        return broker

    def stop(self, target: Target) -> int | None:
        """End a node cleanly: a broker hands its leaderships over first. The broker's id."""
        return self._do(self._core.stop(target))

    def pause(self, target: Target) -> int | None:
        """Let nothing of a node run, with its connections open: alive, but silent."""
        return self._do(self._core.pause(target))

    def resume(self, target: Target) -> int | None:
        """Let a paused node go on."""
        return self._do(self._core.resume(target))

    def restart(self, target: Target, *, timeout_s: float | None = None) -> int | None:
        """Start a node that has ended, or stop it cleanly and start it. A broker serves again when
        this returns, unless the coordinator is down; it may not be in sync yet."""
        return self._do(self._core.restart(target, timeout_s))

    def stop_coordinator(self) -> None:
        """Kill the coordinator: the cluster serves, but elects nobody. ``restart_coordinator``
        brings it back with all that it knew."""
        self.kill("coordinator")

    def restart_coordinator(self) -> None:
        """Start the coordinator again."""
        self.restart("coordinator")

    def expire_session(self, broker: int) -> None:
        """End a broker's ZooKeeper session, as if it had been silent for too long. It loses all
        roles at once, and comes back in a new session."""
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
        them; from everybody by default. What is sent meanwhile arrives when it is healed, and new
        connections wait for that, as on a network that loses packets.

        ``direction`` ``"out"`` loses only what the node sends, ``"in"`` only what is sent to it.
        With ``delay_ms`` nothing is lost, but all of it is late.
        """
        return self._do(self._core.isolate(broker, from_, direction, delay_ms))

    def heal(self, *targets: Target) -> None:
        """End the isolation of these nodes, or of all."""
        self._do(self._core.heal(targets))

    def fill_disk(self, target: Target) -> int | None:
        """From now on writes of a broker fail with "No space left on device". It then gives up the
        log directory, and as it has no other, ends."""
        return self._do(self._core.set_disk_full(target, is_full=True))

    def free_disk(self, target: Target) -> int | None:
        """Let a broker write again; one that has ended needs a ``restart`` as well."""
        return self._do(self._core.set_disk_full(target, is_full=False))

    def shrink_isr(
        self, topic: str, partition: int = 0, to: int = 1, *, timeout_s: float | None = None
    ) -> set[int]:
        """Let followers copy no more until only ``to`` replicas are in sync; the ISR. Fewer than
        ``min.insync.replicas`` make the leader refuse acks=all (NOT_ENOUGH_REPLICAS)."""
        return self._do(self._core.shrink_isr(topic, partition, to, timeout_s))

    def restore_isr(
        self, topic: str, partition: int = 0, *, timeout_s: float | None = None
    ) -> set[int]:
        """Let the followers copy again; the ISR, once every replica that runs is in sync."""
        return self._do(self._core.restore_isr(topic, partition, timeout_s))

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return self._life.running.call(work)
