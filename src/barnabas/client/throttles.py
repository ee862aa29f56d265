"""The throttle of moves (KIP-73): sets it for some moves, finds and removes what is left of it.

A rate is a setting of each broker, and the replicas it is for are a setting of each topic: for what
leaders send, the present replicas; for what followers fetch, those that are added.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from barnabas.client.cluster import RETRY_PAUSE_S, ClusterClient
from barnabas.client.configs import (
    BROKER,
    TOPIC,
    Setting,
    alter_settings,
    describe_settings_of,
)
from barnabas.client.errors import ClientError
from barnabas.client.reassignment import Move
from barnabas.errors import ErrorCode

RATES: Final = ("leader.replication.throttled.rate", "follower.replication.throttled.rate")
REPLICAS: Final = (
    "leader.replication.throttled.replicas",
    "follower.replication.throttled.replicas",
)
GONE: Final = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
IN_FORCE_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttles:
    """What there is of throttles."""

    brokers: tuple[int, ...]
    """Brokers with a rate."""
    topics: tuple[str, ...]
    """Topics with throttled replicas."""


def throttled_replicas(moves: Iterable[Move]) -> dict[str, dict[str, str | None]]:
    """Each topic's settings for some moves. Pure."""
    lists: dict[str, tuple[list[str], list[str]]] = {}
    for move in moves:
        leaders, followers = lists.setdefault(move.partition.topic, ([], []))
        number = move.partition.partition
        leaders += [f"{number}:{r}" for r in move.before]
        followers += [f"{number}:{r}" for r in move.adding]
    return {
        topic: {name: ",".join(found) for name, found in zip(REPLICAS, both, strict=True) if found}
        for topic, both in lists.items()
    }


async def set_throttle(client: ClusterClient, moves: Sequence[Move], rate: int) -> list[int]:
    """Throttle what is copied by ``moves`` to ``rate`` bytes/s at each broker. Returns once all
    brokers obey it, with the brokers that cannot be asked. Raises ClientError, Unreachable."""
    lists = throttled_replicas(moves)
    if lists:
        _check(await alter_settings(client, TOPIC, lists))
    silent = []
    for broker in sorted({r for m in moves for r in m.replicas}):
        try:
            rates = {str(broker): dict.fromkeys(RATES, str(rate))}
            _check(await alter_settings(client, BROKER, rates))
            await _until_in_force(client, broker, rate)
        except OSError:
            silent.append(broker)
    return silent


def _check(outcomes: Mapping[str, ClientError | None]) -> None:
    for error in outcomes.values():
        if error is not None:
            raise error


async def _until_in_force(client: ClusterClient, broker: int, rate: int) -> None:
    """A broker hears of its new settings after they were stored."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + IN_FORCE_S
    while True:
        found = await describe_settings_of(client, BROKER, [str(broker)], RATES)
        if all(setting.value == str(rate) for setting in found[str(broker)]):
            return
        if loop.time() > deadline:
            raise ClientError(
                f"broker {broker}", ErrorCode.REQUEST_TIMED_OUT, "it does not take over its rate"
            )
        await asyncio.sleep(RETRY_PAUSE_S)


async def find_throttles(client: ClusterClient) -> Throttles:
    """All rates and throttled replicas that are set. Raises ClientError, Unreachable."""
    view = await client.status()
    topics = {}
    if view.topics:
        topics = await describe_settings_of(client, TOPIC, sorted(view.topics), REPLICAS)
    brokers: list[int] = []
    for broker in sorted(view.brokers):
        try:
            found = await describe_settings_of(client, BROKER, [str(broker)], RATES)
        except OSError:
            continue
        brokers += map(int, _set_by(found, "broker, dynamic"))
    return Throttles(brokers=tuple(brokers), topics=tuple(_set_by(topics, "topic")))


def _set_by(found: Mapping[str, Sequence[Setting]], source: str) -> list[str]:
    """Those of which some setting comes from this source, and from no default."""
    return [name for name, settings in found.items() if any(s.source == source for s in settings)]


async def remove_throttle(
    client: ClusterClient, brokers: Iterable[int], topics: Iterable[str]
) -> list[int]:
    """Remove the rates of brokers, and the throttled replicas of topics. Returns the brokers that
    cannot be asked: their rates stay. Raises ClientError, Unreachable."""
    lists: dict[str, dict[str, str | None]] = {t: dict.fromkeys(REPLICAS) for t in topics}
    if lists:
        outcomes = await alter_settings(client, TOPIC, lists)
        _check({t: e for t, e in outcomes.items() if e is None or e.code != GONE})
    silent = []
    for broker in brokers:
        try:
            _check(await alter_settings(client, BROKER, {str(broker): dict.fromkeys(RATES)}))
        except OSError:
            silent.append(broker)
    return silent
