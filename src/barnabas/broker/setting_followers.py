"""DynamicBrokerConfig's reconfigurables: who is told of settings that change while a broker runs.

All else reads ``BrokerConfig`` each time. Each function here has one part of the broker follow its
settings from the moment when that part is made.
"""

from __future__ import annotations

from collections.abc import Callable

from barnabas.broker.network import NetworkServer
from barnabas.broker.room_settings import (
    connection_limits,
    controller_settings,
    log_manager_settings,
    set_replication_rates,
)
from barnabas.broker.topic_configs import TopicConfigRepository
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.topic_config import TopicConfig
from barnabas.controller.controller import Controller
from barnabas.coordinator.transaction.coordinator import TransactionCoordinator
from barnabas.quotas.replication import ReplicationQuotas
from barnabas.storage.log_manager import LogManager


def follow_in_logs(
    config: BrokerConfig,
    logs: LogManager,
    topics: TopicConfigRepository,
    quotas: ReplicationQuotas,
) -> None:
    """Settings of logs and of topics that have none of their own, and the rates of copies."""

    def changed() -> None:
        logs.update_settings(log_manager_settings(config), TopicConfig(config, {}).log_config())
        topics.broker_changed()
        set_replication_rates(quotas, config)

    config.follow(changed)


def follow_in_network(config: BrokerConfig, network: NetworkServer) -> None:
    """How many may connect, and how fast."""

    def changed() -> None:
        network.counts.limits = connection_limits(config)
        network.acceptors.look_again()

    config.follow(changed)


def follow_in_transactions(config: BrokerConfig, transactions: TransactionCoordinator) -> None:
    """Whether a partition is asked for by its transaction before the first write."""
    name = "transaction.partition.verification.enable"

    def changed() -> None:
        transactions.verifier.enabled = config.flag(name)

    config.follow(changed, name)


def follow_in_controller(config: BrokerConfig, controller: Controller) -> None:
    """Whether elections may be unclean."""

    def changed() -> None:
        controller.change_settings(controller_settings(config))

    config.follow(changed, "unclean.leader.election.enable")


def follow_in_listeners(config: BrokerConfig, changed: Callable[[], None]) -> None:
    """Which listeners there are, and what clients are told of them."""
    config.follow(changed, "listeners", "advertised.listeners", "listener.security.protocol.map")
