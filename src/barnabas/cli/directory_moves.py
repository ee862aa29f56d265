"""Carries out what a plan of moves says about log directories (``log_dirs``)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from barnabas.admin.plan_json import Directories
from barnabas.cli.absence import LOOK_EVERY_S, patiently
from barnabas.cli.progress import ProgressLine
from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError
from barnabas.client.replica_directories import Location, locations, move_replicas
from barnabas.errors import ErrorCode
from barnabas.types import TopicPartition

REFUSALS_MAX: Final = 10
"""So many looks a broker may need until it has a replica whose move has ended."""

Replica: TypeAlias = "tuple[TopicPartition, int]"
"""A partition and the broker."""


@dataclass(slots=True, kw_only=True)
class DirectoryMoves:
    """The replicas of a plan that are to be in certain directories; there may be none."""

    client: ClusterClient
    wanted: Directories
    timeout_s: float
    """So long a broker that does not answer is waited for."""

    @property
    def _by_broker(self) -> dict[int, dict[TopicPartition, str]]:
        brokers: dict[int, dict[TopicPartition, str]] = {}
        for tp, paths in self.wanted.items():
            for broker, path in paths.items():
                brokers.setdefault(broker, {})[tp] = path
        return brokers

    async def begin(self) -> None:
        """Begin to move the replicas that are there, and tell the brokers where to make those that
        come. To be called before the partitions move, so that these are copied once. Raises
        ClientError for the first that is refused, ConnectionError if a broker does not answer."""
        await self._ask(self._by_broker)

    async def _ask(self, brokers: Mapping[int, Mapping[TopicPartition, str]]) -> list[Replica]:
        """Returns those that are not there yet."""
        coming: list[Replica] = []
        for broker, targets in brokers.items():
            codes = await move_replicas(self.client, broker, targets)
            for tp, code in codes.items():
                if code == ErrorCode.REPLICA_NOT_AVAILABLE:
                    coming.append((tp, broker))
                elif code:
                    raise ClientError(f"{tp} at broker {broker}, {targets[tp]}", code)
        return coming

    async def finish(self) -> None:
        """After the partitions have moved: wait until all replicas are where they are to be, and
        ask again for those that are not on their way (their broker has restarted, or had them
        before). Raises as ``begin``, and ClientError if a broker goes on without a replica."""
        refusals = 0
        with ProgressLine() as progress:
            while True:
                found = await patiently(self._locations, self.timeout_s)
                left = {r: place for r, place in found.items() if not place.is_at(self._path(r))}
                if not left:
                    return
                idle: dict[int, dict[TopicPartition, str]] = {}
                for tp, broker in left:
                    path = self._path((tp, broker))
                    if left[tp, broker].moving_to != path:
                        idle.setdefault(broker, {})[tp] = path
                coming = await patiently(partial(self._ask, idle), self.timeout_s)
                refusals = refusals + 1 if coming else 0
                if refusals > REFUSALS_MAX:
                    tp, broker = coming[0]
                    raise ClientError(f"{tp} at broker {broker}", ErrorCode.REPLICA_NOT_AVAILABLE)
                lag = sum(place.lag for place in left.values())
                count = len(found)
                progress.show(
                    f"{count - len(left)} of {count} replicas are in their directories,"
                    f" {lag} records to copy"
                )
                await asyncio.sleep(LOOK_EVERY_S)

    async def cancel(self) -> None:
        """Let the replicas stay where they are. Raises as ``begin``."""
        found = await self._locations()
        back: dict[int, dict[TopicPartition, str]] = {}
        for (tp, broker), place in found.items():
            if place.directory is not None and place.moving_to is not None:
                back.setdefault(broker, {})[tp] = place.directory
        await self._ask(back)

    async def states(self) -> dict[Replica, str]:
        """What there is to tell of each replica; ``moved`` if it is where it is to be."""
        told: dict[Replica, str] = {}
        if self.wanted:
            await self.client.metadata([])  # which brokers there are
        for broker, paths in self._by_broker.items():
            try:
                found = (await locations(self.client, {broker: paths}))[broker]
            except OSError:
                told |= {(tp, broker): f"broker {broker} does not answer" for tp in paths}
                continue
            told |= {(tp, broker): state_text(place, paths[tp]) for tp, place in found.items()}
        return told

    def _path(self, replica: Replica) -> str:
        return self.wanted[replica[0]][replica[1]]

    async def _locations(self) -> dict[Replica, Location]:
        if not self.wanted:
            return {}
        await self.client.metadata([])  # which brokers there are
        found = await locations(self.client, self._by_broker)
        return {(tp, b): place for b, places in found.items() for tp, place in places.items()}


def state_text(place: Location, path: str) -> str:
    """How far a replica is on its way to a directory. Pure."""
    if place.moving_to == path:
        return f"moves to {path}, {place.lag} records to copy"
    if place.directory is None:
        return "not there yet"
    if place.moving_to is not None:
        return f"is in {place.directory}, moves to {place.moving_to}"
    return "moved" if place.directory == path else f"is in {place.directory}"
