"""Random histories of three replicas: cuts, elections among the ISR, restarts of links, writes.

Whatever happens, what was acknowledged with acks=all stays, and after healing the copies agree.
"""

from __future__ import annotations

import asyncio
import random

import pytest
from tests.replication.support import Cluster, settle
from tests.virtual_time import run

from barnabas.errors import ErrorCode


class History:
    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.cluster = cluster
        self.rng = random.Random(seed)
        self.acknowledged: dict[int, str] = {}
        self.count = 0
        self.pending: list[asyncio.Task[None]] = []
        self.isolated: int | None = None

    async def _produce(self, value: str, broker: int) -> None:
        result = await self.cluster.produced(value, broker=broker, timeout_ms=20_000)
        if result.error == ErrorCode.NONE:
            assert result.base_offset not in self.acknowledged, "an offset was given twice"
            self.acknowledged[result.base_offset] = value

    def write(self) -> None:
        # Also to brokers that only believe that they lead.
        for broker, node in self.cluster.nodes.items():
            if node.partition.is_leader and self.rng.random() < 0.8:
                self.count += 1
                self.pending.append(asyncio.create_task(self._produce(f"v{self.count}", broker)))

    async def cut(self) -> None:
        if self.isolated is None:
            self.isolated = self.rng.choice(self.cluster.ids)
            self.cluster.isolate(self.isolated)

    async def heal(self) -> None:
        self.cluster.heal()
        back, self.isolated = self.isolated, None
        self.cluster.alive = dict.fromkeys(self.cluster.ids)
        if back is not None:
            await self.cluster.announce()

    async def elect(self) -> None:
        """What a controller does that takes the isolated broker for dead, or a planned move."""
        live = [b for b in self.cluster.isr if b != self.isolated]
        if not live:
            return
        leader = self.rng.choice(live)
        isr = tuple(b for b in self.cluster.isr if b != self.isolated)
        self.cluster.elect(leader, isr)
        self.cluster.alive = {b: None for b in self.cluster.ids if b != self.isolated}
        targets = [b for b in self.cluster.ids if b != self.isolated]
        if self.rng.random() < 0.3 and len(targets) > 1:
            targets.remove(self.rng.choice([b for b in targets if b != leader]))
        self.rng.shuffle(targets)
        for broker in targets:
            await self.cluster.announce(broker)
            if self.rng.random() < 0.5:
                self.write()
                await settle(self.rng.randrange(20))

    def check(self) -> None:
        """On every step: nobody shows what not every member of the real ISR has."""
        isr = [self.cluster.nodes[b].partition.log for b in self.cluster.isr]
        shortest = min(log.log_end_offset for log in isr if log is not None)
        for node in self.cluster.nodes.values():
            log = node.partition.log
            assert log is not None
            assert log.high_watermark <= log.log_end_offset
            if node.id in self.cluster.isr and node.partition.is_leader:
                assert log.high_watermark <= max(shortest, 0), (
                    f"{node.id} shows {log.high_watermark}, the ISR {isr} ends at {shortest}"
                )


@pytest.mark.parametrize("seed", range(40))
def test_acknowledged_records_survive(seed: int) -> None:
    async def main() -> None:
        async with Cluster(1, 2, 3, replica_lag_time_max_ms=2_000) as cluster:
            cluster.configs.min_isr = 2
            await cluster.announce()
            history = History(cluster, seed)
            steps = [history.cut, history.heal, history.elect]
            for _ in range(40):
                history.write()
                if history.rng.random() < 0.5:
                    await history.rng.choice(steps)()
                await settle(history.rng.randrange(30))
                if history.rng.random() < 0.4:
                    await asyncio.sleep(history.rng.choice([0.01, 0.1, 1.0, 4.0]))
                history.check()
            await history.heal()
            await cluster.announce()
            await asyncio.sleep(60)
            history.check()
            await asyncio.gather(*history.pending)
            assert sorted(cluster.isr) == [1, 2, 3]
            last = await cluster.produced("end")
            assert last.error == ErrorCode.NONE
            await asyncio.sleep(1)
            logs = [node.values() for node in cluster.nodes.values()]
            assert logs[0] == logs[1] == logs[2]
            for offset, value in history.acknowledged.items():
                assert logs[0][offset] == value
            assert history.acknowledged

    run(main())
