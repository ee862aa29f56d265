"""Finds the ZooKeeper of a cluster by asking its brokers for their settings."""

from __future__ import annotations

from barnabas.client.cluster import ClusterClient
from barnabas.client.configs import BROKER, describe_settings
from barnabas.client.errors import ClientError, Unreachable

ZOOKEEPER_CONNECT = "zookeeper.connect"
MIN_ISR = "min.insync.replicas"


async def broker_settings(client: ClusterClient) -> dict[str, str]:
    """``zookeeper.connect`` and ``min.insync.replicas`` of the first broker that gives them; {} if
    none does, or if this user may not read settings."""
    try:
        brokers = (await client.status([])).brokers
    except (ClientError, Unreachable):
        return {}
    for broker in sorted(brokers):
        try:
            found = await describe_settings(
                client, BROKER, str(broker), [ZOOKEEPER_CONNECT, MIN_ISR]
            )
        except (ClientError, OSError):
            continue
        return {s.name: s.value for s in found if s.value}
    return {}
