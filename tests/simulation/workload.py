"""Clients of a simulated cluster, writing down what they were told (``checker.History``)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.history import History, Outcome, Poll, Send
from tests.simulation.nodes import Simulation

from barnabas.client.cluster import ClusterClient
from barnabas.client.consumer import EARLIEST, fetch, list_offset
from barnabas.client.errors import ClientError, Unreachable
from barnabas.client.producer import Producer
from barnabas.errors import ErrorCode
from barnabas.records.batch import Record
from barnabas.seams import Env
from barnabas.types import TopicPartition

Main = Callable[[Env], Coroutine[Any, Any, None]]

REST_S = 0.2
"""Mean rest of a consumer that has found something."""
REST_EMPTY_S = 0.05
"""Else. Above the high watermark a fetch is answered at once, as by the original."""
RESTS = 0.75
"""Share of the polls with records after which a consumer rests. One that asks at once after each
record would be most of what brokers do."""


@dataclass(slots=True)
class Workload:
    """What producers and consumers share."""

    simulation: Simulation
    bootstrap: str
    """host:port of all brokers."""
    history: History = field(default_factory=History)
    producing: bool = True
    positions: dict[str, int] = field(default_factory=dict)
    """Consumer -> offset of its next poll."""
    attempted: int = 0
    pause_s: float = 0.1
    """Mean time that a producer rests between two sends."""
    near_reads: int = 0
    """Answers with records that came from followers, about."""
    deleting: bool = False
    """Retention deletes old records: they may be gone before they are read."""
    patience_s: float | None = None
    """Nothing but moves of replicas disturbs: no send takes longer."""

    @property
    def acknowledged(self) -> int:
        """Values whose sends were answered, those of keys among them."""
        outcomes = [write.outcome for write in self.history.sends]
        outcomes += [write.outcome for write in self.history.updates]
        return outcomes.count(Outcome.OK)

    def end(self, tp: TopicPartition) -> int:
        """One past the highest acknowledged offset."""
        offsets = [
            s.offset for s in self.history.sends if s.key == str(tp) and s.offset is not None
        ]
        return max(offsets, default=-1) + 1

    def producer(self, name: str, tp: TopicPartition, *, idempotent: bool) -> Main:
        """Writes small batches until told to stop. After an unknown outcome it begins anew, as a
        producer of another name: an idempotent producer must not reuse a sequence number."""

        async def main(env: Env) -> None:
            number = 0
            async with ClusterClient(self.bootstrap, name, timeout_ms=5000) as client:
                while self.producing:
                    number += 1
                    await self._produce(env, client, f"{name}.{number}", tp, idempotent)

        return main

    def careless_producer(self, name: str, tp: TopicPartition) -> Main:
        """Writes with acks=1, now and then many at once, to leave tails on leaders that followers
        do not have. What becomes of them is nobody's promise: their outcome is never known."""

        async def main(env: Env) -> None:
            number = 0
            async with ClusterClient(self.bootstrap, name, timeout_ms=2000) as client:
                while self.producing:
                    number += 1
                    try:
                        await client.metadata([tp.topic], auto_create=True)
                        producer = Producer(
                            client, acks=1, delivery_timeout_ms=2000, request_timeout_ms=1000
                        )
                        await producer.start()
                        while self.producing:
                            number += 1
                            await self._write_tail(env, producer, f"{name}.{number}", tp)
                    except (OSError, ClientError, Unreachable):
                        await asyncio.sleep(0.1)

        return main

    async def _write_tail(
        self, env: Env, producer: Producer, name: str, tp: TopicPartition
    ) -> None:
        for burst in range(env.random.choice((1, 1, 2, 8))):
            value = f"{name}/{burst}"
            self.history.sends.append(
                Send(process=name, key=str(tp), value=value, outcome=Outcome.INFO)
            )
            record = Record(0, env.clock.wall_ms(), None, value.encode(), ())
            await producer.send(tp, [record])
        await asyncio.sleep(env.random.expovariate(0.5 / self.pause_s))

    async def _produce(
        self, env: Env, client: ClusterClient, name: str, tp: TopicPartition, idempotent: bool
    ) -> None:
        producer = Producer(
            client, idempotent=idempotent, delivery_timeout_ms=60_000, request_timeout_ms=3000
        )
        try:
            await client.metadata([tp.topic], auto_create=True)  # as real producers allow
            await producer.start()
        except (OSError, ClientError, Unreachable) as error:
            env.observer.note("producer_waits", error=str(error))
            await asyncio.sleep(0.5)
            return
        number = 0
        while self.producing:
            values = [f"{name}/{number + i}" for i in range(env.random.randint(1, 3))]
            number += len(values)
            if not await self._send(env, producer, name, tp, values):
                return
            await asyncio.sleep(env.random.expovariate(1 / self.pause_s))

    async def _send(
        self, env: Env, producer: Producer, name: str, tp: TopicPartition, values: list[str]
    ) -> bool:
        first, outcome = -1, Outcome.INFO
        self.attempted += len(values)
        began_s, now = self.simulation.now_s, env.clock.wall_ms()
        records = [Record(0, now, None, value.encode(), ()) for value in values]
        try:
            first = await producer.send(tp, records)
            outcome = Outcome.OK
        except (OSError, ClientError, Unreachable) as error:
            env.observer.note("send_unknown", key=str(tp), error=str(error))
        took_s = self.simulation.now_s - began_s
        if self.patience_s is not None and took_s > self.patience_s:
            self.simulation.fail("moving", f"a send to {tp} took {took_s:.1f} s")
        for position, value in enumerate(values):
            self.history.sends.append(
                Send(
                    process=name,
                    key=str(tp),
                    value=value,
                    outcome=outcome,
                    offset=first + position if outcome is Outcome.OK else None,
                )
            )
        if outcome is Outcome.OK:
            env.observer.note("acknowledged", key=str(tp), offset=first, count=len(values))
        return outcome is Outcome.OK

    def consumer(self, name: str, tp: TopicPartition, *, rack: str = "") -> Main:
        """Reads one partition from the start, for ever; from a follower in its rack, if any."""

        async def main(env: Env) -> None:
            offset = segment = 0
            async with ClusterClient(self.bootstrap, name, timeout_ms=5000, rack=rack) as client:
                while True:
                    try:
                        near = client.preferred_replicas.get(tp)
                        found = await fetch(client, tp, offset)
                        self.near_reads += bool(found.records and near is not None)
                    except (OSError, Unreachable):
                        await asyncio.sleep(0.2)
                        continue
                    except ClientError as error:
                        if error.code != ErrorCode.OFFSET_OUT_OF_RANGE or not self.deleting:
                            self.simulation.fail(name, f"fetch of {tp} at {offset}: {error}")
                            return
                        start = await self.start_of(client, tp, offset)
                        segment += start != offset
                        offset = start
                        continue
                    if found.records:
                        records = tuple(
                            (str(tp), r.offset, bytes(r.value or b"").decode())
                            for r in found.records
                        )
                        poll = Poll(process=name, segment=segment, records=records)
                        self.history.polls.append(poll)
                    offset = self.positions[name] = found.next_offset
                    await self.rest(env, found=len(found.records))

        return main

    async def rest(self, env: Env, *, found: int) -> None:
        """Of a consumer, after a poll."""
        if not found:
            await asyncio.sleep(REST_EMPTY_S)
        elif env.random.random() < RESTS:
            await asyncio.sleep(env.random.expovariate(1 / REST_S))

    async def start_of(self, client: ClusterClient, tp: TopicPartition, offset: int) -> int:
        """Where to go on if this offset is out of range, because retention has been faster. Another
        leader may have less deleted; but that it has less is for the judge to see."""
        try:
            start = await list_offset(client, tp, EARLIEST)
        except (OSError, ClientError, Unreachable):
            start = 0
        if start <= offset:
            await asyncio.sleep(0.2)
            return offset
        self.history.starts[str(tp)] = max(start, self.history.starts.get(str(tp), 0))
        return start
