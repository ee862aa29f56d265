"""Settings of next-generation groups: what starts, and what is refused by name."""

from __future__ import annotations

import pytest

from barnabas.broker.room_settings import consumer_group_settings
from barnabas.config.broker_config import BrokerConfig
from barnabas.errors import ConfigError

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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("group.coordinator.rebalance.protocols", "share"),
        ("group.consumer.assignors", "com.example.Mine"),
        ("group.consumer.migration.policy", "upgrade"),
        ("group.consumer.session.timeout.ms", "1000"),
        ("group.consumer.heartbeat.interval.ms", "60000"),
        ("group.consumer.max.size", "0"),
    ],
)
def test_what_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        BrokerConfig({**CONNECT, name: value})
