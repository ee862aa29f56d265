"""Clients of a compacted partition: keys are set, deleted and read from the start, again and
again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tests.simulation.history import Outcome, Scan, Update
from tests.simulation.workload import Main, Workload

from barnabas.client.cluster import ClusterClient
from barnabas.client.consumer import fetch
from barnabas.client.errors import ClientError, Unreachable
from barnabas.client.producer import Producer
from barnabas.records.batch import Record
from barnabas.seams import Env
from barnabas.types import TopicPartition

KEYS = 4
"""Of each writer."""
BURST = 12
"""Records with acks=1 that a leader may be alone with: more than a segment holds."""


@dataclass(slots=True)
class Keyed:
    """What the writers and the readers of one partition share."""

    workload: Workload
    tp: TopicPartition
    tails: bool = False
    """Writers leave records that only leaders have."""
    end: int = field(default=0)
    """One past the highest acknowledged offset."""

    def writer(self, name: str) -> Main:
        """Sets its own keys, one record after the other; now and then deletes one. After an unknown
        outcome it turns to other keys: what is on its way yet may come after what is newer."""

        async def main(env: Env) -> None:
            life = 0
            async with ClusterClient(self.workload.bootstrap, name, timeout_ms=5000) as client:
                while self.workload.producing:
                    life += 1
                    try:
                        await self._write(env, client, f"{name}.{life}")
                    except (OSError, ClientError, Unreachable):
                        await asyncio.sleep(0.5)

        return main

    async def _write(self, env: Env, client: ClusterClient, writer: str) -> None:
        await client.metadata([self.tp.topic])
        producer = Producer(client, delivery_timeout_ms=60_000, request_timeout_ms=3000)
        await producer.start()
        hasty = Producer(client, acks=1, delivery_timeout_ms=2000, request_timeout_ms=1000)
        await hasty.start()
        version, sure = 0, True
        while self.workload.producing and sure:
            version += 1
            sure = await self._set(env, producer, writer, version)
            burst = BURST if self.tails and sure and env.random.random() < 0.2 else 0
            for _ in range(burst):
                version += 1
                sure = sure and await self._set(env, hasty, writer, version, acknowledged=False)
            await asyncio.sleep(env.random.expovariate(1 / self.workload.pause_s))

    async def _set(
        self,
        env: Env,
        producer: Producer,
        writer: str,
        version: int,
        *,
        acknowledged: bool = True,
    ) -> bool:
        """Whether the answer came. Without ``acknowledged`` (by all) it promises nothing."""
        name = f"{writer}/{env.random.randrange(KEYS)}"
        value = None if env.random.random() < 0.15 else f"{name}={version}"
        record = Record(
            0, env.clock.wall_ms(), name.encode(), None if value is None else value.encode(), ()
        )
        offset, answered = None, False
        try:
            offset = await producer.send(self.tp, [record])
            answered = True
        except (OSError, ClientError, Unreachable) as error:
            env.observer.note("send_unknown", key=str(self.tp), error=str(error))
        promised = answered and acknowledged
        if promised and offset is not None:
            self.end = max(self.end, offset + 1)
            env.observer.note("acknowledged", key=str(self.tp), offset=offset, count=1)
        self.workload.history.updates.append(
            Update(
                key=str(self.tp),
                name=name,
                version=version,
                value=value,
                outcome=Outcome.OK if promised else Outcome.INFO,
                offset=offset if promised else None,
            )
        )
        return answered

    def reader(self, name: str) -> Main:
        """Reads from the start to the end, and begins again; a last time when nobody writes."""

        async def main(env: Env) -> None:
            async with ClusterClient(self.workload.bootstrap, name, timeout_ms=5000) as client:
                while self.workload.producing:
                    await self._scan(client, name)
                    await asyncio.sleep(env.random.expovariate(1.0))

        return main

    def last_reader(self, name: str) -> Main:
        """Reads once, up to everything that was acknowledged."""

        async def main(env: Env) -> None:
            async with ClusterClient(self.workload.bootstrap, name, timeout_ms=30_000) as client:
                await self._scan(client, name, final=True)

        return main

    async def _scan(self, client: ClusterClient, name: str, *, final: bool = False) -> None:
        records: list[tuple[int, str, str | None]] = []
        offset = 0
        while True:
            try:
                found = await fetch(client, self.tp, offset, max_bytes=700, max_wait_ms=200)
            except (OSError, Unreachable):
                await asyncio.sleep(0.2)
                continue
            for record in found.records:
                value = None if record.value is None else bytes(record.value).decode()
                records.append((record.offset, bytes(record.key or b"").decode(), value))
            if found.next_offset == offset and offset >= (self.end if final else 0):
                break
            offset = found.next_offset
        self.workload.history.scans.append(
            Scan(process=name, key=str(self.tp), end=offset, records=tuple(records), final=final)
        )
