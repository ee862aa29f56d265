"""Which brokers are drained: they get no replicas of new partitions.

The mark is a dynamic setting of the broker, in ``/config/brokers/N``, where Kafka keeps those.
Kafka's own brokers keep it there too, but do not obey it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from barnabas.zk.admin import read_configs
from barnabas.zk.paths import broker_entity
from barnabas.zookeeper.client.client import ZooKeeperClient

DRAINED: Final = "barnabas.broker.drained"


async def drained_brokers(zookeeper: ZooKeeperClient, brokers: Collection[int]) -> frozenset[int]:
    """Those of ``brokers`` that are drained. Raises ConnectionLoss, SessionExpired."""
    entities = {broker_entity(b): b for b in brokers}
    found = await read_configs(zookeeper, list(entities), unreadable={})
    marked = [e for e, settings in found.items() if settings.get(DRAINED, "").strip() == "true"]
    return frozenset(entities[e] for e in marked)
