"""Settings of replication under Kafka's names, settings of topics, and listeners for changes of
role."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from barnabas.limits import ANSWER_BYTES_MAX, QUEUED_REQUEST_BYTES_MAX, TAIL_BYTES_MAX
from barnabas.memory import Account
from barnabas.metadata_cache import MetadataCache
from barnabas.pace import PacedCalls
from barnabas.protocol.inter_broker import CURRENT, InterBrokerVersions
from barnabas.quotas.replication import ReplicationQuotas
from barnabas.replication.isr import IsrProposal
from barnabas.replication.replica_selector import ReplicaSelector
from barnabas.replication.tasks import TaskOwner
from barnabas.replication.waiting import Unwritten
from barnabas.seams import Env, SilentObserver, hears_steps
from barnabas.storage.config import LogConfig
from barnabas.types import TopicPartition

if TYPE_CHECKING:
    from barnabas.observe.figures import ReplicationFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationSettings:
    """Broker settings, snake_case of Kafka's names (reference 10)."""

    broker_id: int
    inter_broker_listener_name: str
    replica_lag_time_max_ms: int
    replica_fetch_max_bytes: int
    replica_fetch_response_max_bytes: int
    replica_fetch_wait_max_ms: int
    replica_fetch_min_bytes: int
    replica_fetch_backoff_ms: int
    replica_socket_timeout_ms: int
    fetch_max_bytes: int
    max_incremental_fetch_session_cache_slots: int
    controller_socket_timeout_ms: int
    versions: InterBrokerVersions = CURRENT
    """``inter.broker.protocol.version``"""
    replica_selector: ReplicaSelector | None
    """``replica.selector.class``; None: consumers read from leaders."""
    log_flush_before_ack: bool
    """Ours: nothing is acknowledged, nor reported as replicated, before it is on the disk."""


class TopicConfigs(Protocol):
    """The effective configuration of topics, as it is at the moment of the call."""

    def min_insync_replicas(self, topic: str) -> int: ...
    def log_config(self, topic: str) -> LogConfig: ...


class RoleListener(Protocol):
    """Is told of changes of role; for the coordinators of groups and transactions."""

    def became_leader(self, partition: TopicPartition, leader_epoch: int) -> None: ...
    def became_follower(self, partition: TopicPartition, leader_epoch: int) -> None: ...
    def stopped(self, partition: TopicPartition, deleted: bool) -> None: ...


class Hosted(Protocol):
    """A partition, as far as others than its readers and writers look at it."""

    topic_partition: TopicPartition
    offline: bool

    def go_offline(self) -> None: ...

    def maybe_shrink_isr(self) -> bool:
        """See ``Partition``."""
        ...


class ReplicationContext:
    """What every part of replication shares: environment, settings, live brokers. ``broker_epoch``
    answers None until this broker has registered; it takes no role before.
    """

    def __init__(
        self,
        env: Env,
        settings: ReplicationSettings,
        metadata: MetadataCache,
        configs: TopicConfigs,
        broker_epoch: Callable[[], int | None],
        submit_isr: Callable[[IsrProposal], bool],
        storage_failed: Callable[[Hosted, Exception], None],
        answers: Account | None = None,
    ) -> None:
        self.env = env
        self.settings = settings
        self.metadata = metadata
        self.configs = configs
        self.broker_epoch = broker_epoch
        self.submit_isr = submit_isr
        """Hands an ISR change to the AlterPartitionManager; False if it holds one already."""
        self.storage_failed = storage_failed
        self.loop = asyncio.get_running_loop()
        self.tasks = TaskOwner(self.loop)
        self.wakes = PacedCalls(self.loop.call_soon, env.stopwatch)
        """What became due for requests that wait."""
        self.unwritten = Unwritten(self.loop.call_soon)
        """Partitions that write at the end of this turn of the loop."""
        self.observed = type(env.observer) is not SilentObserver
        """Whether there is an observer: asked before an event is put together."""
        self.observes_steps = hears_steps(env.observer)
        """The same on a hot path."""
        self.answers = answers or Account(ANSWER_BYTES_MAX)
        """The memory of answers on this broker: a fetch takes no more than is left."""
        self.requests = Account(QUEUED_REQUEST_BYTES_MAX)
        """The memory that requests hold, which the network counts."""
        self.tails = Account(TAIL_BYTES_MAX)
        """The memory of batches that followers have yet to copy."""
        self.figures: ReplicationFigures | None = None
        """What is counted, if anybody may look at it; set before the first partition."""
        self.quotas = ReplicationQuotas()
        """Throttles for replicas that are being moved."""
        self.left_ms = 0
        """When a follower last stopped asking for a partition, was last served without a session
        that says what it goes on asking for, or this broker last became leader of a partition."""
        self.lagging: dict[Hosted, None] = {}
        """Led partitions of which a member of the ISR may be behind. Only they are looked at for
        members that are behind for too long: most partitions of a large cluster are idle."""
        self.highest_broker_epochs: dict[int, int] = {}
        """The newest incarnation of every replica that has fetched here (KIP-903)."""

    def now_ms(self) -> int:
        """Milliseconds of the loop's clock: for lag and deadlines, never shown to anybody."""
        return int(self.loop.time() * 1000)

    def note(self, event: str, /, **fields: object) -> None:
        """Tell the observer, if there is one."""
        if self.observed:
            self.env.observer.note(event, **fields)
