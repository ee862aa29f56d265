"""How many connections a broker takes, in all and from one address."""

from __future__ import annotations

import pytest
from tests.api import kit

from barnabas.broker.connection_limits import ConnectionCounts, ConnectionLimits
from barnabas.broker.room_settings import connection_limits
from barnabas.config.broker_config import BrokerConfig
from barnabas.protocol.api import ApiKey
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


def test_counting() -> None:
    counts = ConnectionCounts(ConnectionLimits(total=3, per_address=2, overrides={"b": 0}))
    assert counts.take("a") is None
    assert counts.take("a") is None
    assert counts.take("a") == "max.connections.per.ip (2) reached by a"
    assert counts.take("b") == "max.connections.per.ip (0) reached by b"
    assert counts.take("c") is None
    assert counts.take("d") == "max.connections (3) reached"
    counts.give_back("a")
    assert counts.take("d") is None
    counts.limits = ConnectionLimits(total=1)
    assert counts.take("a") == "max.connections (1) reached"


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
        with pytest.raises(OSError, match=r"clos|lost|end"):
            await client.ask(ApiKey.METADATA, 12, ask, client_id="another")
        await client.ask(ApiKey.METADATA, 12, ask)

    kit.run(scenario)
