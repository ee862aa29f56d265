"""Plain values that all packages use. Nothing of Barnabas is imported here."""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, TypeAlias

import msgspec

Buffer: TypeAlias = bytes | bytearray | memoryview

# Sentinels (reference 12).
NO_LEADER = -1
LEADER_DURING_DELETE = -2
NO_EPOCH = -1
EPOCH_DURING_DELETE = -2
INITIAL_LEADER_EPOCH = 0
UNKNOWN_BROKER_EPOCH = -1
CONSUMER_REPLICA_ID = -1
DEBUG_CONSUMER_REPLICA_ID = -2
FUTURE_REPLICA_ID = -3
NO_PRODUCER_ID = -1
NO_PRODUCER_EPOCH = -1
NO_SEQUENCE = -1
NO_OFFSET = -1
NO_TIMESTAMP = -1

ZERO_UUID = uuid.UUID(int=0)


class TopicPartition(NamedTuple):
    """One partition of one topic; sorts by topic, then by number."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


class Endpoint(NamedTuple):
    """Where a broker listens: listener name, security protocol name, advertised host and port."""

    listener: str
    security_protocol: str
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A registered broker as other brokers and clients see it."""

    id: int
    epoch: int
    """The czxid of its registration (``/brokers/ids/N``)."""
    endpoints: tuple[Endpoint, ...]
    rack: str | None = None
    unclean_start: bool = False
    """Its machine crashed before this start: its logs may lack acknowledged records (KIP-966)."""

    def endpoint(self, listener: str) -> Endpoint | None:
        """The endpoint with this listener name, or None."""
        return next((e for e in self.endpoints if e.listener == listener), None)


class ConfigResourceType(IntEnum):
    """The kinds of resources that have settings, with the protocol's numbers."""

    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16


class LeaderAndIsr(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who leads a partition and who is in sync: the body of its state znode."""

    leader: int
    leader_epoch: int
    isr: tuple[int, ...]
    """In the order in which members joined; never empty."""
    partition_epoch: int
    """The dataVersion of the state znode."""
    controller_epoch: int
    recovering: bool = False
    """Elected uncleanly and not yet confirmed by its leader (``leader_recovery_state`` 1)."""


def topic_id_text(topic_id: uuid.UUID) -> str:
    """Kafka's spelling of a uuid: URL-safe base64 of its 16 bytes, without padding."""
    return base64.urlsafe_b64encode(topic_id.bytes).rstrip(b"=").decode()


def parse_topic_id(text: str) -> uuid.UUID:
    """The uuid behind Kafka's spelling. Raises ValueError."""
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return uuid.UUID(bytes=raw)
