"""Groups through the deaths of coordinators and members, in virtual time."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any

import pytest
from tests.api.kit import broker_main
from tests.coordinator.group.consumer.members import ConsumerBook, consumer_main
from tests.coordinator.group.members import TOPIC, Book, member_main
from tests.simulation.nodes import Main, Simulation

from barnabas.client.admin import create_topic, wait_for_leaders
from barnabas.client.cluster import ClusterClient
from barnabas.client.groups import describe_group
from barnabas.seams import Env
from barnabas.zookeeper.server.coordinator import CoordinatorConfig
from barnabas.zookeeper.server.serve import serve
from barnabas.zookeeper.server.store import MemoryStore

BROKERS = 3
SETTINGS = {
    "offsets.topic.replication.factor": "3",
    "offsets.topic.num.partitions": "3",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "500",
    "group.coordinator.rebalance.protocols": "classic,consumer",
    "group.consumer.min.session.timeout.ms": "500",
    "group.consumer.session.timeout.ms": "2000",
    "zookeeper.session.timeout.ms": "3000",
    "replica.lag.time.max.ms": "3000",
    "default.replication.factor": "3",
}
BOOTSTRAP = ",".join(f"b{n}:9092" for n in range(1, BROKERS + 1))


class Drama:
    """A cluster, members at work, and somebody who kills."""

    def __init__(self, seed: int, book: Book, member_main: Callable[[Any, str], Main]) -> None:
        self.member_main = member_main
        self.book = book
        if isinstance(book, ConsumerBook):
            book.now_s = lambda: self.simulation.now_s
        self.simulation = Simulation(seed)
        self.chance = random.Random(seed)
        self.members = 0
        self.moves = 0
        self.simulation.listening.append(self._heard)

    def _heard(self, process: object, event: str, fields: dict[str, object]) -> None:
        if event == "groups_loaded" and fields["groups"]:
            self.moves += 1

    def add_member(self) -> None:
        self.members += 1
        name = f"m{self.members}"
        self.simulation.start(name, self.member_main(self.book, name))

    async def setup(self) -> None:
        async def coordinator(env: Env) -> None:
            await serve(
                env, CoordinatorConfig(host="zk", tick_ms=500, allow_strangers=True), MemoryStore()
            )

        async def create(env: Env) -> None:
            async with ClusterClient(BOOTSTRAP, "setup", timeout_ms=30_000) as client:
                while len((await client.metadata([])).brokers) < BROKERS:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
                await create_topic(client, TOPIC, partitions=self.book.partitions)
                await wait_for_leaders(client, TOPIC)

        self.simulation.start("zk", coordinator)
        for number in range(1, BROKERS + 1):
            self.simulation.start(f"b{number}", broker_main(number, SETTINGS))
        await self.simulation.ended(self.simulation.start("setup", create))

    async def coordinator(self) -> int:
        """Which broker coordinates the group now."""
        found: list[int] = []

        async def ask(env: Env) -> None:
            async with ClusterClient(BOOTSTRAP, "ask", timeout_ms=30_000) as client:
                found.append((await describe_group(client, self.book.group)).coordinator)

        name = f"ask{self.simulation.now_s}"
        await self.simulation.ended(self.simulation.start(name, ask, host="asker"))
        return found[0]

    async def act(self) -> None:
        """Kill or pause the coordinator, in the midst of a rebalance or of commits."""
        victim = self.simulation.processes[f"b{await self.coordinator()}"]
        if self.chance.random() < 0.6:
            self.add_member()
            await asyncio.sleep(self.chance.choice((0.01, 0.1, 0.4)))
        if self.chance.random() < 0.3:
            victim.pause()
            await asyncio.sleep(self.chance.choice((1, 5)))
            victim.resume()
        else:
            victim.kill()
            await asyncio.sleep(self.chance.choice((0.5, 3, 6)))
            victim.start()
        member = self.simulation.processes[f"m{self.chance.randint(1, self.members)}"]
        if self.members > 3 and member.alive:
            member.kill()
        await asyncio.sleep(4)

    async def calm(self) -> None:
        """Until every partition has an owner and commits are acknowledged again."""
        before = dict(self.book.committed)
        async with asyncio.timeout(60):
            while any(  # noqa: ASYNC110
                self.book.committed.get(p, -1) <= before.get(p, -1)
                for p in range(self.book.partitions)
            ):
                await asyncio.sleep(0.2)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("book", "main"), [(Book, member_main), (ConsumerBook, consumer_main)])
def test_no_position_goes_back_and_every_partition_has_one_owner(
    book: Callable[[str], Book], main: Callable[[Any, str], Main], seed: int
) -> None:
    logging.disable(logging.CRITICAL)
    drama = Drama(seed, book(BOOTSTRAP), main)

    async def play() -> None:
        await drama.setup()
        for _ in range(3):
            drama.add_member()
        await drama.calm()
        for _ in range(4):
            await drama.act()
            await drama.calm()
        drama.book.running = False
        await asyncio.sleep(1)

    try:
        drama.simulation.run(play, limit_s=400)
    finally:
        logging.disable(logging.NOTSET)
    assert not drama.book.complaints
    assert drama.book.commits > 100
    assert len(drama.book.generations) > 3
    assert drama.moves >= 3
