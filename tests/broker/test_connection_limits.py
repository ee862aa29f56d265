"""How many connections a broker takes, in all and from one address."""

from __future__ import annotations

import asyncio

import pytest
from tests.api import kit
from tests.api.test_client_quotas import alter

from barnabas.broker.connection_limits import (
    UNLIMITED,
    ConnectionCounts,
    ConnectionLimits,
    ListenerLimits,
)
from barnabas.broker.room_settings import connection_limits
from barnabas.config.broker_config import BrokerConfig
from barnabas.protocol.api import ApiKey
from barnabas.protocol.connection import KafkaConnection
from barnabas.protocol.message import Message


def test_limits_from_settings() -> None:
    given = {
        "max.connections": "9",
        "max.connections.per.ip": "2",
        "max.connections.per.ip.overrides": "10.0.0.1:3, localhost:4,some.host:5,::1:6",
    }
    limits = connection_limits(BrokerConfig(given))
    assert (limits.total, limits.of("10.0.0.2"), limits.of("10.0.0.1")) == (9, 2, 3)
    assert limits.of("127.0.0.1") == 4
    assert limits.names() == ["some.host"]


def test_a_listeners_own_limits() -> None:
    given = {
        "listeners": "OPEN://:1,BROKERS://:2",
        "listener.security.protocol.map": "OPEN:PLAINTEXT,BROKERS:PLAINTEXT",
        "inter.broker.listener.name": "BROKERS",
        "max.connections": "9",
        "listener.name.open.max.connections": "3",
        "listener.name.brokers.max.connection.creation.rate": "7",
    }
    config = BrokerConfig(given)
    limits = connection_limits(config)
    assert limits.at("OPEN") == ListenerLimits(connections=3, creation_rate=UNLIMITED)
    assert limits.at("BROKERS") == ListenerLimits(connections=9, creation_rate=7)
    assert limits.protected == "BROKERS"
    assert config.without_effect() == []


def test_counting() -> None:
    counts = ConnectionCounts(
        ConnectionLimits(
            total=3,
            per_address=2,
            overrides={"b": 0},
            listeners={"L": ListenerLimits(connections=2)},
            protected="B",
        )
    )
    assert counts.take("L", "a") is None
    assert counts.take("K", "a") is None
    refused = "address already has the configured maximum of"
    assert counts.take("L", "a") == f"Rejected connection from /a, {refused} 2 connections."
    assert counts.take("L", "b") == f"Rejected connection from /b, {refused} 0 connections."
    assert counts.has_room("L")
    assert counts.take("L", "c") is None
    assert [counts.has_room(name) for name in ("L", "K", "B")] == [False, False, True]
    assert counts.take("B", "d") is None
    assert counts.is_exceeded
    counts.give_back("K", "a")
    assert not counts.is_exceeded
    assert [counts.has_room(name) for name in ("L", "K", "B")] == [False, False, True]
    counts.limits = ConnectionLimits(total=5)
    assert counts.has_room("L")


def test_twenty_at_once_then_one_a_second() -> None:
    """As recorded at two a second: 20 pass, then each waits."""
    limits = ConnectionLimits(total=100, listeners={"L": ListenerLimits(creation_rate=2)})
    counts, now_ms = ConnectionCounts(limits), 1_000_000
    waits = []
    for _ in range(26):
        waits.append(counts.came("L", now_ms))
        now_ms += waits[-1]
    assert waits == [0] * 20 + [500, 500, 1000, 1000, 1000, 1000]
    assert counts.came("other", now_ms) == 0


def test_the_brokers_rate_does_not_hold_where_brokers_come() -> None:
    counts = ConnectionCounts(ConnectionLimits(total=100, creation_rate=1, protected="B"))
    assert [counts.came("B", 0) for _ in range(20)] == [0] * 20
    assert [counts.came("L", 0) for _ in range(12)] == [0] * 10 + [1000, 1000]


def test_who_comes_too_often_from_one_address_does_not_count() -> None:
    counts = ConnectionCounts(ConnectionLimits(total=100, creation_rate=10))
    counts.set_address_rate("a", 2)
    for _ in range(20):
        assert (counts.came("L", 0), counts.came_from("L", "a", 0)) == (0, 0)
    for _ in range(1000):
        assert (counts.came("L", 0), counts.came_from("L", "a", 0)) == (0, 500)
    assert counts.came_from("L", "b", 0) == 0
    counts.set_address_rate(None, 0)
    assert counts.came_from("L", "b", 0) == 1000
    counts.set_address_rate("a", None)
    assert counts.came_from("L", "a", 0) == 1000
    counts.set_address_rate("localhost", 1)
    assert counts.came_from("L", "127.0.0.1", 0) == 0
    counts.set_address_rate(None, None)
    assert counts.came_from("L", "b", 0) == 0


async def _alter_broker(client: kit.Client, **settings: str) -> None:
    configs = [
        Message(name=name.replace("_", "."), config_operation=0, value=value)
        for name, value in settings.items()
    ]
    resource = Message(resource_type=4, resource_name="1", configs=configs)
    altering = Message(resources=[resource], validate_only=False)
    (done,) = (await client.ask(ApiKey.INCREMENTAL_ALTER_CONFIGS, 1, altering)).responses
    assert done.error_code == 0, done.error_message


ASK = Message(topics=[])


APART = {
    "listeners": "PLAINTEXT://{host}:9092,BROKERS://{host}:9093",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,BROKERS:PLAINTEXT",
    "inter.broker.listener.name": "BROKERS",
}
"""Brokers have a listener of their own: their connections do not count at the other."""


def test_a_connection_too_many_waits_for_another_to_end() -> None:
    async def scenario(client: kit.Client) -> None:
        loop = asyncio.get_running_loop()
        await client.ask(ApiKey.METADATA, 12, ASK)
        setting = "listener_name_plaintext_max_connections"
        await _alter_broker(client, **{setting: "2"})
        await client.ask(ApiKey.METADATA, 12, ASK, client_id="second")
        third = loop.create_task(client.ask(ApiKey.METADATA, 12, ASK, client_id="third"))
        await asyncio.sleep(1)
        fourth = loop.create_task(client.ask(ApiKey.METADATA, 12, ASK, client_id="fourth"))
        await asyncio.sleep(5)
        assert (third.done(), fourth.done()) == (False, False)
        (await client.connection(1, "second")).close()
        await third
        await asyncio.sleep(1)
        assert not fourth.done()
        await _alter_broker(client, **{setting: "3"})
        await fourth
        await client.ask(ApiKey.METADATA, 12, ASK)

    kit.run(scenario, settings=APART)


def test_of_the_whole_broker_too_many_wait_but_other_brokers() -> None:
    """One of another listener has to go for them, the one that was not used for longest."""

    async def scenario(client: kit.Client) -> None:
        await client.ask(ApiKey.METADATA, 12, ASK)
        await _alter_broker(client, max_connections="12")
        loop = asyncio.get_running_loop()
        asking = [
            loop.create_task(client.ask(ApiKey.METADATA, 12, ASK, client_id=f"c{n}"))
            for n in range(12)
        ]
        await asyncio.sleep(1)
        served = sum(task.done() for task in asking)
        assert 0 < served < 12
        brokers = await KafkaConnection.connect("b1", 9093, client_id="b", timeout_ms=10_000)
        await brokers.send(ApiKey.API_VERSIONS, 0, Message(), timeout_ms=1000)
        await asyncio.sleep(1)
        assert sum(task.done() for task in asking) == served
        brokers.close()
        await asyncio.sleep(1)
        assert sum(task.done() for task in asking) == served + 1
        for task in asking:
            task.cancel()

    kit.run(scenario, settings=APART)


def test_one_that_leaves_while_it_waits() -> None:
    async def scenario(client: kit.Client) -> None:
        loop = asyncio.get_running_loop()
        await client.ask(ApiKey.METADATA, 12, ASK)
        await _alter_broker(client, listener_name_plaintext_max_connections="1")
        third = loop.create_task(client.ask(ApiKey.METADATA, 12, ASK, client_id="third"))
        await asyncio.sleep(1)
        fourth = loop.create_task(client.ask(ApiKey.METADATA, 12, ASK, client_id="fourth"))
        await asyncio.sleep(1)
        (await client.connection(1, "third")).close()
        with pytest.raises(OSError, match=r"clos|lost|end|RESET"):
            await third
        await asyncio.sleep(3)
        assert not fourth.done()
        (await client.connection(1, "test")).close()
        await fourth

    kit.run(scenario, settings=APART)


def test_connections_come_late_at_a_rate() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.ask(ApiKey.METADATA, 12, ASK)
        await _alter_broker(client, listener_name_plaintext_max_connection_creation_rate="1")
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.gather(
            *(client.ask(ApiKey.METADATA, 12, ASK, client_id=f"c{n}") for n in range(14))
        )
        assert 3.9 < loop.time() - began < 4.1

    kit.run(scenario, settings=APART)


def test_who_comes_too_often_is_held_and_closed() -> None:
    async def scenario(client: kit.Client) -> None:
        mine = client.simulation.host("client").address
        rate = alter({"ip": mine}, connection_creation_rate=1.0)
        await client.ask(ApiKey.ALTER_CLIENT_QUOTAS, 1, rate)
        loop = asyncio.get_running_loop()
        for number in range(10):
            await client.ask(ApiKey.METADATA, 12, ASK, client_id=f"c{number}")
        began = loop.time()
        with pytest.raises(OSError, match=r"clos|lost|end|RESET"):
            await client.ask(ApiKey.METADATA, 12, ASK, client_id="another")
        assert loop.time() - began == pytest.approx(1, abs=0.05)
        await asyncio.sleep(12)
        await client.ask(ApiKey.METADATA, 12, ASK, client_id="another")

    kit.run(scenario)


def test_a_connection_too_many_is_closed_and_the_others_go_on() -> None:
    async def scenario(client: kit.Client) -> None:
        ask = Message(topics=[])
        await client.ask(ApiKey.METADATA, 12, ask)
        mine = f"{client.simulation.host('client').address}:1"
        limit = Message(name="max.connections.per.ip.overrides", config_operation=0, value=mine)
        resource = Message(resource_type=4, resource_name="1", configs=[limit])
        altering = Message(resources=[resource], validate_only=False)
        (done,) = (await client.ask(ApiKey.INCREMENTAL_ALTER_CONFIGS, 1, altering)).responses
        assert done.error_code == 0
        with pytest.raises(OSError, match=r"clos|lost|end|RESET"):
            await client.ask(ApiKey.METADATA, 12, ask, client_id="another")
        await client.ask(ApiKey.METADATA, 12, ask)

    kit.run(scenario)
