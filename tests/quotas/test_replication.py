"""Throttles for replicas that are being moved."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from tests.api import kit
from tests.simulation.kernel import MILLISECOND
from tests.simulation.network import Link

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.quotas.rate import Window
from barnabas.quotas.replication import ALL, ReplicationQuota, throttled_partitions


def test_lists() -> None:
    assert throttled_partitions((), 1) == frozenset()
    assert throttled_partitions(("*",), 1) is ALL
    assert throttled_partitions(("0:1", " 3:1 ", "2:2"), 1) == {0, 3}


def test_which_partitions_are_throttled() -> None:
    quota = ReplicationQuota(Window())
    quota.set_topic("t", {0, 2})
    quota.set_topic("all", ALL)
    assert [quota.is_throttled("t", n) for n in range(3)] == [True, False, True]
    assert quota.is_throttled("all", 7)
    assert not quota.is_throttled("other", 0)
    quota.set_topic("t", ())
    quota.set_topic("all", ())
    assert not quota.topics


def test_a_rate_without_a_free_burst() -> None:
    quota = ReplicationQuota(Window())
    quota.record(10_000, 0)
    assert quota.wait_ms(0) == 0
    quota.limit = 1000
    assert quota.wait_ms(0) == 9000
    assert quota.wait_ms(9999) > 0
    assert quota.wait_ms(10_000) == 0
    quota.limit = 0
    assert quota.wait_ms(10_000) > 10**9


def test_what_may_be_copied_at_once() -> None:
    quota = ReplicationQuota(Window())
    assert quota.room(0) > 10**18
    quota.limit = 1000
    assert quota.room(0) == 1000, "of a second, after silence too"
    quota.record(1000, 0)
    assert quota.room(500) == 100, "a tenth of a second at least"
    quota.record(100, 500)
    assert quota.room(1000) == 0
    assert quota.room(2100) == 1000
    quota.record(1000, 2100)
    assert quota.room(2400) == 300
    quota.limit = 0
    assert quota.room(100_000) == 0


BATCHES, BATCH_BYTES, RATE = 20, 10_000, 20_000
SLOW = {"replica.fetch.max.bytes": str(BATCH_BYTES), "replica.fetch.response.max.bytes": "10000"}


async def _alter(client: kit.Client, kind: int, name: str, settings: Mapping[str, str]) -> None:
    configs = [Message(name=k, config_operation=0, value=v) for k, v in settings.items()]
    resource = Message(resource_type=kind, resource_name=name, configs=configs)
    broker = int(name) if kind == 4 else 1
    answer = await client.ask(
        ApiKey.INCREMENTAL_ALTER_CONFIGS,
        1,
        Message(resources=[resource], validate_only=False),
        broker=broker,
    )
    assert answer.responses[0].error_code == 0, answer.responses[0].error_message


async def _moved(client: kit.Client, topic: str) -> float:
    """How long it takes until a second replica is in sync."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    part = Message(partition_index=0, replicas=[1, 2])
    asked = Message(timeout=10_000, topics=[Message(name=topic, partitions=[part])])
    controller = await client.controller()
    answer = await client.ask(ApiKey.ALTER_PARTITION_REASSIGNMENTS, 0, asked, broker=controller)
    assert answer.error_code == 0
    question = Message(topics=[Message(name=topic, topic_id=None)], allow_auto_topic_creation=False)
    while True:
        view = await client.ask(ApiKey.METADATA, 12, question, broker=controller)
        if len(view.topics[0].partitions[0].isr_nodes) == 2:
            return loop.time() - began
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("rates", "lists"),
    [
        ({1: "leader"}, {"leader": "*"}),
        ({1: "leader", 2: "leader"}, {"leader": "0:1"}),
        ({2: "follower"}, {"follower": "*"}),
        ({2: "follower"}, {"follower": "0:2,1:1"}),
    ],
)
def test_a_replica_that_is_moved_is_copied_at_a_rate(
    rates: dict[int, str], lists: dict[str, str]
) -> None:
    async def scenario(client: kit.Client) -> None:
        for topic in ("free", "slow"):
            await client.place(topic, (1,))
            for _ in range(BATCHES):
                await client.produce(topic, b"x" * (BATCH_BYTES - 200))
        for broker, role in rates.items():
            await _alter(client, 4, str(broker), {f"{role}.replication.throttled.rate": str(RATE)})
        names = {f"{role}.replication.throttled.replicas": text for role, text in lists.items()}
        await _alter(client, 2, "slow", names)
        await asyncio.sleep(1)
        assert await _moved(client, "free") < 2
        took = await _moved(client, "slow")
        assert 0.8 * BATCHES * BATCH_BYTES / RATE < took < 20
        # In sync it is throttled no more, and nothing leaves the ISR.
        for _ in range(20):
            result = await client.produce("slow", b"x" * (BATCH_BYTES - 200))
            assert result.error_code == 0

    kit.run(scenario, brokers=2, settings=SLOW)


def test_a_rate_is_no_burst_and_then_silence() -> None:
    """20 partitions of 400 kB at 500 kB/s: one answer could hold them all, and no rate over eleven
    seconds would ever slow it down."""
    partitions, rate = 20, 500_000
    settings = {"queued.max.request.bytes": "500000000"}

    async def copied(client: kit.Client) -> int:
        answer = await client.ask(ApiKey.DESCRIBE_LOG_DIRS, 4, Message(topics=None), broker=2)
        found = [t for r in answer.results for t in r.topics if t.name == "t"]
        return sum(p.partition_size for t in found for p in t.partitions)

    async def scenario(client: kit.Client) -> None:
        await client.place("t", *[(1,)] * partitions)
        for partition in range(partitions):
            for _ in range(8):
                batch = kit.produce_message("t", b"x" * 50_000, partition=partition)
                await client.ask(ApiKey.PRODUCE, 9, batch)
        for broker, role in ((1, "leader"), (2, "follower")):
            await _alter(client, 4, str(broker), {f"{role}.replication.throttled.rate": str(rate)})
            await _alter(client, 2, "t", {f"{role}.replication.throttled.replicas": "*"})
        await asyncio.sleep(1)
        moved = [Message(partition_index=p, replicas=[1, 2]) for p in range(partitions)]
        asked = Message(timeout=10_000, topics=[Message(name="t", partitions=moved)])
        controller = await client.controller()
        await client.ask(ApiKey.ALTER_PARTITION_REASSIGNMENTS, 0, asked, broker=controller)
        before = 0
        seconds: list[int] = []
        while len(seconds) < 15:
            await asyncio.sleep(1)
            now = await copied(client)
            seconds.append(now - before)
            before = now
        assert max(seconds) < 1.25 * rate, seconds
        assert sum(seconds) > 0.9 * rate * len(seconds), seconds

    kit.run(scenario, brokers=2, settings=settings)


FAR = Link(latency_ns=50 * MILLISECOND, jitter_ns=20 * MILLISECOND, bytes_per_second=10_000_000)


def test_no_produce_waits_for_a_throttle() -> None:
    """Partitions that are written to all the time are copied for many seconds; each of the copies
    has to wait for the others again and again, before and after it has caught up."""
    partitions, rate, latencies = 12, 100_000, list[float]()

    async def scenario(client: kit.Client) -> None:
        controller = await client.controller()
        leader, new = (b for b in (1, 2, 3) if b != controller)
        client.simulation.network.set_link(f"b{leader}", f"b{new}", FAR)
        client.simulation.network.set_link(f"b{new}", f"b{leader}", FAR)
        await client.place("t", *[(leader, controller)] * partitions)
        question = Message(
            topics=[Message(name="t", topic_id=None)], allow_auto_topic_creation=False
        )
        while True:
            view = await client.ask(ApiKey.METADATA, 12, question, broker=leader)
            if not view.topics[0].error_code:
                break
            await asyncio.sleep(0.01)
        for partition in [*range(partitions)] * 8:
            batch = kit.produce_message("t", b"x" * 12_000, partition=partition)
            answer = await client.ask(ApiKey.PRODUCE, 9, batch, broker=leader)
            assert answer.responses[0].partition_responses[0].error_code == 0
        for broker, role in ((leader, "leader"), (new, "follower")):
            await _alter(client, 4, str(broker), {f"{role}.replication.throttled.rate": str(rate)})
            await _alter(client, 2, "t", {f"{role}.replication.throttled.replicas": "*"})
        loop = asyncio.get_running_loop()
        writers = [
            loop.create_task(_write(client, leader, p, latencies)) for p in range(partitions)
        ]
        target = [leader, controller, new]
        moved = [Message(partition_index=p, replicas=target) for p in range(partitions)]
        asked = Message(timeout=10_000, topics=[Message(name="t", partitions=moved)])
        await client.ask(ApiKey.ALTER_PARTITION_REASSIGNMENTS, 0, asked, broker=controller)
        while True:
            view = await client.ask(ApiKey.METADATA, 12, question, broker=controller)
            if all(len(p.isr_nodes) == 3 for p in view.topics[0].partitions):
                break
            await asyncio.sleep(0.2)
        assert not any(writer.done() for writer in writers)
        for writer in writers:
            writer.cancel()
        assert max(latencies) < 1, max(latencies)

    kit.run(scenario, brokers=3)


async def _write(client: kit.Client, leader: int, partition: int, latencies: list[float]) -> None:
    """For ever, one record after the other; how long each took, in seconds."""
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        batch = kit.produce_message("t", b"x" * 10, partition=partition)
        name = f"p{partition}"
        answer = await client.ask(ApiKey.PRODUCE, 9, batch, client_id=name, broker=leader)
        assert answer.responses[0].partition_responses[0].error_code == 0
        latencies.append(loop.time() - began)
        await asyncio.sleep(0.05 + 0.01 * partition)


def test_a_rate_of_zero_stops_it_until_the_throttle_goes() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.place("t", (1,))
        await client.produce("t", b"x" * 1000)
        await client.produce("t", b"x" * 1000)
        await _alter(client, 4, "2", {"follower.replication.throttled.rate": "0"})
        await _alter(client, 2, "t", {"follower.replication.throttled.replicas": "*"})
        await asyncio.sleep(1)
        moving = asyncio.get_running_loop().create_task(_moved(client, "t"))
        await asyncio.sleep(10)
        await _alter(client, 4, "2", {"follower.replication.throttled.rate": "1000000"})
        await moving

    kit.run(scenario, brokers=2)


def test_a_move_to_another_directory_is_throttled() -> None:
    """Each turn copies 256 KiB: 1 MB at 100 kB a second takes some seconds, not none."""

    async def placed(client: kit.Client) -> list[str]:
        answer = await client.ask(ApiKey.DESCRIBE_LOG_DIRS, 4, Message(topics=None))
        return [r.log_dir for r in answer.results for t in r.topics if t.name == "t"]

    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        for _ in range(4):
            await client.produce("t", b"x" * 250_000)
        await _alter(client, 4, "1", {"replica.alter.log.dirs.io.max.bytes.per.second": "100000"})
        (here,) = await placed(client)
        there = "/data/two" if here == "/data/one" else "/data/one"
        topics = [Message(name="t", partitions=[0])]
        asked = Message(dirs=[Message(path=there, topics=topics)])
        loop = asyncio.get_running_loop()
        began = loop.time()
        await client.ask(ApiKey.ALTER_REPLICA_LOG_DIRS, 2, asked)
        await asyncio.sleep(1)
        assert len(await placed(client)) == 2  # here still, and its copy
        while True:
            await asyncio.sleep(0.1)
            if await placed(client) == [there]:
                break
        assert 5 < loop.time() - began < 20

    kit.run(scenario, settings={"log.dirs": "/data/one,/data/two"})
