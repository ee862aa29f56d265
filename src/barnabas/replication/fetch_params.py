"""FetchParams: a fetch request in terms of replication."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from barnabas.errors import KafkaError
from barnabas.replication.fetch_session import FINAL_EPOCH, SessionPartition
from barnabas.replication.replica_selector import Choice
from barnabas.types import CONSUMER_REPLICA_ID, FUTURE_REPLICA_ID, UNKNOWN_BROKER_EPOCH

READ_COMMITTED = 1
ISOLATION_LEVELS = (0, READ_COMMITTED)
MIN_ONE_FROM_VERSION = 3
FOLLOWER_READS_FROM_VERSION = 11
"""Consumers of this version and later may read from followers (KIP-392, KAFKA-9004)."""
TOPIC_IDS_FROM_VERSION = 13


@dataclass(slots=True, kw_only=True)
class FetchParams:
    """A fetch request in our terms. Durations in ms, sizes in bytes."""

    version: int
    replica_id: int = CONSUMER_REPLICA_ID
    broker_epoch: int = UNKNOWN_BROKER_EPOCH
    max_wait_ms: int = 0
    min_bytes: int = 1
    max_bytes: int = 0x7FFFFFFF
    choice: Choice | None = None
    """Chooses the replica that this consumer should read from; None: it reads here."""
    listener: str = ""
    """On which it came."""
    read_committed: bool = False
    session_id: int = 0
    session_epoch: int = FINAL_EPOCH
    partitions: list[SessionPartition] = field(default_factory=list)
    forgotten: list[tuple[Hashable, int]] = field(default_factory=list)
    may_read: Callable[[str], bool] | None = None
    """Whether the reader may have a topic's records, asked at each look; None: every topic's."""
    acl_generation: int = 0
    """Of the ACLs that this goes by: after a change every partition is looked at again."""

    from_follower: bool = field(init=False)
    """Whether a replica asks, not a client. Like the following, asked many times for each fetch."""
    may_exceed: bool = field(init=False)
    """Whether the first batch is given even if it is longer than the limits (KIP-74)."""
    to_log_end: bool = field(init=False)
    """Whether it may see what is not replicated yet: all but clients. These have any negative id
    but that of a copy in another log directory."""

    def __post_init__(self) -> None:
        self.from_follower = self.replica_id >= 0
        self.may_exceed = self.version >= MIN_ONE_FROM_VERSION
        self.to_log_end = self.from_follower or self.replica_id == FUTURE_REPLICA_ID

    @property
    def leader_only(self) -> bool:
        """Whether only the leader may answer."""
        return self.from_follower or (
            not self.to_log_end and self.version < FOLLOWER_READS_FROM_VERSION
        )


class PreReadError(KafkaError):
    """The partition cannot even be looked up: reported, but no reason to stop waiting."""
