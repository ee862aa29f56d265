"""Settings for a purpose: what a cluster on one machine changes of Kafka's defaults. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from barnabas.errors import ConfigError

TICK_MS = 2000
"""ZooKeeper's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Settings of all brokers, and what goes with them."""

    name: str
    settings: Mapping[str, str]
    tick_ms: int = TICK_MS
    """Of the coordinator: sessions last two ticks at least."""
    flush: bool = True
    """Whether the coordinator waits for the disk: without it, a machine that loses power loses the
    last changes, a killed process none."""
    in_memory: bool = False
    """Whether a directory that nobody has named is in memory."""


SERVER: Final = Profile(name="server", settings={})
"""Kafka's defaults, for a cluster that is to behave as one in production."""

DEV: Final = Profile(
    name="dev",
    settings={
        "zookeeper.session.timeout.ms": "3000",
        "replica.lag.time.max.ms": "5000",
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "controlled.shutdown.retry.backoff.ms": "200",
    },
    tick_ms=1000,
)
"""For a person at a terminal: groups rebalance without delay, and whoever falls silent is missed
within seconds. When all brokers stop together, each waits only briefly for another to take over its
leaderships."""

TEST: Final = Profile(
    name="test",
    settings={
        **DEV.settings,
        "zookeeper.session.timeout.ms": "1000",
        "replica.lag.time.max.ms": "1500",
        "barnabas.zookeeper.fast.expiry.ms": "20",
        "offsets.topic.num.partitions": "1",
        "transaction.state.log.num.partitions": "1",
        "group.min.session.timeout.ms": "100",
        "controlled.shutdown.retry.backoff.ms": "50",
    },
    tick_ms=100,
    flush=False,
    in_memory=True,
)
"""For tests: internal topics have one partition, and whoever falls silent is missed soon."""

PROFILES: Final = {profile.name: profile for profile in (SERVER, DEV, TEST)}


def profile_named(name: str) -> Profile:
    """Raises ConfigError."""
    if name not in PROFILES:
        raise ConfigError(f"no profile is named {name!r}: they are {', '.join(PROFILES)}")
    return PROFILES[name]
