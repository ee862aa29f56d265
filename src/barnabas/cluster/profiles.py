"""Profiles: named sets of settings that differ from Kafka's defaults, for local clusters. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from barnabas.errors import ConfigError

TICK_MS = 2000
"""ZooKeeper's default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Settings for all brokers and for the coordinator."""

    name: str
    settings: Mapping[str, str]
    tick_ms: int = TICK_MS
    """The coordinator's tick. A session lasts at least two ticks."""
    flush: bool = True
    """Whether the coordinator waits for the disk. If not, a machine that loses power may lose the
    last changes; a killed process loses none."""
    in_memory: bool = False
    """Whether the data directory is in memory, if none was given."""


SERVER: Final = Profile(name="server", settings={})
"""Kafka's defaults, for a cluster that should behave as in production."""

DEV: Final = Profile(
    name="dev",
    settings={
        "zookeeper.session.timeout.ms": "3000",
        "replica.lag.time.max.ms": "5000",
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "controlled.shutdown.retry.backoff.ms": "200",
        "barnabas.controller.silence.ms": "0",  # a machine does not fall silent to itself
    },
    tick_ms=1000,
)
"""For a person at a terminal. Groups rebalance without delay, and a silent broker is noticed within
seconds. When all brokers stop together, none waits long for others to take over its leaderships."""

TEST: Final = Profile(
    name="test",
    settings={
        **DEV.settings,
        "zookeeper.session.timeout.ms": "1000",
        "zookeeper.connection.timeout.ms": "30000",  # else as long as a session: too short to start
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
"""For tests. Internal topics have one partition, and a silent broker is noticed after a second."""

PROFILES: Final = {profile.name: profile for profile in (SERVER, DEV, TEST)}


def profile_named(name: str) -> Profile:
    """The profile of this name. Raises ConfigError."""
    if name not in PROFILES:
        raise ConfigError(f"no profile is named {name!r}; there are {', '.join(PROFILES)}")
    return PROFILES[name]
