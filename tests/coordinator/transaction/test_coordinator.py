"""Transactions through the deaths of coordinators and leaders, in virtual time."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Any

import pytest
from tests.api.kit import broker_main
from tests.coordinator.transaction.checker import Transaction, TransactionHistory, check
from tests.simulation.history import Outcome
from tests.simulation.nodes import Simulation

from barnabas.client.admin import create_topic, wait_for_leaders
from barnabas.client.cluster import ClusterClient
from barnabas.client.consumer import EARLIEST, LATEST, fetch, list_offset
from barnabas.client.coordinators import TRANSACTION, ask_coordinator
from barnabas.client.errors import ClientError, Unreachable
from barnabas.client.groups import committed_offsets
from barnabas.client.transactions import TransactionalProducer
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.records.batch import Record
from barnabas.seams import Env
from barnabas.types import TopicPartition
from barnabas.zookeeper.server.coordinator import CoordinatorConfig
from barnabas.zookeeper.server.serve import serve
from barnabas.zookeeper.server.store import MemoryStore

BROKERS, PARTITIONS, PRODUCERS = 3, 3, 3
TOPIC = "t"
SETTINGS = {
    "offsets.topic.replication.factor": "3",
    "offsets.topic.num.partitions": "2",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.num.partitions": "2",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    "zookeeper.session.timeout.ms": "3000",
    "replica.lag.time.max.ms": "3000",
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "unclean.leader.election.enable": "false",
}
BOOTSTRAP = ",".join(f"b{n}:9092" for n in range(1, BROKERS + 1))
TIMEOUT_MS = 8_000
PARTITION_NAMES = [TopicPartition(TOPIC, n) for n in range(PARTITIONS)]


class Drama:
    """A cluster, producers and a reader at work, and somebody who kills."""

    def __init__(self, seed: int) -> None:
        self.simulation = Simulation(seed)
        self.chance = random.Random(seed)
        self.history = TransactionHistory(final="last")
        self.running = True
        self.committed = 0
        self.lives = 0
        self.fenced = 0
        self.moves = 0
        self.ends: list[str] = []
        """In what state each transactional id was left."""
        self.aim = ""
        """The step at which somebody waits to strike, and the coordinator that has written it."""
        self.aimed = ""
        self.simulation.listening.append(self._heard)

    def _heard(self, process: object, event: str, fields: dict[str, object]) -> None:
        self.moves += event == "transactions_loaded" and bool(fields["ids"])
        if event == "transaction_state" and fields["state"] == self.aim:
            self.aim, self.aimed = "", str(getattr(process, "name", ""))

    async def setup(self) -> None:
        async def coordinator(env: Env) -> None:
            await serve(
                env, CoordinatorConfig(host="zk", tick_ms=500, allow_strangers=True), MemoryStore()
            )

        async def create(env: Env) -> None:
            async with ClusterClient(BOOTSTRAP, "setup", timeout_ms=30_000) as client:
                while len((await client.metadata([])).brokers) < BROKERS:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
                await create_topic(client, TOPIC, partitions=PARTITIONS)
                await wait_for_leaders(client, TOPIC)

        self.simulation.start("zk", coordinator)
        for number in range(1, BROKERS + 1):
            self.simulation.start(f"b{number}", broker_main(number, SETTINGS))
        await self.simulation.ended(self.simulation.start("setup", create))

    # Producers

    def add_producer(self, number: int) -> None:
        """A new life of a producer, which fences the one before, dead or alive."""
        self.lives += 1
        life = self.lives

        async def produce(env: Env) -> None:
            async with ClusterClient(BOOTSTRAP, f"p{life}", timeout_ms=10_000) as client:
                producer = TransactionalProducer(
                    client, f"id{number}", timeout_ms=TIMEOUT_MS, delivery_timeout_ms=6_000
                )
                await self._begin(producer)
                goes_on = True
                while self.running and goes_on:
                    goes_on = await self._transaction(env, number, life, producer)
                    await asyncio.sleep(env.random.choice((0, 0.2, 0.6)))

        self.simulation.start(f"p{life}", produce, host=f"producer{number}")

    async def _begin(self, producer: TransactionalProducer) -> None:
        while True:
            try:
                await producer.start()
                return
            except (ClientError, Unreachable):
                await asyncio.sleep(0.2)

    async def _transaction(
        self, env: Env, number: int, life: int, producer: TransactionalProducer
    ) -> bool:
        """One transaction, written down whatever becomes of it; False if another has the id."""
        chance = env.random
        transaction = len(self.history.transactions)
        values: list[tuple[str, object]] = []
        group = f"g{number}" if chance.random() < 0.5 else ""
        place = transaction
        self.history.transactions.append(
            Transaction(
                producer=f"id{number}",
                number=transaction,
                values=(),
                outcome=Outcome.FAIL,
            )
        )

        def note(outcome: Outcome) -> None:
            self.history.transactions[place] = Transaction(
                producer=f"id{number}/{life}",
                number=transaction,
                values=tuple(values),
                outcome=outcome,
                group=group,
            )

        try:
            for index in range(chance.randint(1, 4)):
                tp = chance.choice(PARTITION_NAMES)
                values.append((str(tp), f"{transaction}.{index}"))
                note(Outcome.FAIL)
                await producer.send(tp, [Record(value=str(values[-1][1]).encode())])
            if group:
                await producer.send_offsets(group, {PARTITION_NAMES[0]: transaction})
            if chance.random() < 0.25:
                await producer.abort()
                return True
            note(Outcome.INFO)
            await producer.commit()
            note(Outcome.OK)
            self.committed += 1
        except (ClientError, Unreachable) as error:
            if isinstance(error, ClientError) and "FENCED" in str(error):
                self.fenced += 1
                return False
            if isinstance(error, ClientError) and "EPOCH" in str(error):
                # Fenced by another, or by the time-out of its own transaction.
                return False
            await self._begin(producer)
        return True

    # Readers

    def add_reader(self) -> None:
        """Reads what is committed, from the beginning, as it comes."""
        rows = self.history.reads["early"] = []

        async def read(env: Env) -> None:
            async with ClusterClient(BOOTSTRAP, "early", timeout_ms=60_000) as client:
                positions = dict.fromkeys(PARTITION_NAMES, 0)
                await client.metadata([TOPIC])
                while self.running:
                    for tp in PARTITION_NAMES:
                        positions[tp] = await self._read(client, tp, positions[tp], rows)

        self.simulation.start("early", read)

    async def _read(self, client: ClusterClient, tp: TopicPartition, at: int, rows: Any) -> int:
        try:
            found = await fetch(client, tp, at, max_wait_ms=50, read_committed=True)
        except (ClientError, Unreachable):
            return at
        rows += [(str(tp), r.offset, (r.value or b"").decode()) for r in found.records]
        return found.next_offset

    async def read_everything(self) -> None:
        """After every transaction has ended: the log has no open one, and this is its content."""

        async def read(env: Env) -> None:
            rows = self.history.reads["last"] = []
            async with ClusterClient(BOOTSTRAP, "last", timeout_ms=60_000) as client:
                await client.metadata([TOPIC])
                for tp in PARTITION_NAMES:
                    at = await list_offset(client, tp, EARLIEST)
                    end = await list_offset(client, tp, LATEST)
                    async with asyncio.timeout(60):
                        while at < end:
                            at = await self._read(client, tp, at, rows)
                for number in range(PRODUCERS):
                    found = await committed_offsets(client, f"g{number}")
                    self.history.positions[f"g{number}"] = found.get(PARTITION_NAMES[0], -1)
                    self.ends.append(await self._state(client, f"id{number}"))

        await self.simulation.ended(self.simulation.start("last", read))

    async def _state(self, client: ClusterClient, transactional_id: str) -> str:
        answer: Any
        _, answer = await ask_coordinator(
            client,
            TRANSACTION,
            transactional_id,
            ApiKey.DESCRIBE_TRANSACTIONS,
            0,
            Message(transactional_ids=[transactional_id]),
            lambda answer: int(answer.transaction_states[0].error_code),
        )
        return str(answer.transaction_states[0].transaction_state)

    # Trouble

    async def act(self) -> None:
        chance = self.chance
        if chance.random() < 0.5:
            # A new life of a producer while the old one may be in the midst of a transaction.
            number = chance.randrange(PRODUCERS)
            if chance.random() < 0.5:
                for life in range(1, self.lives + 1):
                    process = self.simulation.processes[f"p{life}"]
                    if process.host.name == f"producer{number}" and process.alive:
                        process.kill()
            self.add_producer(number)
            await asyncio.sleep(chance.choice((0.01, 0.1, 0.5)))
        victim = self.simulation.processes[await self._victim()]
        if chance.random() < 0.3:
            victim.pause()
            await asyncio.sleep(chance.choice((0.5, 1, 5)))
            victim.resume()
        else:
            victim.kill()
            await asyncio.sleep(chance.choice((0.2, 1, 5)))
            victim.start()
        await asyncio.sleep(chance.choice((1, 3)))
        for number in range(PRODUCERS):
            if not any(
                p.alive and p.host.name == f"producer{number}"
                for p in self.simulation.processes.values()
            ):
                self.add_producer(number)

    async def _victim(self) -> str:
        """Any broker, or at the very moment of a decision its coordinator or another."""
        chance = self.chance
        anybody = f"b{chance.randint(1, BROKERS)}"
        if chance.random() < 0.2:
            return anybody
        self.aimed, self.aim = "", chance.choice(("Ongoing", "PrepareCommit", "PrepareAbort"))
        async with asyncio.timeout(60):
            while not self.aimed:  # noqa: ASYNC110
                await asyncio.sleep(0.0002)
        return self.aimed if chance.random() < 0.5 else anybody

    async def calm(self) -> None:
        """Until transactions are committed again."""
        wanted = self.committed + 3
        async with asyncio.timeout(60):
            while self.committed < wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.2)


def play(seed: int, acts: int) -> Drama:
    logging.disable(logging.CRITICAL)
    drama = Drama(seed)

    async def scenario() -> None:
        await drama.setup()
        drama.add_reader()
        for number in range(PRODUCERS):
            drama.add_producer(number)
        await drama.calm()
        for _ in range(acts):
            await drama.act()
        await drama.calm()
        drama.running = False
        # Whatever was left open has timed out by then.
        await asyncio.sleep(TIMEOUT_MS / 1000 + 20)
        await drama.read_everything()

    try:
        drama.simulation.run(scenario, limit_s=600)
    finally:
        logging.disable(logging.NOTSET)
    return drama


@pytest.mark.parametrize("seed", [0, 2])
def test_every_transaction_is_there_as_a_whole_or_not_at_all(seed: int) -> None:
    drama = play(seed, 4)
    assert not check(drama.history)
    assert len(drama.ends) == PRODUCERS
    assert not {"Ongoing", "PrepareCommit", "PrepareAbort"} & {*drama.ends}
    assert drama.committed > 20
    assert drama.moves >= 1  # how many, differs from one version of Python to the next


if __name__ == "__main__":
    import sys
    import time

    for seed in range(int(sys.argv[1]), int(sys.argv[2])):
        started = time.monotonic()
        drama = play(seed, int(sys.argv[3]) if len(sys.argv) > 3 else 5)
        outcomes = [t.outcome.value for t in drama.history.transactions]
        counts = {o: outcomes.count(o) for o in dict.fromkeys(outcomes)}
        print(seed, counts, "fenced", drama.fenced, "moves", drama.moves, end=" ")
        print(f"{time.monotonic() - started:.1f} s", drama.history.positions)
        for fault in check(drama.history)[:10]:
            print("   ", fault)
