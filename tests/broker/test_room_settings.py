"""Settings of rooms, made of a broker's."""

from __future__ import annotations

import pytest

from barnabas.broker import room_settings
from barnabas.broker.room_settings import consumer_group_settings
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.topic_config import TopicConfig
from barnabas.controller.settings import ControllerSettings
from barnabas.coordinator.group.settings import GroupSettings
from barnabas.coordinator.transaction.settings import TransactionSettings
from barnabas.replication.settings import ReplicationSettings
from barnabas.storage.config import LogConfig, LogManagerSettings

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


PLAIN = BrokerConfig(CONNECT)


@pytest.mark.parametrize(
    ("made", "defaults"),
    [
        (room_settings.controller_settings(PLAIN), ControllerSettings()),
        (room_settings.group_settings(PLAIN), GroupSettings()),
        (room_settings.log_manager_settings(PLAIN), LogManagerSettings()),
        (room_settings.replication_settings(PLAIN, 1), ReplicationSettings(broker_id=1)),
        (room_settings.transaction_settings(PLAIN, 1), TransactionSettings(broker_id=1)),
        (TopicConfig(PLAIN, {}).log_config(), LogConfig()),
    ],
    ids=lambda settings: type(settings).__name__,
)
def test_the_defaults_of_a_room_are_those_of_the_table(made: object, defaults: object) -> None:
    """Rooms have them for their tests; a broker's come from ``config/table``."""
    assert made == defaults
