"""What consumer groups must be told: settings under Kafka's names, with its defaults."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerGroupSettings:
    """``group.consumer.*`` without that prefix."""

    enabled: bool = False
    """Whether ``group.coordinator.rebalance.protocols`` names ``consumer``."""
    session_timeout_ms: int = 45_000
    heartbeat_interval_ms: int = 5_000
    max_size: int = 2**31 - 1
    assignors: tuple[str, ...] = ("uniform", "range")
    """Names of ``assignors.ASSIGNORS``; the first is for members that do not ask."""
