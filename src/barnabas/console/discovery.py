"""Finds ZooKeeper and the brokers' HTTP listeners by asking brokers for their settings."""

from __future__ import annotations

from barnabas.client.cluster import ClusterClient
from barnabas.client.configs import BROKER, describe_settings
from barnabas.client.errors import ClientError, Unreachable

ZOOKEEPER_CONNECT = "zookeeper.connect"
MIN_ISR = "min.insync.replicas"
HTTP_LISTENER = "barnabas.http.listener"
_EVERY_ADDRESS = ("0.0.0.0", "[::]")


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


async def http_urls(client: ClusterClient) -> dict[int, str]:
    """``http://host:port`` of the HTTP listener of each broker that tells of one, by broker."""
    try:
        brokers = (await client.status([])).brokers
    except (ClientError, Unreachable):
        return {}
    urls = {}
    for broker in sorted(brokers):
        try:
            found = await describe_settings(client, BROKER, str(broker), [HTTP_LISTENER])
        except (ClientError, OSError):
            continue
        value = next((s.value for s in found if s.name == HTTP_LISTENER), None)
        url = http_url(value or "", brokers[broker].host)
        if url is not None:
            urls[broker] = url
    return urls


def http_url(listener: str, host: str) -> str | None:
    """Where others reach a listener, ``HOST:PORT``: at ``host`` if it is bound to every address.
    None if that cannot be known, as it has no port of its own. Pure."""
    bound, _, port = listener.rpartition(":")
    if not bound or not port.isdigit() or int(port) == 0:
        return None
    if bound in _EVERY_ADDRESS:
        bound = f"[{host}]" if ":" in host else host
    return f"http://{bound}:{port}"
