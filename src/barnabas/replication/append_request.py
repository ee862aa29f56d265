"""ReplicaManager.appendRecords, its request: records, and how they are to be appended."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from barnabas.errors import KafkaError
from barnabas.storage.producers.state import Origin
from barnabas.storage.producers.verification import UNVERIFIED, VerificationGuard
from barnabas.types import TopicPartition

ACKS_ALL = -1
ACKS_NONE = 0
ACKS_LEADER = 1

ProduceEntry = tuple[str, int, memoryview | None]
"""(topic, partition, records); the records are stamped in place and given up by the caller."""


@dataclass(slots=True, kw_only=True)
class InTransaction:
    """What an append in the name of a transactional id brings along (KIP-890)."""

    guards: Mapping[TopicPartition, VerificationGuard] = field(default_factory=dict)
    """Of partitions that were verified, or need not be."""
    refused: Mapping[TopicPartition, KafkaError] = field(default_factory=dict)
    """Partitions that must not be written to, and why."""

    def guard(self, name: TopicPartition) -> VerificationGuard:
        """What the log is shown. Raises the error of a refused partition."""
        refused = self.refused.get(name)
        if refused is not None:
            raise refused
        return self.guards.get(name, UNVERIFIED)


class AppendRequest(NamedTuple):
    """From a client's Produce or from a coordinator of this broker."""

    acks: int
    timeout_ms: int
    """How long the answer may wait for replication or a flush."""
    entries: Sequence[ProduceEntry]
    produce_version: int = 11
    origin: Origin = Origin.CLIENT
    internal_topics: bool = True
    """Whether the topics of the coordinators may be written to."""
    transaction: InTransaction | None = None
    denied: Container[str] = ()
    """Topics that the sender may not write to."""
