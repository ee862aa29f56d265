"""What clients are told of a leader in the moments after its death, by every broker that lives."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from tests.api import kit

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.replication.neighbours import (
    LIFE_S,
    SUCCESSOR_S,
    WAITING_MAX,
)

LISTED = Message(topics=[Message(name="t", topic_id=None)], allow_auto_topic_creation=False)
LOOP_TICK_S = 0.02


async def _topic(client: kit.Client, *replicas: int, topic: str = "t") -> None:
    """A topic of one partition with these replicas, known to every broker; all is quiet then."""
    await client.place(topic, replicas)
    await asyncio.sleep(2)


async def _leader(client: kit.Client, broker: int) -> tuple[int, int, float]:
    """(error, leader, seconds that the answer took) of partition 0."""
    loop = asyncio.get_running_loop()
    asked = loop.time()
    answer = await client.ask(ApiKey.METADATA, 12, LISTED, broker=broker)
    partition = answer.topics[0].partitions[0]
    return int(partition.error_code), int(partition.leader_id), loop.time() - asked


async def _kill_seen(client: kit.Client, broker: int) -> None:
    """Kill a broker, and return when a client's connection to it has broken."""
    connection = await client.connection(broker)
    question: Any = connection.send(ApiKey.METADATA, 12, LISTED)
    client.simulation.processes[f"b{broker}"].kill()
    with suppress(ConnectionError):
        await question


def test_the_first_question_after_a_leaders_death_is_answered_with_its_successor() -> None:
    async def scenario(client: kit.Client) -> None:
        controller = await client.controller()
        victim, other = (b for b in (1, 2, 3) if b != controller)
        await _topic(client, victim, other, controller)
        await _kill_seen(client, victim)
        answers = await asyncio.gather(*(_leader(client, b) for b in (other, controller)))
        for error, leader, took in answers:
            assert (error, leader) == (0, other)
            assert LOOP_TICK_S < took < SUCCESSOR_S

    kit.run(scenario, brokers=3)


def test_a_broker_that_follows_nothing_of_it_knows_of_the_death() -> None:
    async def scenario(client: kit.Client) -> None:
        controller = await client.controller()
        victim, successor, stranger = (b for b in (1, 2, 3, 4) if b != controller)
        await _topic(client, victim, successor)
        await _kill_seen(client, victim)
        error, leader, took = await _leader(client, stranger)
        assert (error, leader) == (0, successor)
        assert LOOP_TICK_S < took < SUCCESSOR_S

    kit.run(scenario, brokers=4)


def test_without_another_replica_the_controllers_answer_is_enough() -> None:
    async def scenario(client: kit.Client) -> None:
        controller = await client.controller()
        victim, other = (b for b in (1, 2, 3) if b != controller)
        await _topic(client, victim)
        await _kill_seen(client, victim)
        for _ in range(2):
            error, leader, took = await _leader(client, other)
            assert (error, leader) == (ErrorCode.LEADER_NOT_AVAILABLE, -1)
            assert took < SUCCESSOR_S

    kit.run(scenario, brokers=3)


SLOW = {"barnabas.controller.refused.connections": "0", "barnabas.zookeeper.fast.expiry.ms": "0"}
"""Nobody but the session's timeout tells the controller."""


def test_nobody_waits_longer_for_a_successor_that_does_not_come() -> None:
    async def scenario(client: kit.Client) -> None:
        controller = await client.controller()
        victim, other = (b for b in (1, 2, 3) if b != controller)
        await _topic(client, victim, other, controller)
        await _kill_seen(client, victim)
        first, second = await _leader(client, other), await _leader(client, other)
        assert first[:2] == second[:2] == (ErrorCode.LEADER_NOT_AVAILABLE, -1)
        assert SUCCESSOR_S - 0.1 < first[2] < SUCCESSOR_S + 0.1
        assert second[2] < LOOP_TICK_S

    kit.run(scenario, brokers=3, settings=SLOW)


def test_no_more_than_so_many_wait() -> None:
    async def scenario(client: kit.Client) -> None:
        controller = await client.controller()
        victim, other = (b for b in (1, 2, 3) if b != controller)
        await _topic(client, victim, other, controller)
        for number in range(WAITING_MAX + 10):
            await client.connection(other, f"c{number}")
        await _kill_seen(client, victim)
        loop = asyncio.get_running_loop()
        asked = loop.time()

        async def ask(number: int) -> float:
            await client.ask(ApiKey.METADATA, 12, LISTED, broker=other, client_id=f"c{number}")
            return loop.time() - asked

        took = await asyncio.gather(*(ask(n) for n in range(WAITING_MAX + 10)))
        assert sum(t < LOOP_TICK_S for t in took) == 10

    kit.run(scenario, brokers=3, settings=SLOW)


def test_a_paused_leader_is_named_soon() -> None:
    async def scenario(client: kit.Client) -> None:
        controller = await client.controller()
        victim, other = (b for b in (1, 2, 3) if b != controller)
        await _topic(client, victim, other, controller)
        process = client.simulation.processes[f"b{victim}"]
        process.pause()
        for _ in range(20):
            error, leader, took = await _leader(client, other)
            assert (error, leader) == (0, victim)
            assert took < LIFE_S + LOOP_TICK_S
            await asyncio.sleep(0.1)
        process.resume()

    kit.run(scenario, brokers=3)


def test_a_leader_that_only_closes_connections_is_named() -> None:
    """With max.connections it accepts and closes at once: that is no death."""

    async def scenario(client: kit.Client) -> None:
        controller = await client.controller()
        victim, other = (b for b in (1, 2, 3) if b != controller)
        await _topic(client, victim, other, controller)
        held = [await client.connection(victim, f"held-{n}") for n in range(60)]
        client.simulation.processes[f"b{other}"].kill()
        client.simulation.processes[f"b{other}"].restart()
        await asyncio.sleep(3)
        for _ in range(20):
            answer = await client.ask(ApiKey.METADATA, 12, LISTED, broker=controller)
            assert answer.topics[0].partitions[0].leader_id == victim
            await asyncio.sleep(0.05)
        assert held

    kit.run(scenario, brokers=3, settings={"max.connections": "50"})


def test_a_leader_back_within_the_wait_is_named() -> None:
    async def scenario(client: kit.Client) -> None:
        controller = await client.controller()
        victim, other = (b for b in (1, 2, 3) if b != controller)
        await _topic(client, victim, other, controller)
        await _kill_seen(client, victim)
        asking = asyncio.ensure_future(_leader(client, other))
        client.simulation.processes[f"b{victim}"].restart()
        error, leader, took = await asking
        assert error in (0, ErrorCode.LEADER_NOT_AVAILABLE)
        assert leader in (victim, other, -1)
        assert took < SUCCESSOR_S + 0.1
        await asyncio.sleep(5)
        error, leader, took = await _leader(client, other)
        assert error == 0
        assert took < LOOP_TICK_S

    kit.run(scenario, brokers=3, settings=SLOW)


async def _coordinator(client: kit.Client, key_type: int, broker: int) -> Any:
    question = Message(key_type=key_type, coordinator_keys=["k"])
    answer = await client.ask(ApiKey.FIND_COORDINATOR, 4, question, broker=broker)
    return answer.coordinators[0]


def test_a_dead_coordinator_is_not_named() -> None:
    settings = {
        "offsets.topic.num.partitions": "1",
        "offsets.topic.replication.factor": "3",
        "transaction.state.log.num.partitions": "1",
        "transaction.state.log.replication.factor": "3",
        "transaction.state.log.min.isr": "1",
    }

    async def scenario(client: kit.Client) -> None:
        for key_type, topic in enumerate(("__consumer_offsets", "__transaction_state")):
            controller = await client.controller()
            victim, other = (b for b in (1, 2, 3) if b != controller)
            await client.place(topic, (victim, other, controller))
            before = await _coordinator(client, key_type, controller)
            await asyncio.sleep(2)
            assert before.node_id == victim
            await _kill_seen(client, victim)
            for broker in sorted({1, 2, 3} - {victim}):
                after = await _coordinator(client, key_type, broker)
                assert after.error_code == 0
                assert after.node_id != victim
            client.simulation.processes[f"b{victim}"].restart()
            await client.ready(3)
            await asyncio.sleep(2)

    kit.run(scenario, brokers=3, settings=settings)


def test_what_was_asked_behind_a_waiting_produce_is_answered_from_what_is_known_then() -> None:
    """The follower is dead, so the produce waits; the answer behind it must not be older."""

    async def scenario(client: kit.Client) -> None:
        controller = await client.controller()
        leader, victim = (b for b in (1, 2, 3) if b != controller)
        await _topic(client, leader, victim, controller)
        await _topic(client, victim, leader, controller, topic="u")
        connection = await client.connection(leader)
        await connection.send(ApiKey.METADATA, 12, LISTED)
        client.simulation.processes[f"b{victim}"].pause()
        await asyncio.sleep(0.1)
        produce: Any = asyncio.ensure_future(
            connection.send(ApiKey.PRODUCE, 9, kit.produce_message("t", b"x"))
        )
        await asyncio.sleep(0.1)
        asked = Message(topics=[Message(name="u", topic_id=None)], allow_auto_topic_creation=False)
        behind: Any = asyncio.ensure_future(connection.send(ApiKey.METADATA, 12, asked))
        await asyncio.sleep(0.1)
        assert not produce.done()
        client.simulation.processes[f"b{victim}"].kill()
        answer = await behind
        assert produce.done()
        assert answer.topics[0].partitions[0].leader_id == leader

    kit.run(scenario, brokers=3)


def test_a_leader_that_is_dying_is_not_named_although_its_connections_are_open() -> None:
    """A dying process closes its sockets one after another: the client that asks has seen its own
    connection break before the broker it asks has. Pausing it is the moment in between."""

    async def scenario(client: kit.Client) -> None:
        controller = await client.controller()
        victim, other = (b for b in (1, 2, 3) if b != controller)
        await _topic(client, victim, other, controller)
        process = client.simulation.processes[f"b{victim}"]
        process.pause()
        asking = [asyncio.ensure_future(_leader(client, other)) for _ in range(5)]
        await asyncio.sleep(LIFE_S / 2)
        assert not any(question.done() for question in asking)
        process.kill()
        for error, leader, took in await asyncio.gather(*asking):
            assert (error, leader) == (0, other)
            assert took < SUCCESSOR_S

    kit.run(scenario, brokers=3)
