"""ReplicaManager: all partitions that a broker hosts, and every path to them. The room's door."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Sequence

from barnabas.errors import ErrorCode, KafkaError
from barnabas.metadata_cache import MetadataCache
from barnabas.protocol.messages.leader_and_isr import LeaderAndIsrRequest, LeaderAndIsrResponse
from barnabas.protocol.messages.stop_replica import StopReplicaRequest, StopReplicaResponse
from barnabas.protocol.messages.update_metadata import UpdateMetadataRequest, UpdateMetadataResponse
from barnabas.replication.append_request import AppendRequest
from barnabas.replication.controller_orders import ControllerOrders, Logs
from barnabas.replication.delayed_fetch import DelayedFetch
from barnabas.replication.fetch import FetchPath
from barnabas.replication.fetch_params import FetchParams
from barnabas.replication.fetch_session import FetchSessionCache, SessionPartition
from barnabas.replication.fetcher import ConnectLeader
from barnabas.replication.fetcher_manager import FetcherManager
from barnabas.replication.isr import IsrProposal
from barnabas.replication.offsets import delete_records, end_of_epoch, list_offset, offsets_before
from barnabas.replication.orders import UNKNOWN_SENDER, Sender
from barnabas.replication.partition import Partition
from barnabas.replication.produce import ProducePath
from barnabas.replication.purgatory import DeadlineWheel, DelayedProduce
from barnabas.replication.results import (
    DeleteRecordsResult,
    Fetched,
    FetchResult,
    NotLeader,
    OffsetResult,
    ProduceResult,
)
from barnabas.replication.settings import (
    Hosted,
    ReplicationContext,
    ReplicationSettings,
    RoleListener,
    TopicConfigs,
)
from barnabas.replication.truncation import EpochEnd
from barnabas.seams import Env
from barnabas.storage.log import Log
from barnabas.storage.paths import is_inside
from barnabas.storage.producers.verification import VerificationGuard
from barnabas.types import CONSUMER_REPLICA_ID, NO_EPOCH, LeaderAndIsr, TopicPartition

log = logging.getLogger(__name__)


class ReplicaManager:
    """Made on the loop of its broker. ``run()`` is the background work; orders, produces and
    fetches may come as soon as it is made."""

    def __init__(
        self,
        env: Env,
        settings: ReplicationSettings,
        *,
        logs: Logs,
        metadata: MetadataCache,
        configs: TopicConfigs,
        broker_epoch: Callable[[], int | None],
        connect_leader: ConnectLeader,
        submit_isr: Callable[[IsrProposal], bool],
        on_offline: Callable[[list[TopicPartition]], None] | None = None,
    ) -> None:
        self.context = ReplicationContext(
            env, settings, metadata, configs, broker_epoch, submit_isr, self._storage_failed
        )
        self.metadata = metadata
        self.partitions: dict[TopicPartition, Partition] = {}
        self._logs = logs
        self._on_offline = on_offline
        self._listeners: list[RoleListener] = []
        self._wheel = DeadlineWheel(self.context.loop, self.context.wakes)
        self.fetchers = FetcherManager(self.context, connect_leader)
        self._control = ControllerOrders(
            self.context, self.partitions, logs, self.fetchers, self._listeners
        )
        self._fetch = FetchPath(self.context, self.partitions, self._wheel)
        self._produce = ProducePath(self.context, self.host, self._wheel)

    # Life

    async def run(self) -> None:
        """Shrink ISRs until cancelled; raises what any task of this room raised."""
        shrinking = self.context.tasks.spawn(self._shrink_forever(), "isr shrink")
        try:
            await self.context.tasks.watch()
        finally:
            shrinking.cancel()

    async def shutdown(self) -> None:
        """Stop all tasks; requests that still wait get no answer."""
        await self.context.tasks.close()
        self._wheel.close()

    async def _shrink_forever(self) -> None:
        period_s = self.context.settings.replica_lag_time_max_ms / 2000
        while period_s > 0:
            await asyncio.sleep(period_s)
            self.shrink_isrs()

    def shrink_isrs(self) -> None:
        """Look once for ISR members that are behind for too long."""
        lagging = self.context.lagging
        for partition in list(lagging):
            if not partition.maybe_shrink_isr():
                lagging.pop(partition, None)

    def have_caught_up(self, logs: Iterable[TopicPartition]) -> bool:
        """Whether each of these partitions has led here, or has caught up with its leader, since
        the start. The partitions that the controller assigns to this broker count too: their logs
        may be lost. False until a controller has sent its orders."""
        if not all(map(self._has_caught_up, logs)):
            return False
        announced = list(self._announced_here())
        return bool(announced) and all(map(self._has_caught_up, announced))

    def _has_caught_up(self, name: TopicPartition) -> bool:
        return name in self.partitions and self.partitions[name].has_caught_up

    def _announced_here(self) -> Iterator[TopicPartition]:
        me = self.context.settings.broker_id
        for topic in self.metadata.topics():
            for number, known in (self.metadata.partitions(topic) or {}).items():
                if me in known.replicas:
                    yield TopicPartition(topic, number)

    def add_role_listener(self, listener: RoleListener) -> None:
        """Call ``listener`` at every change of role."""
        self._listeners.append(listener)

    # Orders of the controller

    @property
    def controller_epoch(self) -> int:
        """The highest controller epoch seen; -1 before any."""
        return self._control.controller_epoch

    async def registered(self) -> None:
        """Return once this broker has registered; what waits here goes on in order."""
        await self._control.registered()

    async def become_leader_or_follower(
        self,
        request: LeaderAndIsrRequest,
        prepare: Callable[[], Awaitable[None]] | None = None,
        sender: Sender = UNKNOWN_SENDER,
    ) -> LeaderAndIsrResponse:
        """LeaderAndIsr: held until we are registered and ``prepare`` has returned."""
        if self._control.is_history(request, sender):
            return LeaderAndIsrResponse(error_code=ErrorCode.STALE_CONTROLLER_EPOCH)
        with self._control.orders.arrive() as number:
            if prepare is not None:
                await prepare()
            await self._control.registered()
            with self._fetch.early.roles_changing():
                return await self._control.leader_and_isr(request, number)

    async def stop_replica(
        self, request: StopReplicaRequest, sender: Sender = UNKNOWN_SENDER
    ) -> StopReplicaResponse:
        """StopReplica."""
        if self._control.is_history(request, sender):
            stale = ErrorCode.STALE_CONTROLLER_EPOCH
            return StopReplicaResponse(error_code=stale, partition_errors=[])
        with self._control.orders.arrive() as number:
            await self._control.registered()
            return await self._control.stop_replica(request, number)

    async def update_metadata(
        self, request: UpdateMetadataRequest, sender: Sender = UNKNOWN_SENDER
    ) -> UpdateMetadataResponse:
        """UpdateMetadata, once we are registered."""
        if self._control.is_history(request, sender):
            return UpdateMetadataResponse(error_code=ErrorCode.STALE_CONTROLLER_EPOCH)
        await self._control.registered()
        return await self._control.update_metadata(request)

    def resign(self, name: TopicPartition, elected: LeaderAndIsr) -> bool:
        """Stop leading, if ``elected`` says that another broker does; whether it does so."""
        return self._control.resign(name, elected)

    # Clients and followers

    def host(self, name: TopicPartition) -> Partition:
        """The hosted partition. Raises the error that a client is to get (reference 5.9)."""
        partition = self.partitions.get(name)
        if partition is not None:
            return partition
        if name in self.metadata:
            raise NotLeader(ErrorCode.NOT_LEADER_OR_FOLLOWER, self.metadata.current_leader(name))
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)

    def get(self, name: TopicPartition) -> Partition | None:
        """The hosted partition, or None."""
        return self.partitions.get(name)

    @property
    def fetch_sessions(self) -> FetchSessionCache:
        """Those of all readers."""
        return self._fetch.sessions

    @property
    def waiting_produces(self) -> int:
        """Produce requests that wait for other replicas."""
        return self._wheel.count(DelayedProduce)

    @property
    def waiting_fetches(self) -> int:
        """Fetches that wait for records."""
        return self._wheel.count(DelayedFetch)

    def leaders(self) -> Iterator[Partition]:
        """The partitions this broker leads."""
        return (p for p in self.partitions.values() if p.leadership is not None)

    def append(
        self, request: AppendRequest
    ) -> list[ProduceResult] | asyncio.Future[list[ProduceResult]]:
        """Append records; see ``ProducePath.append``."""
        return self._produce.append(request)

    def append_in_steps(
        self, request: AppendRequest
    ) -> Generator[int, None, list[ProduceResult] | asyncio.Future[list[ProduceResult]]]:
        """The same for very many partitions; see ``ProducePath.append_in_steps``."""
        return self._produce.append_in_steps(request)

    def begin_verification(
        self, name: TopicPartition, producer_id: int, epoch: int, sequence: int
    ) -> VerificationGuard | None:
        """What the log must be shown with the first batch of a transaction, once its coordinator
        has confirmed it; None if the transaction is open there already. Raises KafkaError."""
        partition = self.host(name)
        partition.leader_or_raise()
        now_ms = self.context.env.clock.wall_ms()
        producers = partition.log_or_raise().producers
        return producers.begin_verification(producer_id, epoch, sequence, now_ms)

    def fetch(self, params: FetchParams) -> FetchResult | asyncio.Future[Fetched]:
        """Serve a fetch; see ``FetchPath.fetch``."""
        return self._fetch.fetch(params)

    def fetch_in_steps(
        self, params: FetchParams
    ) -> Generator[int, None, FetchResult | asyncio.Future[Fetched]]:
        """Serve a fetch of very many partitions; see ``FetchPath.fetch_in_steps``."""
        return self._fetch.fetch_in_steps(params)

    def follower_fetches(self) -> Iterator[int]:
        """When each follower with a session has fetched last, by the loop's clock in ms."""
        return self._fetch.follower_fetches()

    def takes_orders(self) -> bool:
        """Whether a LeaderAndIsr is being carried out."""
        return self._fetch.early.roles_change

    def fetch_backlog(self, session_id: int) -> int:
        """How much a fetch has to look at that it does not name; see ``FetchPath.backlog``."""
        return self._fetch.backlog(session_id)

    def fetch_unsent(self, result: FetchResult) -> int:
        """An answer that is not sent; see ``FetchPath.unsent``."""
        return self._fetch.unsent(result)

    def fetch_session(self, session_id: int) -> list[SessionPartition]:
        """What a reader's fetch session holds; nothing if there is none."""
        session = self._fetch.sessions.get(session_id)
        return [] if session is None else list(session.partitions.values())

    @property
    def fetch_session_count(self) -> int:
        """Fetch sessions held for readers."""
        return len(self._fetch.sessions)

    def list_offset(
        self,
        name: TopicPartition,
        timestamp: int,
        *,
        version: int,
        current_leader_epoch: int = NO_EPOCH,
        read_committed: bool = False,
        replica_id: int = CONSUMER_REPLICA_ID,
    ) -> OffsetResult:
        """One ListOffsets lookup. Raises KafkaError."""
        return list_offset(
            self.host(name),
            timestamp,
            version=version,
            current_leader_epoch=current_leader_epoch,
            read_committed=read_committed,
            replica_id=replica_id,
        )

    def offsets_before(
        self, name: TopicPartition, timestamp: int, *, most: int, now_ms: int, replica_id: int
    ) -> list[int]:
        """One ListOffsets lookup of v0. Raises KafkaError."""
        partition = self.host(name)
        return offsets_before(partition, timestamp, most=most, now_ms=now_ms, replica_id=replica_id)

    def end_of_epoch(self, name: TopicPartition, current_leader_epoch: int, epoch: int) -> EpochEnd:
        """One OffsetForLeaderEpoch lookup. Raises KafkaError."""
        return end_of_epoch(self.host(name), current_leader_epoch, epoch)

    def delete_records(
        self, targets: Sequence[tuple[TopicPartition, int]], timeout_ms: int
    ) -> Generator[int, None, asyncio.Future[list[DeleteRecordsResult]]]:
        """Raise log starts, in steps; an offset of -1 means the high watermark."""
        return delete_records(self.context, self.host, self._wheel, targets, timeout_ms)

    # Disks

    def log_dir_failed(self, directory: str, error: OSError) -> None:
        """A log directory has failed: everything in it is offline until the broker restarts."""
        log.error("log directory %s is offline: %s", directory, error)
        gone = []
        for name, partition in list(self.partitions.items()):
            own = partition.log
            if own is not None and is_inside(own.directory, directory):
                gone.append(name)
                self._take_offline(partition)
        if self._on_offline is not None and gone:
            self._on_offline(gone)

    def log_moved(self, log: Log) -> None:
        """A partition's log has moved to another directory; nothing else has changed."""
        partition = self.partitions.get(log.topic_partition)
        if partition is not None and partition.log is not None and not partition.offline:
            partition.log = log
            partition.start_flush()

    def _storage_failed(self, partition: Hosted, error: Exception) -> None:
        """One log has failed. The LogManager reports the whole directory by itself. A partition
        that was deleted meanwhile does not matter; its successor, if there is one, does."""
        current = self.partitions.get(partition.topic_partition) is partition
        if current and not partition.offline:
            log.error("%s is offline: %s", partition.topic_partition, error)
            self._take_offline(partition)

    def _take_offline(self, partition: Hosted) -> None:
        if not partition.offline:
            self.fetchers.remove(partition.topic_partition)
            partition.go_offline()
