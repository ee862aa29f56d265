"""Settings of rooms, made of a broker's."""

from __future__ import annotations

from barnabas.broker.room_settings import consumer_group_settings
from barnabas.config.broker_config import BrokerConfig

CONNECT = {"zookeeper.connect": "zk:2181", "broker.id": "1"}


def test_off_by_default_and_on_by_name() -> None:
    off = consumer_group_settings(BrokerConfig(CONNECT))
    assert (off.enabled, off.assignors) == (False, ("uniform", "range"))
    given = {
        "group.coordinator.rebalance.protocols": "classic,consumer",
        "group.consumer.assignors": "range",
    }
    on = consumer_group_settings(BrokerConfig({**CONNECT, **given}))
    assert (on.enabled, on.assignors) == (True, ("range",))
