"""Whether a broker is ready to serve, and why not. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from barnabas.types import TopicPartition

NAMED_MAX: Final = 20
"""Partitions that one reason lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What decides whether a broker is ready."""

    broker_id: int
    registered: bool
    """Whether it is registered in ZooKeeper, in its present session."""
    controller_id: int | None
    """The controller that this broker was told of; None if no live one is known."""
    offline: Sequence[TopicPartition]
    """Partitions that it leads as far as it knows, and whose disk has failed."""

    def reasons(self) -> list[str]:
        """Why it is not ready; empty if it is."""
        found = []
        if not self.registered:
            found.append("not registered in ZooKeeper")
        if self.controller_id is None:
            found.append("no controller known")
        if self.offline:
            named = ", ".join(map(str, self.offline[:NAMED_MAX]))
            more = len(self.offline) - NAMED_MAX
            rest = f" and {more} more" if more > 0 else ""
            found.append(f"partitions led here are offline: {named}{rest}")
        return found

    def document(self) -> dict[str, object]:
        """For ``/readyz``."""
        reasons = self.reasons()
        return {
            "ready": not reasons,
            "reasons": reasons,
            "broker": self.broker_id,
            "registered": self.registered,
            "controller": self.controller_id,
            "offline_partitions": len(self.offline),
        }
