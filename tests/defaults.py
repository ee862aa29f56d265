"""The settings of rooms as a broker has them to which nothing was said, but for ``changes``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from barnabas.broker import room_settings
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.topic_config import TopicConfig
from barnabas.controller.settings import ControllerSettings
from barnabas.coordinator.group.settings import ConsumerGroupSettings, GroupSettings
from barnabas.replication.settings import ReplicationSettings
from barnabas.storage.config import CleanerSettings, LogConfig, LogManagerSettings

PLAIN = BrokerConfig({"zookeeper.connect": "zk:2181", "broker.id": "1"})
_LOG = TopicConfig(PLAIN, {}).log_config()
_LOG_MANAGER = room_settings.log_manager_settings(PLAIN)


def log_config(**changes: Any) -> LogConfig:
    return replace(_LOG, **changes)


def log_manager_settings(**changes: Any) -> LogManagerSettings:
    return replace(_LOG_MANAGER, **changes)


def cleaner_settings(**changes: Any) -> CleanerSettings:
    return replace(_LOG_MANAGER.cleaner, **changes)


def replication_settings(broker_id: int, **changes: Any) -> ReplicationSettings:
    return replace(room_settings.replication_settings(PLAIN, broker_id), **changes)


def controller_settings(**changes: Any) -> ControllerSettings:
    return replace(room_settings.controller_settings(PLAIN), **changes)


def group_settings(**changes: Any) -> GroupSettings:
    return replace(room_settings.group_settings(PLAIN), **changes)


def consumer_group_settings(**changes: Any) -> ConsumerGroupSettings:
    return replace(room_settings.consumer_group_settings(PLAIN), **changes)
