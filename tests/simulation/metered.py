"""Quotas that change while brokers die: how much somebody gets who takes all that he can.

The client ``glutton`` sends requests to produce, to each broker, as fast as they are answered and
some at a time; nobody else has a quota. (The topic is none: such requests count too.) An operator
sets his quota at all brokers and, after a while, removes it at one. Three things must hold:

- While the quota was in force on a broker for so long, it has answered no more than that much of
  the quota, the free burst, and one request for each connection.
- In the end all brokers obey the quota that is set at one of them.
- A connection that was muted is served again when the time is over that its client was told; and
  without a quota nobody waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.nodes import Main, Simulation

from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.protocol.api import ApiKey
from barnabas.protocol.connection import KafkaConnection
from barnabas.protocol.message import Message
from barnabas.records.batch import Record, build_batch
from barnabas.seams import Env

GLUTTON = "glutton"
VALUE_BYTES = 3000
REQUEST_BYTES_MAX = 3200
QUOTAS = (1000, 2000, 4000)
"""Bytes a second."""
FREE_S = 12
"""Of the quota: what a window of eleven seconds lets through before it is full, and a bit."""
AT_ONCE = 3
UNMETERED_S = 0.3
"""Rest of a glutton whom no quota is known to hold."""
OBEYED_S = 20.0
LATE_S = 5.0
"""A muted connection is served again so soon after the time that was told, and is told so little
more than a window has of it."""


@dataclass
class Taken:
    """What a broker has answered since a quota was set."""

    size: int = 0
    connections: int = 1


@dataclass
class Metered:
    """The clients and the judge of one run."""

    simulation: Simulation
    listeners: Mapping[int, str]
    """host:port of each broker."""
    answers: int = 0
    """Judged."""
    quota: int | None = None
    """In force on all brokers; None: nobody knows."""
    since_s: float = 0.0
    taken: dict[tuple[int, int], Taken] = field(default_factory=dict)
    """By broker and its incarnation."""
    changing: bool = True
    operating: bool = False
    """The operator is in the midst of a change, which may end with the removal of the quota."""

    # The judge

    def _taken(self, broker: int) -> Taken:
        key = broker, self.simulation.processes[f"b{broker}"].incarnation
        return self.taken.setdefault(key, Taken())

    def _judge(self, broker: int, asked_s: float) -> None:
        """A broker has answered a request that was sent then."""
        if self.quota is None or asked_s < self.since_s:
            return
        self.answers += 1
        taken = self._taken(broker)
        taken.size += VALUE_BYTES
        long_s = self.simulation.now_s - self.since_s
        most = self.quota * (long_s + FREE_S) + REQUEST_BYTES_MAX * taken.connections
        if taken.size > most:
            self.simulation.fail(
                "metered",
                f"broker {broker} took {taken.size} bytes in {long_s:.1f} s, with a quota of"
                f" {self.quota} a second",
            )

    # Clients

    def glutton(self, broker: int) -> Main:
        """Asks one broker for ever."""

        async def main(env: Env) -> None:
            while True:
                connection = None
                try:
                    connection = await self._connect(broker)
                    if self.quota is not None:
                        self._taken(broker).connections += 1
                    while True:
                        if self.quota is None:
                            await asyncio.sleep(UNMETERED_S)  # nothing is judged just now
                        times = env.random.randint(1, AT_ONCE)
                        await asyncio.gather(*(self._ask(broker, connection) for _ in range(times)))
                except OSError:
                    await asyncio.sleep(env.random.expovariate(1 / 0.5))
                finally:
                    if connection is not None:
                        connection.close()

        return main

    async def _connect(self, broker: int) -> KafkaConnection:
        host, _, port = self.listeners[broker].partition(":")
        return await KafkaConnection.connect(host, int(port), client_id=GLUTTON, timeout_ms=3000)

    async def _ask(self, broker: int, connection: KafkaConnection) -> int:
        """How long it is told to wait, in ms."""
        await asyncio.sleep(0.02)
        asked_s = self.simulation.now_s
        answer: Any = await connection.send(ApiKey.PRODUCE, 9, _request(), timeout_ms=60_000)
        self._judge(broker, asked_s)
        return int(answer.throttle_time)

    def operator(self) -> Main:
        """Sets and removes the quota."""
        bootstrap = ",".join(self.listeners.values())

        async def main(env: Env) -> None:
            async with ClusterClient(bootstrap, "operator", timeout_ms=3000) as client:
                while self.changing:
                    await asyncio.sleep(env.random.expovariate(1 / 0.5))
                    await self._let_be_metered(env, client)

        return main

    async def _let_be_metered(self, env: Env, client: ClusterClient) -> None:
        quota = env.random.choice(QUOTAS)
        self.quota, self.operating = None, True
        try:
            await client.metadata([])
            for broker in self.listeners:
                await _alter(client, broker, quota)
            if self.changing:
                self.taken.clear()
                self.quota, self.since_s = quota, self.simulation.now_s
            await asyncio.sleep(env.random.expovariate(1 / 4))
            self.quota = None
            if env.random.random() < 0.5:
                await _alter(client, env.random.choice(sorted(self.listeners)), None)
        except (OSError, ClientError, Unreachable) as error:
            env.observer.note("quota_change_unknown", error=str(error))
        finally:
            self.operating = False

    # The end

    async def finish(self) -> None:
        """Nothing is disturbed any more: every broker obeys, and serves again."""
        self.changing = False
        self.quota = None
        wrong: dict[int, str] = {}
        while self.operating:  # noqa: ASYNC110 - of another simulated process
            await asyncio.sleep(0.1)

        async def main(env: Env) -> None:
            bootstrap = ",".join(self.listeners.values())
            async with ClusterClient(bootstrap, "operator", timeout_ms=3000) as client:
                await client.metadata([])
                await _set(client, env.random.choice(sorted(self.listeners)), QUOTAS[0])
                looks = (self._look(broker, wrong) for broker in self.listeners)
                await asyncio.gather(*looks)
                await _set(client, env.random.choice(sorted(self.listeners)), None)
                free = (self._look_free(broker, wrong) for broker in self.listeners)
                await asyncio.gather(*free)

        await self.simulation.ended(self.simulation.start("fed", main, host="clients"))
        if wrong:
            self.simulation.fail("metered", f"brokers do not obey quotas: {wrong}")

    async def _look(self, broker: int, wrong: dict[int, str]) -> None:
        """It tells a wait before long, and serves after it."""
        deadline = self.simulation.now_s + OBEYED_S
        try:
            connection = await self._connect(broker)
            while not (wait_ms := await self._ask(broker, connection)):
                if self.simulation.now_s > deadline:
                    wrong[broker] = "nobody has to wait"
                    return
            told_s = self.simulation.now_s
            await self._ask(broker, connection)
            served_s = self.simulation.now_s - told_s
            if not wait_ms / 2000 <= served_s <= wait_ms / 1000 + LATE_S:
                wrong[broker] = f"served after {served_s:.1f} s, told {wait_ms} ms"
            connection.close()
        except OSError as error:
            wrong[broker] = f"after a wait: {error!r}"

    async def _look_free(self, broker: int, wrong: dict[int, str]) -> None:
        deadline = self.simulation.now_s + OBEYED_S
        try:
            connection = await self._connect(broker)
            while await self._ask(broker, connection):
                connection.close()
                if self.simulation.now_s > deadline:
                    wrong[broker] = "it goes by a quota that is removed"
                    return
                await asyncio.sleep(1)
                connection = await self._connect(broker)
            connection.close()
        except OSError as error:
            wrong.setdefault(broker, repr(error))


def _request() -> Message:
    record = Record(offset=0, timestamp=1, key=None, value=b"x" * VALUE_BYTES)
    part = Message(index=0, records=bytes(build_batch([record])))
    return Message(
        transactional_id=None,
        acks=1,
        timeout=1000,
        topic_data=[Message(name="none", partition_data=[part])],
    )


async def _alter(client: ClusterClient, broker: int, quota: int | None) -> None:
    entry = Message(
        entity=[Message(entity_type="client-id", entity_name=GLUTTON)],
        ops=[Message(key="producer_byte_rate", value=float(quota or 0), remove=quota is None)],
    )
    message = Message(entries=[entry], validate_only=False)
    answer: Any = await client.broker(broker, ApiKey.ALTER_CLIENT_QUOTAS, 1, message)
    (result,) = answer.entries
    if result.error_code:
        raise ClientError(GLUTTON, result.error_code, result.error_message)


async def _set(client: ClusterClient, broker: int, quota: int | None) -> None:
    """Until it is done."""
    while True:
        try:
            await _alter(client, broker, quota)
            return
        except (OSError, ClientError, Unreachable):
            await asyncio.sleep(0.5)
