"""The plug-ins that a broker's settings name: their life, from its start to its stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from barnabas.broker.plugged_authorizer import PluggedAuthorizer
from barnabas.broker.plugged_quotas import QUOTA_CALLBACK, PluggedQuotas, PrincipalName
from barnabas.broker.plugged_selector import REPLICA_SELECTOR, PluggedSelector
from barnabas.config.authorization import ACL_AUTHORIZER, AUTHORIZER
from barnabas.config.broker_config import BrokerConfig
from barnabas.metadata_cache import MetadataCache
from barnabas.plugins.authorizers import Authorizer, AuthorizerServerInfo
from barnabas.plugins.base import Plugin
from barnabas.plugins.checks import ALTER_CONFIG_POLICY, CREATE_TOPIC_POLICY, Policies
from barnabas.plugins.loading import close, find, make, start
from barnabas.plugins.policies import AlterConfigPolicy, CreateTopicPolicy
from barnabas.plugins.quotas import ClientQuotaCallback
from barnabas.plugins.replicas import ReplicaSelector
from barnabas.quotas.client_quotas import ClientQuotas
from barnabas.replication.replica_selector import SELECTORS
from barnabas.seams import Env
from barnabas.security.principal import KafkaPrincipal

_KINDS: Final[Mapping[str, type[Plugin]]] = {
    CREATE_TOPIC_POLICY: CreateTopicPolicy,
    ALTER_CONFIG_POLICY: AlterConfigPolicy,
    REPLICA_SELECTOR: ReplicaSelector,
    QUOTA_CALLBACK: ClientQuotaCallback,
    AUTHORIZER: Authorizer,
}
_OWN: Final = (*SELECTORS, ACL_AUTHORIZER)
"""Kafka's own classes, which are built in."""


class Plugged:
    """The plug-ins of one broker. Raises ConfigError for a class that cannot be one."""

    def __init__(self, env: Env, config: BrokerConfig) -> None:
        self._classes = {
            setting: find(env, setting, name, kind)
            for setting, kind in _KINDS.items()
            if (name := config.text(setting)) and name not in _OWN
        }
        self._made: dict[str, Plugin] = {}
        self.quota_user: Callable[[KafkaPrincipal], str] | None = None
        """The name by which quotas know a principal; None: its own."""

    def make(self, settings: Mapping[str, str]) -> None:
        """Make and configure all of them. ``settings``: the broker's, those in ZooKeeper too.
        Raises ConfigError."""
        for setting, cls in self._classes.items():
            self._made[setting] = make(setting, cls, settings)

    def policies(self) -> Policies | None:
        """None if the settings name none."""
        create = self._made.get(CREATE_TOPIC_POLICY)
        alter = self._made.get(ALTER_CONFIG_POLICY)
        if create is None and alter is None:
            return None
        return Policies(
            create if isinstance(create, CreateTopicPolicy) else None,
            alter if isinstance(alter, AlterConfigPolicy) else None,
        )

    def selector(self) -> PluggedSelector | None:
        """None if the settings name none, or one of Kafka's own."""
        found = self._made.get(REPLICA_SELECTOR)
        return PluggedSelector(found) if isinstance(found, ReplicaSelector) else None

    def decide_quotas(
        self, quotas: ClientQuotas, metadata: MetadataCache, cluster_id: str, listener: str
    ) -> None:
        """Let the plug-in decide on these quotas, if the settings name one. ``listener``: on which
        it is shown the brokers."""
        found = self._made.get(QUOTA_CALLBACK)
        if isinstance(found, ClientQuotaCallback):
            PluggedQuotas(found, quotas, metadata, cluster_id, listener)
            self.quota_user = PrincipalName

    def authorizer(
        self, config: BrokerConfig, cluster_id: str, broker_id: int, time_s: Callable[[], float]
    ) -> PluggedAuthorizer | None:
        """The authorizer, started; None if the settings name none. ``time_s``: the loop's. Raises
        ConfigError if it cannot start."""
        found = self._made.get(AUTHORIZER)
        if not isinstance(found, Authorizer):
            return None
        endpoints = {endpoint.listener: endpoint for endpoint in config.advertised}
        server = AuthorizerServerInfo(
            cluster_id=cluster_id,
            broker_id=broker_id,
            endpoints=tuple(endpoints.values()),
            inter_broker_endpoint=endpoints[config.inter_broker_listener],
        )
        start(AUTHORIZER, found, lambda: found.start(server))
        return PluggedAuthorizer(found, time_s)

    def close(self) -> None:
        """Close those that were made, the last one first."""
        for setting in reversed(self._made):
            close(setting, self._made[setting])
        self._made.clear()
