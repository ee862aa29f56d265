"""QuotaFactory: quotas that a plug-in decides on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from barnabas.metadata_cache import MetadataCache, PartitionMetadata
from barnabas.plugins.cluster import Node, PartitionInfo
from barnabas.plugins.loading import RAISED, Guard
from barnabas.plugins.quotas import (
    ClientQuotaCallback,
    ClientQuotaEntity,
    ClientQuotaType,
    ConfigEntity,
    ConfigEntityType,
)
from barnabas.quotas.client_quotas import KEPT_MAX, ClientQuotas, Limits
from barnabas.quotas.entities import (
    ABSENT,
    CLIENT_ID,
    CONSUMER_BYTE_RATE,
    CONTROLLER_MUTATION_RATE,
    DEFAULT,
    PRODUCER_BYTE_RATE,
    REQUEST_PERCENTAGE,
    USER,
    Entity,
)
from barnabas.security.principal import USER as USER_TYPE
from barnabas.security.principal import KafkaPrincipal
from barnabas.types import LEADER_DURING_DELETE, TopicPartition
from barnabas.zk.paths import DEFAULT_ENTITY

QUOTA_CALLBACK: Final = "client.quota.callback.class"
_TYPES: Final = {
    PRODUCER_BYTE_RATE: ClientQuotaType.PRODUCE,
    CONSUMER_BYTE_RATE: ClientQuotaType.FETCH,
    REQUEST_PERCENTAGE: ClientQuotaType.REQUEST,
    CONTROLLER_MUTATION_RATE: ClientQuotaType.CONTROLLER_MUTATION,
}


class PrincipalName(str):
    """A user's name, as quotas use it, that knows its principal."""

    principal: KafkaPrincipal

    def __new__(cls, principal: KafkaPrincipal) -> PrincipalName:
        name = super().__new__(cls, principal.name)
        name.principal = principal
        return name


class PluggedLimits(Limits):
    """The quotas of one kind, as the plug-in decides on them."""

    def __init__(self, guard: Guard[ClientQuotaCallback], kind: ClientQuotaType) -> None:
        super().__init__()
        self._guard = guard
        self._kind = kind
        self._limits: dict[tuple[str, str], float | None] = {}
        """What the plug-in has said, by who shares it."""

    def __bool__(self) -> bool:
        return True

    def set(self, entity: Entity, quota: float | None) -> None:
        """Tell the plug-in of an entity's quota in ZooKeeper."""
        named = _entity(entity)
        try:
            if quota is None:
                self._guard.plugin.remove_quota(self._kind, named)
            else:
                self._guard.plugin.update_quota(self._kind, named, quota)
        except RAISED as error:
            self._guard.failed(error)
        self.forget()

    def forget(self) -> None:
        """Limits may have changed: ask for them again."""
        self._limits.clear()

    def of(self, user: str, client_id: str) -> tuple[tuple[str, str], float] | None:
        principal = (
            user.principal if isinstance(user, PrincipalName) else KafkaPrincipal(USER_TYPE, user)
        )
        try:
            plugin = self._guard.plugin
            if plugin.quota_reset_required(self._kind):
                self.forget()
            tags = plugin.quota_metric_tags(self._kind, principal, client_id)
            key = _key(tags)
            if key not in self._limits:
                if len(self._limits) >= KEPT_MAX:
                    self._limits.clear()
                self._limits[key] = _checked(plugin.quota_limit(self._kind, tags))
        except RAISED as error:
            self._guard.failed(error)
            return None
        limit = self._limits[key]
        return None if limit is None else (key, limit)

    def quota_of(self, key: tuple[str, str]) -> float | None:
        return self._limits.get(key)


def _key(tags: Mapping[str, str]) -> tuple[str, str]:
    """Who shares a quota: Kafka's own two tags as they are, others as one text. Raises TypeError
    and ValueError for what is no text, or cannot be shown."""
    for text in (*tags.keys(), *tags.values()):
        str.encode(text)
    if tags.keys() <= {USER, CLIENT_ID}:
        return tags.get(USER, ABSENT), tags.get(CLIENT_ID, ABSENT)
    return ",".join(f"{name}={value}" for name, value in sorted(tags.items())), ABSENT


def _checked(limit: object) -> float | None:
    """A limit of the plug-in's. Raises TypeError, ValueError if it is none."""
    if limit is None:
        return None
    if isinstance(limit, bool) or not isinstance(limit, int | float):
        raise TypeError(f"quota_limit returned {limit!r}, which is no number")
    if math.isnan(limit) or limit < 0:
        raise ValueError(f"quota_limit returned {limit!r}")
    return float(limit) if math.isfinite(limit) else None


def _entity(entity: Entity) -> ClientQuotaEntity:
    found = []
    if entity.user != ABSENT:
        found.append(
            ConfigEntity(ConfigEntityType.DEFAULT_USER, DEFAULT_ENTITY)
            if entity.user is DEFAULT
            else ConfigEntity(ConfigEntityType.USER, entity.user)
        )
    if entity.client_id != ABSENT:
        found.append(
            ConfigEntity(ConfigEntityType.DEFAULT_CLIENT_ID, DEFAULT_ENTITY)
            if entity.client_id is DEFAULT
            else ConfigEntity(ConfigEntityType.CLIENT_ID, entity.client_id)
        )
    return ClientQuotaEntity(tuple(found))


class PluggedQuotas:
    """The plug-in's part in the quotas of one broker."""

    def __init__(
        self,
        plugin: ClientQuotaCallback,
        quotas: ClientQuotas,
        metadata: MetadataCache,
        cluster_id: str,
        listener: str,
    ) -> None:
        """``listener``: on which brokers are shown to the plug-in."""
        self._guard = Guard(QUOTA_CALLBACK, plugin)
        self._limits = {key: PluggedLimits(self._guard, kind) for key, kind in _TYPES.items()}
        self._cluster = KnownCluster(metadata, cluster_id, listener)
        quotas.use(self._limits)
        metadata.subscribe(self._announced)

    def _announced(self) -> None:
        try:
            changed = self._guard.plugin.update_cluster_metadata(self._cluster)
        except RAISED as error:
            self._guard.failed(error)
            return
        if changed:
            for limits in self._limits.values():
                limits.forget()


class KnownCluster:
    """``Cluster``: what the controller has announced."""

    def __init__(self, metadata: MetadataCache, cluster_id: str, listener: str) -> None:
        self._metadata = metadata
        self._cluster_id = cluster_id
        self._listener = listener

    @property
    def cluster_id(self) -> str:
        return self._cluster_id

    def nodes(self) -> list[Node]:
        found = (self.node_by_id(number) for number in sorted(self._metadata.brokers))
        return [node for node in found if node is not None]

    def node_by_id(self, broker_id: int) -> Node | None:
        broker = self._metadata.brokers.get(broker_id)
        endpoint = None if broker is None else broker.endpoint(self._listener)
        if broker is None or endpoint is None:
            return None
        return Node(broker_id, endpoint.host, endpoint.port, broker.rack)

    def controller(self) -> Node | None:
        controller = self._metadata.controller_id
        return None if controller is None else self.node_by_id(controller)

    def topics(self) -> list[str]:
        return [topic for topic in self._metadata.topics() if self._partitions(topic)]

    def partition_count_for_topic(self, topic: str) -> int | None:
        return len(self._partitions(topic)) or None

    def partitions_for_topic(self, topic: str) -> list[PartitionInfo]:
        return [
            PartitionInfo(
                topic=topic,
                partition=p.partition,
                leader=self._node(p.leader) if p.leader >= 0 else None,
                replicas=tuple(map(self._node, p.replicas)),
                in_sync_replicas=tuple(map(self._node, p.isr)),
                offline_replicas=tuple(map(self._node, p.offline_replicas)),
            )
            for p in self._partitions(topic)
        ]

    def leader_for(self, partition: TopicPartition) -> Node | None:
        known = self._metadata.partition(partition)
        return None if known is None or known.leader < 0 else self._node(known.leader)

    def _node(self, broker_id: int) -> Node:
        return self.node_by_id(broker_id) or Node(broker_id, "", -1, None)

    def _partitions(self, topic: str) -> list[PartitionMetadata]:
        known = self._metadata.partitions(topic) or {}
        found = (known[number] for number in sorted(known))
        return [p for p in found if p.leader != LEADER_DURING_DELETE]
