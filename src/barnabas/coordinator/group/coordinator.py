"""GroupCoordinator: the requests of members of classic groups, and generations.

The decisions are ``Membership``'s. Here they meet the loop: a request that waits is a future,
records go to ``__consumer_offsets``, and one timer serves all deadlines. A decision and its effects
happen without an await in between. An answer that depends on a write comes from the write's
callback, which checks the state and the generation again (trap 53).
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Sequence

from barnabas.coordinator.group.classic.group import Group, StoreGroup
from barnabas.coordinator.group.classic.member import (
    GroupView,
    JoinRequest,
    JoinResult,
    SyncRequest,
    SyncResult,
)
from barnabas.coordinator.group.classic.membership import Membership
from barnabas.coordinator.group.classic.states import GroupState
from barnabas.coordinator.group.clock import Now
from barnabas.coordinator.group.consumer.group import ConsumerGroup
from barnabas.coordinator.group.consumer_coordinator import ConsumerGroups
from barnabas.coordinator.group.kinds import AnyGroup
from barnabas.coordinator.group.offset_manager import OffsetManager
from barnabas.coordinator.group.ownership import OffsetsPartition, Ownership
from barnabas.coordinator.group.settings import GroupSettings
from barnabas.coordinator.group.timers import GroupTimers, whole_ms
from barnabas.coordinator.group.writing import GROUP_ERRORS, group_batch
from barnabas.coordinator.log import CoordinatorLog
from barnabas.errors import ErrorCode, KafkaError
from barnabas.limits import CLIENT_ID_LENGTH_MAX
from barnabas.replication.replica_manager import ReplicaManager
from barnabas.seams import Env

log = logging.getLogger(__name__)


class GroupCoordinator:
    """Made on the loop of its broker. It is told of the broker's roles from then on."""

    def __init__(self, env: Env, replicas: ReplicaManager, settings: GroupSettings) -> None:
        self._env = env
        self._loop = asyncio.get_running_loop()
        self._note = replicas.context.note
        self.settings = settings
        self._membership = Membership(settings)
        self._timers = GroupTimers(self._loop, self._due)
        self._log = CoordinatorLog(replicas)
        self._ownership = Ownership(
            replicas,
            settings.offsets_topic_num_partitions,
            self._now,
            load_bytes=settings.offsets_load_buffer_size,
            on_loaded=self._loaded,
            on_unloaded=self._unloaded,
        )
        self.offsets = OffsetManager(
            settings, self._membership, self._ownership, self._log, self._now, self._note
        )
        self.consumer_groups = ConsumerGroups(
            env,
            settings,
            replicas.metadata,
            self._ownership,
            self._log,
            self._timers,
            self._now,
            self._note,
        )
        """The groups of the next-generation protocol."""

    async def run(self) -> None:
        """Load partitions and expire offsets, until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._ownership.run(), name="group loading")
                tasks.create_task(self.offsets.run(), name="offset expiry")
        finally:
            self._timers.close()

    def _now(self) -> Now:
        return Now(whole_ms(self._loop), self._env.clock.wall_ms())

    def partition_of(self, group_id: str) -> int:
        """The partition of ``__consumer_offsets`` whose leader coordinates a group."""
        return self._ownership.partition_of(group_id)

    def new_member_id(self, prefix: str) -> str:
        """A member id that was never given before: the client id or the instance id, and a uuid. A
        prefix that is too long is cut."""
        suffix = f"-{uuid.UUID(int=self._env.random.getrandbits(128), version=4)}"
        room = CLIENT_ID_LENGTH_MAX - len(suffix)
        return prefix.encode()[:room].decode(errors="ignore") + suffix

    # Members

    def join(self, group_id: str, request: JoinRequest) -> asyncio.Future[JoinResult]:
        """JoinGroup: answered when the next generation begins."""
        future: asyncio.Future[JoinResult] = self._loop.create_future()
        try:
            owned = self._ownership.find(group_id)
            error = self._membership.check_session_timeout(request.session_timeout_ms)
            if error != ErrorCode.NONE:
                raise KafkaError(error)
            group = owned.entries.get(group_id)
            if isinstance(group, ConsumerGroup):
                group = self.consumer_groups.give_way(owned, group)
            if group is None:
                if request.member_id:
                    raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)
                group = owned.entries[group_id] = Group(group_id)
        except KafkaError as error:
            future.set_result(JoinResult(error=error.code, member_id=request.member_id))
            return future
        self._membership.join(group, request, future, self._now())
        self._carry_out(owned, group)
        return future

    def sync(self, group_id: str, request: SyncRequest) -> asyncio.Future[SyncResult]:
        """SyncGroup: answered when the leader's assignments are replicated."""
        future: asyncio.Future[SyncResult] = self._loop.create_future()
        try:
            owned = self._ownership.find(group_id)
        except KafkaError as error:
            code = error.code
            if code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
                # The generation is not known while the group is loaded; the member has to join
                # again.
                code = ErrorCode.REBALANCE_IN_PROGRESS
            future.set_result(SyncResult(error=code))
            return future
        group = owned.entries.get(group_id)
        if not isinstance(group, Group):
            future.set_result(SyncResult(error=ErrorCode.UNKNOWN_MEMBER_ID))
            return future
        self._membership.sync(group, request, future, self._now())
        self._carry_out(owned, group)
        return future

    def heartbeat(
        self, group_id: str, member_id: str, instance_id: str | None, generation: int
    ) -> ErrorCode:
        """Heartbeat. While the group is being loaded, every heartbeat succeeds."""
        try:
            owned = self._ownership.find(group_id)
        except KafkaError as error:
            loading = error.code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
            return ErrorCode.NONE if loading else error.code
        group = owned.entries.get(group_id)
        if not isinstance(group, Group):
            return ErrorCode.UNKNOWN_MEMBER_ID
        return self._membership.heartbeat(group, member_id, instance_id, generation, self._now())

    def leave(
        self, group_id: str, members: Sequence[tuple[str, str | None]]
    ) -> tuple[ErrorCode, list[ErrorCode]]:
        """LeaveGroup of (member id, instance id): the error of all, and of each."""
        try:
            owned = self._ownership.find(group_id)
        except KafkaError as error:
            return error.code, []
        group = owned.entries.get(group_id)
        if not isinstance(group, Group):
            return ErrorCode.NONE, [ErrorCode.UNKNOWN_MEMBER_ID] * len(members)
        errors = self._membership.leave(group, members, self._now())
        self._carry_out(owned, group)
        return ErrorCode.NONE, errors

    # Looking

    def describe(self, group_id: str) -> GroupView:
        """A classic group; one that does not exist, or is of the other kind, is Dead."""
        try:
            owned = self._ownership.find(group_id, allow_empty=True)
        except KafkaError as error:
            return GroupView(id=group_id, error=error.code)
        group = owned.entries.get(group_id)
        if not isinstance(group, Group):
            return GroupView(id=group_id, state=GroupState.DEAD.value)
        return group.view()

    def list(
        self, states: Sequence[str] = (), types: Sequence[str] = ()
    ) -> tuple[ErrorCode, list[AnyGroup]]:
        """The groups of this broker in these states and of these kinds (none given: all)."""
        error = ErrorCode.NONE
        if self._ownership.is_loading:
            error = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        wanted = [s.lower() for s in states]
        kinds = [t.lower() for t in types]
        groups = [g for owned in self._ownership.all_ready() for g in owned.entries.values()]
        return error, [
            g
            for g in groups
            if (not wanted or g.state.value.lower() in wanted) and (not kinds or g.kind in kinds)
        ]

    # Effects of decisions

    def _carry_out(self, owned: OffsetsPartition, group: Group) -> None:
        """Write and answer what a decision has left in the group, and set its timer."""
        while group.stores or group.answers:
            stores, group.stores = group.stores, []
            for store in stores:
                self._store(owned, group, store)
            self._answer(group)
        self._tell(group)
        self._timers.arm(group)

    def _answer(self, group: Group) -> None:
        answers, group.answers = group.answers, []
        for token, result in answers:
            assert isinstance(token, asyncio.Future)
            if not token.done():
                token.set_result(result)

    def _store(self, owned: OffsetsPartition, group: Group, store: StoreGroup) -> None:
        def done(error: ErrorCode, base_offset: int) -> None:
            if error != ErrorCode.NONE:
                log.warning(
                    "group %s: generation %d not stored: %s",
                    group.id,
                    store.generation,
                    error.name,
                )
            self._membership.stored(group, store, GROUP_ERRORS.get(error, error), self._now())
            self._carry_out(owned, group)

        now_ms = self._now().wall_ms
        codec = self.settings.offsets_topic_compression_codec
        batch = group_batch(group.id, store.record, now_ms, codec)
        self._log.append(owned, batch, done, self.settings.offsets_commit_timeout_ms)

    def _due(self, group: AnyGroup) -> None:
        """Handle a group's deadlines that have passed."""
        if isinstance(group, ConsumerGroup):
            self.consumer_groups.due(group)
            return
        owned = self._ownership.home(group)
        if owned is None:
            self._unloaded([group])
            return
        silent = self._membership.expire(group, self._now())
        for member_id in silent:
            log.info("group %s: member %s fell silent", group.id, member_id)
        self._carry_out(owned, group)

    def _loaded(self, owned: OffsetsPartition) -> None:
        now = self._now()
        for group in list(owned.entries.values()):
            if isinstance(group, ConsumerGroup):
                self.consumer_groups.loaded(group)
                continue
            group.told = (group.state, group.generation)
            self._membership.shrink_if_too_large(group, now)
            self._carry_out(owned, group)

    def _unloaded(self, groups: Sequence[AnyGroup]) -> None:
        now = self._now()
        for group in groups:
            if isinstance(group, ConsumerGroup):
                self.consumer_groups.unloaded(group)
                continue
            self._membership.kill(group, ErrorCode.NOT_COORDINATOR, now)
            group.stores.clear()
            self._answer(group)

    def _tell(self, group: Group) -> None:
        """Log a new state or generation and tell the observer."""
        state = (group.state, group.generation)
        if group.told == state:
            return
        group.told = state
        log.info(
            "group %s: %s, generation %d, %d members",
            group.id,
            group.state.value,
            group.generation,
            len(group.members),
        )
        self._note(
            "group_state",
            group=group.id,
            state=group.state.value,
            generation=group.generation,
            members=len(group.members),
        )
