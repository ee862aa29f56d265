"""Records what the cluster's znodes showed and when. The demo measures failovers with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from barnabas.seams import Env
from barnabas.types import LeaderAndIsr
from barnabas.zk import paths
from barnabas.zk.znodes import decode_controller, decode_partition_state
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.client.operations import WatchEvent
from barnabas.zookeeper.client.security import OPEN, ZooKeeperSecurity
from barnabas.zookeeper.errors import ConnectionLoss, NoNode, ZooKeeperError


@dataclass(frozen=True, slots=True)
class Entry:
    """One observation; ``at`` is monotonic time in seconds."""

    at: float
    kind: str
    text: str


class Timeline:
    """Watches broker registrations, the controller and every partition of one topic."""

    def __init__(
        self,
        env: Env,
        zookeeper: str,
        topic: str,
        partitions: int,
        security: ZooKeeperSecurity = OPEN,
    ) -> None:
        self._client = ZooKeeperClient(
            env, zookeeper, 30_000, on_event=self._on_event, security=security
        )
        self._topic = topic
        self._partitions = partitions
        self._fired = asyncio.Event()
        self.entries: list[Entry] = []
        self.brokers: tuple[int, ...] = ()
        self.controller: tuple[int, int] = (-1, 0)
        """Broker id and controller epoch."""
        self.states: dict[int, LeaderAndIsr] = {}
        self._seen = asyncio.Condition()

    def _on_event(self, _event: WatchEvent) -> None:
        self._fired.set()

    async def connect(self) -> None:
        await self._client.connect(timeout_ms=10_000)

    async def run(self) -> None:
        """Read everything again whenever a watch fires or the connection comes back."""
        while True:
            self._fired.clear()
            try:
                await self._read()
            except ConnectionLoss:
                await self._client.connected()
                continue
            await self._fired.wait()

    async def _read(self) -> None:
        names, _ = await self._client.children(paths.BROKER_IDS, watch=True)
        self._take_brokers(tuple(sorted(map(int, names))))
        await self._client.exists(paths.CONTROLLER, watch=True)
        try:
            data, _ = await self._client.get(paths.CONTROLLER)
            epoch, _ = await self._client.get(paths.CONTROLLER_EPOCH)
            self._take_controller(decode_controller(paths.CONTROLLER, data).broker_id, int(epoch))
        except NoNode:
            pass
        for number in range(self._partitions):
            path = paths.partition_state_path(self._topic, number)
            try:
                data, stat = await self._client.get(path, watch=True)
            except NoNode:
                continue
            self._take_state(number, decode_partition_state(path, data, stat.version))
        async with self._seen:
            self._seen.notify_all()

    def _note(self, kind: str, text: str) -> None:
        self.entries.append(Entry(time.monotonic(), kind, text))

    def _take_brokers(self, brokers: tuple[int, ...]) -> None:
        for gone in sorted(set(self.brokers) - set(brokers)):
            self._note("session gone", f"session of broker {gone} gone")
        for new in sorted(set(brokers) - set(self.brokers)):
            self._note("registered", f"broker {new} registered")
        self.brokers = brokers

    def _take_controller(self, broker: int, epoch: int) -> None:
        if (broker, epoch) != self.controller:
            self.controller = (broker, epoch)
            self._note("controller elected", f"broker {broker} is controller, epoch {epoch}")

    def _take_state(self, number: int, state: LeaderAndIsr) -> None:
        before = self.states.get(number)
        self.states[number] = state
        if before is None or before.leader != state.leader:
            self._note(
                f"leader moved {number}",
                f"partition {number}: leader {state.leader}, epoch {state.leader_epoch}",
            )
        if before is not None and before.isr != state.isr:
            self._note("ISR changed", f"partition {number}: ISR {list(state.isr)}")

    async def wait_for(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until ``condition`` is true. Returns False when the time is up."""
        try:
            async with asyncio.timeout(timeout_s), self._seen:
                await self._seen.wait_for(condition)
        except TimeoutError:
            return condition()
        return True

    def whole(self, brokers: int) -> bool:
        """Whether every partition has a leader and an ISR with all replicas."""
        return len(self.states) == self._partitions and all(
            s.leader >= 0 and len(s.isr) == brokers for s in self.states.values()
        )

    async def close(self) -> None:
        try:
            await self._client.close()
        except ZooKeeperError:
            pass
