"""DynamicBrokerConfig: settings of one broker, of all and of its file, in this order."""

from __future__ import annotations

import pytest
from tests.api import kit
from tests.api.config_kit import (
    BROKER,
    DEFAULT,
    DELETE,
    OF_ALL,
    OF_BROKER,
    OF_FILE,
    SET,
    alter,
    described,
    until,
)

from barnabas.broker.dynamic_config import DynamicBrokerConfig
from barnabas.config.broker_config import BrokerConfig
from barnabas.errors import ConfigError
from barnabas.zk import paths
from barnabas.zk.admin import write_config


def test_layers_of_a_broker() -> None:
    async def scenario(client: kit.Client) -> None:
        name = "log.segment.bytes"
        await alter(client, BROKER, "", (SET, name, "20000"), (SET, "num.io.threads", "9"))
        await alter(client, BROKER, "1", (SET, name, "30000"))
        given = [(name, "16384", OF_FILE), (name, "1073741824", DEFAULT)]
        assert await described(client, BROKER, "1", name) == (
            "30000",
            OF_BROKER,
            [(name, "30000", OF_BROKER), (name, "20000", OF_ALL), *given],
        )
        of_all = ("20000", OF_ALL, [(name, "20000", OF_ALL)])
        assert await described(client, BROKER, "", name) == of_all
        threads = await described(client, BROKER, "1", "num.io.threads")
        of_default = ("num.io.threads", "8", DEFAULT)
        assert threads == ("9", OF_ALL, [("num.io.threads", "9", OF_ALL), of_default])

        async def followed() -> bool:
            found = await described(client, BROKER, "2", name, broker=2)
            return found is not None and found[:2] == ("20000", OF_ALL)

        await until(followed)
        broker = client.simulation.processes["b1"]
        broker.kill()
        broker.start()

        async def back() -> bool:
            try:
                found = await described(client, BROKER, "1", name)
            except OSError:
                return False
            return found is not None and found[:2] == ("30000", OF_BROKER)

        await until(back)
        await alter(client, BROKER, "1", (DELETE, name, None))
        found = await described(client, BROKER, "1", name)
        assert found is not None
        assert found[:2] == ("20000", OF_ALL)

    kit.run(scenario, brokers=2, settings={"log.segment.bytes": "16384"})


def test_no_broker_starts_with_security_that_zookeeper_holds_for_it() -> None:
    async def scenario(client: kit.Client) -> None:
        zookeeper = await kit.zookeeper(client.env)
        asked = "listener.name.plaintext.ssl.client.auth"
        await write_config(zookeeper, paths.broker_entity(7), {asked: "required"})
        starting = DynamicBrokerConfig(BrokerConfig({"broker.id": "7"}), zookeeper, bytes)
        with pytest.raises(
            ConfigError, match=f"{asked}: (not supported|listener).* /config/brokers/7"
        ):
            await starting.load(7)
        await write_config(zookeeper, paths.broker_entity(7), {asked: "none"})
        await starting.load(7)

    kit.run(scenario)
