"""Settings that must fit each other."""

from __future__ import annotations

import pytest

from barnabas.config.broker_config import BrokerConfig
from barnabas.errors import ConfigError

CONNECT = {"zookeeper.connect": "zk:2181", "broker.id": "1"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("group.coordinator.rebalance.protocols", "share"),
        ("group.consumer.assignors", "com.example.Mine"),
        ("group.consumer.migration.policy", "upgrade"),
        ("group.consumer.session.timeout.ms", "1000"),
        ("group.consumer.heartbeat.interval.ms", "60000"),
        ("group.consumer.max.size", "0"),
        ("group.consumer.max.session.timeout.ms", "44000"),
        ("group.consumer.max.heartbeat.interval.ms", "4000"),
    ],
)
def test_what_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        BrokerConfig({**CONNECT, name: value})


def test_a_broker_has_an_id_or_is_given_one() -> None:
    without = {"zookeeper.connect": "zk:2181"}
    assert BrokerConfig(without).integer("broker.id") == -1
    with pytest.raises(ConfigError, match=r"^broker\.id: required when"):
        BrokerConfig({**without, "broker.id.generation.enable": "false"})
    BrokerConfig({**CONNECT, "broker.id.generation.enable": "false"})
