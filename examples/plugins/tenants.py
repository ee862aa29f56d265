"""One quota for all users of a tenant, by the number of partitions that a broker leads for it.

::

    client.quota.callback.class=tenants.TenantQuotas
    tenants.bytes.per.partition=100000
"""

from __future__ import annotations

from collections.abc import Mapping

from barnabas.plugins import (
    ClientQuotaCallback,
    ClientQuotaEntity,
    ClientQuotaType,
    Cluster,
    KafkaPrincipal,
)


class TenantQuotas(ClientQuotaCallback):
    """The user ``shop-billing`` is of the tenant ``shop``, whose topics are ``shop.*``.

    A tenant may produce ``tenants.bytes.per.partition`` bytes per second to a broker for each
    partition that the broker leads, and fetch twice as many. A quota that is set for the user
    ``shop`` (``barnabas quota set --user shop``) counts instead.
    """

    def configure(self, settings: Mapping[str, str]) -> None:
        self._me = int(settings["broker.id"])
        self._bytes = float(settings.get("tenants.bytes.per.partition", "100000"))
        self._led: dict[str, int] = {}
        self._set: dict[tuple[ClientQuotaType, str], float] = {}

    def quota_metric_tags(
        self, quota_type: ClientQuotaType, principal: KafkaPrincipal, client_id: str
    ) -> Mapping[str, str]:
        return {"tenant": principal.name.partition("-")[0]}

    def quota_limit(
        self, quota_type: ClientQuotaType, metric_tags: Mapping[str, str]
    ) -> float | None:
        tenant = metric_tags["tenant"]
        if (quota_type, tenant) in self._set:
            return self._set[quota_type, tenant]
        factor = {ClientQuotaType.PRODUCE: 1, ClientQuotaType.FETCH: 2}.get(quota_type)
        led = self._led.get(tenant, 0)
        return self._bytes * factor * led if factor and led else None

    def update_quota(
        self, quota_type: ClientQuotaType, quota_entity: ClientQuotaEntity, new_value: float
    ) -> None:
        self._set[quota_type, quota_entity.config_entities[0].name] = new_value

    def remove_quota(self, quota_type: ClientQuotaType, quota_entity: ClientQuotaEntity) -> None:
        self._set.pop((quota_type, quota_entity.config_entities[0].name), None)

    def update_cluster_metadata(self, cluster: Cluster) -> bool:
        led: dict[str, int] = {}
        for topic in cluster.topics():
            tenant = topic.partition(".")[0]
            for partition in cluster.partitions_for_topic(topic):
                if partition.leader is not None and partition.leader.id == self._me:
                    led[tenant] = led.get(tenant, 0) + 1
        changed = led != self._led
        self._led = led
        return changed
