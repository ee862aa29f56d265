"""DynamicBrokerConfig's reconfigurables: lets parts of a broker follow settings that change while
it runs.

Each function does this for one part, as soon as the part is made. All other code reads
``BrokerConfig`` each time.
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
    """Follow settings of logs, of topics without settings of their own, and replication rates."""

    def changed() -> None:
        logs.update_settings(log_manager_settings(config), TopicConfig(config, {}).log_config())
        topics.broker_changed()
        set_replication_rates(quotas, config)

    config.follow(changed)


def follow_in_network(config: BrokerConfig, network: NetworkServer) -> None:
    """Follow the limits of connections."""

    def changed() -> None:
        network.counts.limits = connection_limits(config)
        network.acceptors.look_again()

    config.follow(changed)


def follow_in_transactions(config: BrokerConfig, transactions: TransactionCoordinator) -> None:
    """Follow whether a transaction's partitions are verified before the first write."""
    name = "transaction.partition.verification.enable"

    def changed() -> None:
        transactions.verifier.enabled = transactions.settings.verifies(config.flag(name))

    config.follow(changed, name)


def follow_in_controller(config: BrokerConfig, controller: Controller) -> None:
    """Follow whether elections may be unclean."""

    def changed() -> None:
        controller.change_settings(controller_settings(config))

    config.follow(changed, "unclean.leader.election.enable")


def follow_in_listeners(config: BrokerConfig, changed: Callable[[], None]) -> None:
    """Follow the listeners and the advertised endpoints."""
    config.follow(changed, "listeners", "advertised.listeners", "listener.security.protocol.map")
