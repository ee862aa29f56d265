"""A cluster for tests with asyncio: the methods of ``Cluster``, to be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

from barnabas.testing.core import Direction, Others, Target
from barnabas.testing.faults import Fault
from barnabas.testing.records import Expected, TestRecord
from barnabas.testing.run import View

if TYPE_CHECKING:
    from barnabas.testing.control import ControlAddress

T = TypeVar("T")


class AsyncCluster(View):
    """``Cluster`` for tests with asyncio, on any loop. ``async with Cluster() as cluster`` makes
    one."""

    async def start(self) -> Self:
        """As ``Cluster.start``."""
        await asyncio.get_running_loop().run_in_executor(None, self._life.start)
        return self

    async def close(self) -> None:
        """As ``Cluster.close``."""
        await asyncio.get_running_loop().run_in_executor(None, self._life.close)

    async def serve_control(self, port: int = 0) -> ControlAddress:
        """As ``Cluster.serve_control``."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, self._life.running.serve_control, port)

    # State

    async def leader_of(self, topic: str, partition: int = 0) -> int | None:
        """As ``Cluster.leader_of``."""
        return await self._do(self._core.leader_of(topic, partition))

    async def isr_of(self, topic: str, partition: int = 0) -> set[int]:
        """As ``Cluster.isr_of``."""
        return await self._do(self._core.isr_of(topic, partition))

    async def controller(self) -> int | None:
        """As ``Cluster.controller``."""
        return await self._do(self._core.controller())

    # Topics and records

    async def create_topic(
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
        """As ``Cluster.create_topic``."""
        return await self._do(
            self._core.create_topic(
                name, partitions, replicas, min_isr, configs, assignments, timeout_s
            )
        )

    async def produce(
        self,
        topic: str,
        values: Iterable[Expected],
        partition: int = 0,
        *,
        acks: int = -1,
        timeout_s: float | None = None,
    ) -> int:
        """As ``Cluster.produce``."""
        return await self._do(
            self._core.produce(topic, values, partition, acks=acks, timeout_s=timeout_s)
        )

    async def records(
        self, topic: str, partition: int | None = None, *, read_committed: bool = False
    ) -> list[TestRecord]:
        """As ``Cluster.records``."""
        return await self._do(self._core.records(topic, partition, read_committed=read_committed))

    async def assert_records(
        self,
        topic: str,
        expected: Iterable[Expected],
        partition: int | None = None,
        *,
        in_order: bool = True,
        read_committed: bool = False,
        timeout_s: float | None = None,
    ) -> None:
        """As ``Cluster.assert_records``."""
        await self._do(
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

    async def wait_for_leader(
        self,
        topic: str,
        partition: int = 0,
        *,
        not_on: int | None = None,
        timeout_s: float | None = None,
    ) -> int:
        """As ``Cluster.wait_for_leader``."""
        return await self._do(self._core.wait_for_leader(topic, partition, not_on, timeout_s))

    async def wait_for_isr(
        self,
        topic: str,
        partition: int = 0,
        isr: Iterable[int] | int = 3,
        *,
        timeout_s: float | None = None,
    ) -> set[int]:
        """As ``Cluster.wait_for_isr``."""
        return await self._do(self._core.wait_for_isr(topic, partition, isr, timeout_s))

    async def wait_for_controller(
        self, *, not_on: int | None = None, timeout_s: float | None = None
    ) -> int:
        """As ``Cluster.wait_for_controller``."""
        return await self._do(self._core.wait_for_controller(not_on, timeout_s))

    async def wait_for_brokers(
        self, brokers: Iterable[int] | None = None, *, timeout_s: float | None = None
    ) -> None:
        """As ``Cluster.wait_for_brokers``."""
        await self._do(self._core.wait_for_brokers(brokers, timeout_s))

    async def wait_for_hits(
        self, fault: Fault, count: int = 1, *, timeout_s: float | None = None
    ) -> None:
        """As ``Cluster.wait_for_hits``."""
        await self._do(self._core.wait_for_hits(fault, count, timeout_s))

    # Failures

    async def kill(self, target: Target) -> int | None:
        """As ``Cluster.kill``."""
        return await self._do(self._core.kill(target))

    async def kill_controller(self) -> int:
        """As ``Cluster.kill_controller``."""
        broker = await self.kill("controller")
        assert broker is not None
        return broker

    async def stop(self, target: Target) -> int | None:
        """As ``Cluster.stop``."""
        return await self._do(self._core.stop(target))

    async def pause(self, target: Target) -> int | None:
        """As ``Cluster.pause``."""
        return await self._do(self._core.pause(target))

    async def resume(self, target: Target) -> int | None:
        """As ``Cluster.resume``."""
        return await self._do(self._core.resume(target))

    async def restart(self, target: Target, *, timeout_s: float | None = None) -> int | None:
        """As ``Cluster.restart``."""
        return await self._do(self._core.restart(target, timeout_s))

    async def stop_coordinator(self) -> None:
        """As ``Cluster.stop_coordinator``."""
        await self.kill("coordinator")

    async def restart_coordinator(self) -> None:
        """As ``Cluster.restart_coordinator``."""
        await self.restart("coordinator")

    async def expire_session(self, broker: int) -> None:
        """As ``Cluster.expire_session``."""
        await self._do(self._core.expire_session(broker))

    async def isolate(
        self,
        broker: Target,
        from_: Others = None,
        *,
        direction: Direction = "both",
        delay_ms: float | None = None,
    ) -> int | None:
        """As ``Cluster.isolate``."""
        return await self._do(self._core.isolate(broker, from_, direction, delay_ms))

    async def heal(self, *targets: Target) -> None:
        """As ``Cluster.heal``."""
        await self._do(self._core.heal(targets))

    async def fill_disk(self, target: Target) -> int | None:
        """As ``Cluster.fill_disk``."""
        return await self._do(self._core.set_disk_full(target, is_full=True))

    async def free_disk(self, target: Target) -> int | None:
        """As ``Cluster.free_disk``."""
        return await self._do(self._core.set_disk_full(target, is_full=False))

    async def shrink_isr(
        self, topic: str, partition: int = 0, to: int = 1, *, timeout_s: float | None = None
    ) -> set[int]:
        """As ``Cluster.shrink_isr``."""
        return await self._do(self._core.shrink_isr(topic, partition, to, timeout_s))

    async def restore_isr(
        self, topic: str, partition: int = 0, *, timeout_s: float | None = None
    ) -> set[int]:
        """As ``Cluster.restore_isr``."""
        return await self._do(self._core.restore_isr(topic, partition, timeout_s))

    async def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return await self._life.running.wait(work)
