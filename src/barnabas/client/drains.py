"""The mark of drained brokers, which get no replicas of new partitions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from barnabas.client.cluster import ClusterClient
from barnabas.client.configs import BROKER, alter_settings, describe_settings_of

DRAINED: Final = "barnabas.broker.drained"


async def mark_drained(client: ClusterClient, broker: int, *, drained: bool) -> None:
    """Set or remove the mark of a broker. Raises ClientError, Unreachable, ConnectionError if the
    broker cannot be reached."""
    value = "true" if drained else None
    outcomes = await alter_settings(client, BROKER, {str(broker): {DRAINED: value}})
    for error in outcomes.values():
        if error is not None:
            raise error


async def drained_brokers(client: ClusterClient, brokers: Iterable[int]) -> frozenset[int]:
    """Those of ``brokers`` that are drained, as far as they can be asked. Raises ClientError,
    Unreachable."""
    drained = set()
    for broker in brokers:
        try:
            found = await describe_settings_of(client, BROKER, [str(broker)], [DRAINED])
        except OSError:
            continue
        if any(s.name == DRAINED and s.value == "true" for s in found[str(broker)]):
            drained.add(broker)
    return frozenset(drained)
