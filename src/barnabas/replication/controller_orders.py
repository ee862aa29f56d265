"""ReplicaManager.becomeLeaderOrFollower: orders of the controller (reference 4.2 to 4.4, 4.11).

Each order is checked against our broker epoch (meant for a previous life of ours?) and the highest
controller epoch seen (from a controller that was replaced?). A broker takes no role before it has
registered: until then orders are held, not refused, since the controller does not repeat an order
that was answered. A *newer* broker epoch is fine: the controller may learn of our registration
before we do (KAFKA-9839).

LeaderAndIsr and UpdateMetadata are applied one after the other, as they came. Each may name
thousands of partitions and gives way to others in between, so it asks again before each partition
what its answer depends on: the epochs, its place among the orders, the partition's role.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Iterable
from typing import NamedTuple, Protocol, TypeAlias

from barnabas.errors import ErrorCode, KafkaError
from barnabas.metadata_cache import PartitionMetadata, announced
from barnabas.names import is_partition
from barnabas.pace import Pace
from barnabas.protocol.messages.leader_and_isr import LeaderAndIsrRequest, LeaderAndIsrResponse
from barnabas.protocol.messages.stop_replica import StopReplicaRequest, StopReplicaResponse
from barnabas.protocol.messages.update_metadata import UpdateMetadataRequest, UpdateMetadataResponse
from barnabas.protocol.order_entries import name_problem, role_problem, topics_of
from barnabas.replication.fetcher_manager import FetcherManager
from barnabas.replication.orders import Orders, Sender
from barnabas.replication.partition import Partition
from barnabas.replication.role_state import RoleState
from barnabas.replication.settings import ReplicationContext, RoleListener
from barnabas.storage.config import LogConfig
from barnabas.storage.log import Log
from barnabas.types import (
    EPOCH_DURING_DELETE,
    NO_EPOCH,
    NO_LEADER,
    UNKNOWN_BROKER_EPOCH,
    ZERO_UUID,
    LeaderAndIsr,
    TopicPartition,
)

Order: TypeAlias = LeaderAndIsrRequest | StopReplicaRequest | UpdateMetadataRequest

REGISTRATION_POLL_S = 0.01

log = logging.getLogger(__name__)


class Logs(Protocol):
    """What is asked of the LogManager."""

    def get_or_create(
        self,
        topic_partition: TopicPartition,
        topic_id: uuid.UUID | None,
        *,
        is_new: bool,
        config: LogConfig,
    ) -> Log: ...
    def get(self, topic_partition: TopicPartition) -> Log | None: ...
    async def delete(self, topic_partition: TopicPartition) -> None: ...
    async def checkpoint_deletions(self) -> None: ...


class _Order(NamedTuple):
    """One partition of a LeaderAndIsr."""

    name: TopicPartition
    topic_id: uuid.UUID | None
    state: RoleState


class ControllerOrders:
    """Applies the controller's orders to the hosted partitions."""

    def __init__(
        self,
        context: ReplicationContext,
        hosted: dict[TopicPartition, Partition],
        logs: Logs,
        fetchers: FetcherManager,
        listeners: list[RoleListener],
    ) -> None:
        self._context = context
        self._hosted = hosted
        self._logs = logs
        self._fetchers = fetchers
        self._listeners = listeners
        self._registering = asyncio.Lock()
        self._applying = asyncio.Lock()
        """Held by the LeaderAndIsr or UpdateMetadata that is being carried out."""
        self.orders = Orders()
        self.controller_epoch = NO_EPOCH
        """The highest seen in any order."""

    async def registered(self) -> None:
        """Return once this broker has registered. Orders wait here, and go on in the order in which
        they came."""
        async with self._registering:
            while self._context.broker_epoch() is None:  # noqa: ASYNC110  (only while starting)
                await asyncio.sleep(REGISTRATION_POLL_S)

    def _stale(self, request: Order) -> ErrorCode:
        """NONE, or why the order is not for this incarnation of the broker, or not from the present
        controller, or from none."""
        own = self._context.broker_epoch()
        meant_for = request.broker_epoch
        if own is None or (meant_for != UNKNOWN_BROKER_EPOCH and meant_for < own):
            return ErrorCode.STALE_BROKER_EPOCH
        if request.controller_id < 0:
            return ErrorCode.INVALID_REQUEST
        if request.controller_epoch < self.controller_epoch:
            return ErrorCode.STALE_CONTROLLER_EPOCH
        self.controller_epoch = request.controller_epoch
        return ErrorCode.NONE

    def is_history(self, request: Order, sender: Sender) -> bool:
        """Whether an order that comes now was sent before one that has come (``orders.py``)."""
        if not self.orders.is_history(request.controller_epoch, sender):
            return False
        log.warning(
            "an order came late, over a connection that broker %s gave up", sender.client_id
        )
        return True

    def _note_order(self, kind: str, request: Order) -> None:
        self._context.note("controller_order", kind=kind, controller_epoch=request.controller_epoch)

    def _pace(self) -> Pace:
        return Pace(self._context.env.stopwatch)

    # LeaderAndIsr

    async def leader_and_isr(
        self, request: LeaderAndIsrRequest, number: int
    ) -> LeaderAndIsrResponse:
        """Become leader and follower; the response. ``number``: of ``orders``."""
        stale = self._stale(request)  # now, too: it may end an order that is being carried out
        if stale == ErrorCode.NONE:
            async with self._applying:
                stale = self._stale(request)
                if stale == ErrorCode.NONE:
                    return await self._take_roles(request, number)
        return LeaderAndIsrResponse(error_code=stale)

    async def _take_roles(self, request: LeaderAndIsrRequest, number: int) -> LeaderAndIsrResponse:
        """Leaders first: clients wait for them."""
        self._note_order("LeaderAndIsr", request)
        pace = self._pace()
        results: dict[TopicPartition, ErrorCode] = {}
        ids: dict[str, uuid.UUID] = {}
        same: dict[tuple[int, ...], tuple[int, ...]] = {}
        leaders: list[_Order] = []
        followers: list[_Order] = []
        for topic, topic_id, states in topics_of(request):
            ids[topic] = topic_id or ZERO_UUID
            illegal = name_problem(topic)
            if illegal is None:
                self._context.metadata.learn_topic_id(topic, topic_id)
            for state in states:
                await pace.step()
                name = TopicPartition(topic, state.partition_index)
                results[name] = ErrorCode.NONE
                if (problem := illegal or role_problem(name, state)) is not None:
                    log.error("LeaderAndIsr: %.300s is refused: %s", name, problem)
                    results[name] = problem.code
                    continue
                mine = state.leader == self._context.settings.broker_id
                (leaders if mine else followers).append(_Order(name, topic_id, _role(state, same)))
        for order in (*leaders, *followers):
            await pace.step()
            results[order.name] = self._carry_out(request, number, order)
        self._fetchers.stop_idle()
        return await _role_response(results, ids, pace)

    def _carry_out(self, request: LeaderAndIsrRequest, number: int, order: _Order) -> ErrorCode:
        """One partition, if the order still counts for it."""
        stale = self._stale(request)
        if stale != ErrorCode.NONE:
            return stale
        if self.orders.is_overtaken(number, order.name):
            return ErrorCode.STALE_CONTROLLER_EPOCH
        decided = self._considered(order)
        if decided is not None:
            return decided
        self.orders.carried_out(number, order.name)
        partition = self._hosted.get(order.name)
        if partition is None:
            partition = self._hosted[order.name] = Partition(self._context, order.name)
        try:
            own = self._open_log(partition, order.topic_id, is_new=order.state.is_new)
        except KafkaError as error:
            log.error("log of %s: %s", order.name, error)
            return error.code
        except OSError as error:
            log.error("log of %s: %s", order.name, error)
            return ErrorCode.KAFKA_STORAGE_ERROR
        partition.topic_id = order.topic_id or partition.topic_id
        try:
            if order.state.leader == self._context.settings.broker_id:
                self._lead(partition, order.state, own)
            else:
                self._follow(partition, order.state, own)
        except KafkaError as error:
            return error.code
        return ErrorCode.NONE

    def _considered(self, order: _Order) -> ErrorCode | None:
        """The table of reference 4.2 step 4: None for an order to carry out, else its result."""
        name, topic_id, state = order
        partition = self._hosted.get(name)
        if partition is not None and partition.offline:
            return ErrorCode.KAFKA_STORAGE_ERROR
        if self._id_conflict(name, partition, topic_id):
            return ErrorCode.INCONSISTENT_TOPIC_ID
        current = NO_EPOCH if partition is None else partition.leader_epoch
        if state.leader_epoch > current:
            if self._context.settings.broker_id not in state.replicas:
                return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            return None
        if (
            state.leader_epoch == current
            and partition is not None
            and self._names(partition, topic_id)
        ):
            return ErrorCode.NONE
        return ErrorCode.STALE_CONTROLLER_EPOCH

    def _id_conflict(
        self, name: TopicPartition, partition: Partition | None, topic_id: uuid.UUID | None
    ) -> bool:
        own = None if partition is None else partition.topic_id
        if own is None:
            on_disk = self._logs.get(name)
            own = None if on_disk is None else on_disk.topic_id
        return topic_id is not None and own is not None and own != topic_id

    def _names(self, partition: Partition, topic_id: uuid.UUID | None) -> bool:
        """Whether an order with an epoch we have gives a topic its id."""
        if topic_id is None or partition.topic_id is not None or partition.log is None:
            return False
        self._open_log(partition, topic_id, is_new=False)
        partition.topic_id = topic_id
        return True

    def _open_log(self, partition: Partition, topic_id: uuid.UUID | None, *, is_new: bool) -> Log:
        name = partition.topic_partition
        return self._logs.get_or_create(
            name, topic_id, is_new=is_new, config=self._context.configs.log_config(name.topic)
        )

    def _lead(self, partition: Partition, state: RoleState, own: Log) -> None:
        self._fetchers.remove(partition.topic_partition)
        if partition.make_leader(state, own):
            for listener in self._listeners:
                listener.became_leader(partition.topic_partition, partition.leader_epoch)

    def _follow(self, partition: Partition, state: RoleState, own: Log) -> None:
        leader = state.leader
        if leader != NO_LEADER and not self._context.metadata.is_alive(leader):
            self._half_apply(partition, own)
            return
        if not partition.make_follower(state, own):
            return
        self._fetchers.remove(partition.topic_partition)
        if leader != NO_LEADER:
            self._fetchers.add(partition, partition.topic_id or ZERO_UUID)
        for listener in self._listeners:
            listener.became_follower(partition.topic_partition, partition.leader_epoch)

    def _half_apply(self, partition: Partition, own: Log) -> None:
        """The leader is not known to be alive. The log is created and the epoch stays as it was, so
        that a later order with the same epoch still counts (reference 4.2 step 5). Beyond the
        original, a broker that led until now stops: the controller has chosen another."""
        if partition.log is None:
            partition.log = own
        if partition.leadership is not None:
            partition.stop()

    # StopReplica

    async def stop_replica(self, request: StopReplicaRequest, number: int) -> StopReplicaResponse:
        """Stop copying or leading, and delete where the order says so; the response. ``number``: of
        ``orders``. Deleting waits for the disk, and many partitions give way to other work. What is
        left then counts only if there was no newer controller and no newer order in between.
        """
        stale = self._stale(request)
        if stale != ErrorCode.NONE:
            return StopReplicaResponse(error_code=stale, partition_errors=[])
        self._note_order("StopReplica", request)
        errors = []
        pace = self._pace()
        for name, leader_epoch, delete in _stops(request):
            await pace.step()
            error = ErrorCode.STALE_CONTROLLER_EPOCH
            overtaken = self.orders.is_overtaken(number, name)
            if not is_partition(name):
                error = ErrorCode.INVALID_TOPIC_EXCEPTION
            elif request.controller_epoch == self.controller_epoch and not overtaken:
                self.orders.carried_out(number, name)
                error = await self._stop(name, leader_epoch, delete)
            errors.append(
                StopReplicaResponse.PartitionError(
                    topic_name=name.topic, partition_index=name.partition, error_code=error
                )
            )
        self._fetchers.stop_idle()
        await self._logs.checkpoint_deletions()
        return StopReplicaResponse(error_code=ErrorCode.NONE, partition_errors=errors)

    async def _stop(self, name: TopicPartition, leader_epoch: int, delete: bool) -> ErrorCode:
        partition = self._hosted.get(name)
        if partition is not None:
            if partition.offline:
                return ErrorCode.KAFKA_STORAGE_ERROR
            # An order from before a later step must not undo it (KIP-570); -1 and -2 always count.
            sentinel = leader_epoch in (EPOCH_DURING_DELETE, NO_EPOCH)
            if not sentinel and leader_epoch < partition.leader_epoch:
                log.info("stop of %s in old epoch %d ignored", name, leader_epoch)
                return ErrorCode.FENCED_LEADER_EPOCH
            self._fetchers.remove(name)
            partition.stop()
            # Before anything is waited for: the partition may have a role again after that.
            for listener in self._listeners:
                listener.stopped(name, delete)
        try:
            if delete:
                self._hosted.pop(name, None)
                await self._logs.delete(name)
        except (OSError, KafkaError) as error:
            log.error("deleting %s: %s", name, error)
            return ErrorCode.KAFKA_STORAGE_ERROR
        return ErrorCode.NONE

    # UpdateMetadata

    async def update_metadata(self, request: UpdateMetadataRequest) -> UpdateMetadataResponse:
        """Replace what this broker knows of the cluster; the response. Roles do not change, except
        where this broker is not assigned any more."""
        stale = self._stale(request)
        if stale == ErrorCode.NONE:
            async with self._applying:
                stale = await self._learn(request)
        return UpdateMetadataResponse(error_code=stale)

    async def _learn(self, request: UpdateMetadataRequest) -> ErrorCode:
        """Read all of it, then take it over at once, so that no request sees half of it."""
        pace = self._pace()
        entries = []
        for entry in announced(request):
            entries.append(entry)
            await pace.step()
        stale = self._stale(request)
        if stale != ErrorCode.NONE:
            return stale
        self._note_order("UpdateMetadata", request)
        metadata = self._context.metadata
        before = frozenset(metadata.brokers)
        metadata.apply(request, entries)
        for name, state in entries:
            if state is not None:
                self._leave_if_unassigned(name, state)
                await pace.step()
        if changed := sorted(before.symmetric_difference(metadata.brokers)):
            self._context.left_ms = self._context.now_ms()
            for partition in list(self._hosted.values()):
                partition.brokers_changed(changed)
                await pace.step()
        return ErrorCode.NONE

    def _leave_if_unassigned(self, name: TopicPartition, state: PartitionMetadata) -> None:
        """A partition was moved away while this broker was alive but out of the cluster, and no
        StopReplica reached it. Beyond the original, the role ends here: an old leader would show
        consumers the end of its log for ever, without an error. The log stays."""
        partition = self._hosted.get(name)
        if partition is None or partition.offline or partition.leader_id == NO_LEADER:
            return
        if (
            state.leader_epoch > partition.leader_epoch
            and self._context.settings.broker_id not in state.replicas
        ):
            log.info("%s was moved to %s", name, list(state.replicas))
            self._fetchers.remove(name)
            self._end_role(partition)
            self._fetchers.stop_idle()

    def _end_role(self, partition: Partition) -> None:
        """The log stays."""
        partition.stop()
        for listener in self._listeners:
            listener.stopped(partition.topic_partition, False)

    # What nobody has told

    def resign(self, name: TopicPartition, elected: LeaderAndIsr) -> bool:
        """``elected`` is the state in ZooKeeper. Stop leading, if another broker leads in a newer
        epoch; whether it was so (``deposed.py``)."""
        partition = self._hosted.get(name)
        if partition is None or partition.offline or partition.leadership is None:
            return False
        newer = elected.leader_epoch > partition.leader_epoch
        if not newer or elected.leader == self._context.settings.broker_id:
            return False
        log.warning(
            "%s: broker %d leads in epoch %d, which no controller has told this leader of epoch %d",
            *(name, elected.leader, elected.leader_epoch, partition.leader_epoch),
        )
        partition.note("leader_deposed", leader=elected.leader, new_epoch=elected.leader_epoch)
        self._context.metadata.learn_leader(name, elected)
        self._end_role(partition)
        return True


def _role(
    state: LeaderAndIsrRequest.PartitionState, same: dict[tuple[int, ...], tuple[int, ...]]
) -> RoleState:
    """``same``: one object for all equal lists of brokers, which stay in memory."""
    isr, replicas = tuple(state.isr), tuple(state.replicas)
    return RoleState(
        leader=state.leader,
        leader_epoch=state.leader_epoch,
        isr=same.setdefault(isr, isr),
        partition_epoch=state.partition_epoch,
        controller_epoch=state.controller_epoch,
        replicas=same.setdefault(replicas, replicas),
        adding=tuple(state.adding_replicas),
        removing=tuple(state.removing_replicas),
        is_new=state.is_new,
        recovering=state.leader_recovery_state == 1,
    )


async def _role_response(
    results: dict[TopicPartition, ErrorCode], ids: dict[str, uuid.UUID], pace: Pace
) -> LeaderAndIsrResponse:
    """Grouped by topic id for v5 and later, flat with names for the older ones."""
    flat: list[LeaderAndIsrResponse.PartitionError] = []
    grouped: dict[str, list[LeaderAndIsrResponse.PartitionError]] = {}
    for name, error in results.items():
        entry = LeaderAndIsrResponse.PartitionError(
            topic_name=name.topic, partition_index=name.partition, error_code=error
        )
        flat.append(entry)
        grouped.setdefault(name.topic, []).append(entry)
        await pace.step()
    return LeaderAndIsrResponse(
        error_code=ErrorCode.NONE,
        partition_errors=flat,
        topics=[
            LeaderAndIsrResponse.TopicError(topic_id=ids[topic], partition_errors=entries)
            for topic, entries in grouped.items()
        ],
    )


def _stops(request: StopReplicaRequest) -> Iterable[tuple[TopicPartition, int, bool]]:
    """All layouts of StopReplica: (partition, leader epoch, delete)."""
    for topic in request.topic_states:
        for state in topic.partition_states:
            name = TopicPartition(topic.topic_name, state.partition_index)
            yield name, state.leader_epoch, state.delete_partition
    delete = request.delete_partitions
    for named in request.topics:
        for index in named.partition_indexes:
            yield TopicPartition(named.name, index), NO_EPOCH, delete
    for entry in request.ungrouped_partitions:
        yield TopicPartition(entry.topic_name, entry.partition_index), NO_EPOCH, delete
