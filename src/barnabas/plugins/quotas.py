"""ClientQuotaCallback, ClientQuotaEntity: a class that decides which clients share a quota, and how
large it is (KIP-257)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from barnabas.plugins.base import Plugin
from barnabas.plugins.cluster import Cluster
from barnabas.security.principal import KafkaPrincipal


class ClientQuotaType(Enum):
    """The kinds of quotas, and the units of their limits."""

    PRODUCE = "PRODUCE"
    """Bytes per second."""
    FETCH = "FETCH"
    """Bytes per second."""
    REQUEST = "REQUEST"
    """Percents of a processor's time."""
    CONTROLLER_MUTATION = "CONTROLLER_MUTATION"
    """Partitions per second."""


class ConfigEntityType(Enum):
    """What a quota in ZooKeeper is for."""

    USER = "USER"
    CLIENT_ID = "CLIENT_ID"
    DEFAULT_USER = "DEFAULT_USER"
    DEFAULT_CLIENT_ID = "DEFAULT_CLIENT_ID"


class ConfigEntity(NamedTuple):
    """A user, a client id, or a default for one of them."""

    entity_type: ConfigEntityType
    name: str
    """``<default>`` for a default, as in Kafka."""


@dataclass(frozen=True, slots=True)
class ClientQuotaEntity:
    """Whom a quota in ZooKeeper is for."""

    config_entities: tuple[ConfigEntity, ...]
    """A user, a client id, or both in this order."""


class ClientQuotaCallback(Plugin, ABC):
    """``client.quota.callback.class``: decides on the quotas of users and client ids.

    It takes the place of Kafka's rules, so quotas in ZooKeeper count only as far as it obeys them
    (``update_quota``). Limits are of one broker. Quotas of addresses are not its business.

    ``quota_reset_required`` and ``quota_metric_tags`` are called for each request, some twice. If
    it fails, the request is served without a quota, and the error is logged.
    """

    @abstractmethod
    def quota_metric_tags(
        self, quota_type: ClientQuotaType, principal: KafkaPrincipal, client_id: str
    ) -> Mapping[str, str]:
        """Names and values that say who shares the quota: all clients with the same ones do."""

    @abstractmethod
    def quota_limit(
        self, quota_type: ClientQuotaType, metric_tags: Mapping[str, str]
    ) -> float | None:
        """The limit for those who share these tags, 0 or more; None if there is none. It is asked
        when the tags are used for the first time, and after each change of quotas."""

    def update_quota(
        self, quota_type: ClientQuotaType, quota_entity: ClientQuotaEntity, new_value: float
    ) -> None:
        """An entity's quota in ZooKeeper: at the start, and when it was changed."""
        return

    def remove_quota(self, quota_type: ClientQuotaType, quota_entity: ClientQuotaEntity) -> None:
        """An entity has no quota of this kind, or none any more."""
        return

    def quota_reset_required(self, quota_type: ClientQuotaType) -> bool:
        """Whether limits may have changed since the last call, other than by the methods below and
        above: then they are asked for again."""
        return False

    def update_cluster_metadata(self, cluster: Cluster) -> bool:
        """The controller has announced something. True: limits may have changed by it."""
        return False
