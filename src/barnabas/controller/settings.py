"""Settings of the controller. Names are Kafka's unless marked as ours."""

from __future__ import annotations

from dataclasses import dataclass

from barnabas.protocol.inter_broker import CURRENT, InterBrokerVersions


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerSettings:
    """Times are milliseconds."""

    listener: str
    """``control.plane.listener.name`` if set, else the inter-broker listener."""
    delete_topic_enable: bool
    unclean_leader_election_enable: bool
    """The broker's default; ``/config/topics/T`` may say otherwise for a topic."""
    auto_leader_rebalance_enable: bool
    leader_imbalance_check_interval_ms: int
    leader_imbalance_first_check_ms: int = 5_000
    leader_imbalance_per_broker_percentage: int
    controller_socket_timeout_ms: int
    versions: InterBrokerVersions = CURRENT
    """``inter.broker.protocol.version``"""
    channel_retry_backoff_ms: int = 100
    """Pause of a broker's channel after a failed connection or request."""

    # Ours: fast failure detection (ARCHITECTURE.md, second path).
    refused_connections_max: int
    """After so many refusals in a row a broker is treated as failed. 0 turns the detection off."""
    refused_for_ms: int = 40
    """...if the first and the last of them are at least this far apart."""
    refused_at_start_ms: int = 5_000
    """...or this far, if the broker has just registered and was not reached yet."""
    refused_retry_backoff_ms: int = 10
    """Pause after a refused connection, until the broker is treated as failed."""
    knock_interval_ms: int = 50
    """Pause between attempts to reach a broker that was treated as failed."""
    knock_timeout_ms: int = 2_000
    """...and how long one may take."""

    # Ours: silent machines (ARCHITECTURE.md, third path).
    silence_ms: int
    """After so long without a sign of life a broker is treated as failed. 0 turns it off."""

    # Ours: how writes to ZooKeeper are grouped.
    operations_per_multi: int = 24
    """Fenced operations that share one epoch check; 1 is what Kafka does."""
    requests_in_flight: int = 256
    """ZooKeeper requests submitted before waiting for their replies."""
    zookeeper_retry_backoff_ms: int = 50
    """Pause before an operation is tried again after a lost connection to ZooKeeper."""

    def __post_init__(self) -> None:
        assert self.operations_per_multi >= 1
        assert self.requests_in_flight >= 1
        assert 0 < self.refused_retry_backoff_ms <= self.channel_retry_backoff_ms
