"""Removes what is left of the throttles of moves."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from barnabas.cli.absence import counted
from barnabas.client.cluster import ClusterClient
from barnabas.client.reassignment import Move
from barnabas.client.throttles import Throttles, find_throttles, remove_throttle

VERIFY: Final = "barnabas cluster reassign --verify"
THROTTLE: Final = "barnabas cluster reassign --throttle BYTES/S"


async def clear_throttles(
    client: ClusterClient,
    going: Sequence[Move],
    topics: Collection[str] | None = None,
    *,
    found: Throttles | None = None,
) -> list[str]:
    """Remove what is left of throttles: the lists of those ``topics`` (None: of all) of which
    nothing moves, and the rates if nothing moves at all. ``found``: no more than these are removed;
    None: look what there is. Returns lines that say what stays. Raises ClientError, Unreachable."""
    if found is None:
        found = await find_throttles(client)
    busy = {m.partition.topic for m in going}
    idle = [t for t in found.topics if t not in busy and (topics is None or t in topics)]
    silent = await remove_throttle(client, () if going else found.brokers, idle)
    left = [f"broker {b} does not answer: its rate stays ({VERIFY} removes it)" for b in silent]
    if going and found.brokers:
        brokers = ", ".join(map(str, found.brokers))
        left.append(
            f"{counted(going, 'is', 'are')} in progress: the rates of brokers {brokers} stay"
            f" ({VERIFY} removes them later)"
        )
    return left
