"""GroupCoordinatorService: answers heartbeats of KIP-848 and writes what they change.

A decision and the append of its records happen without an await in between. If the append fails the
decision is undone. If it succeeds the group goes on from there, and the answer waits until the
records are replicated. A heartbeat that changes nothing waits for the group's earlier records, too.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable
from dataclasses import replace

from barnabas.coordinator.group.classic.group import Group
from barnabas.coordinator.group.clock import Now
from barnabas.coordinator.group.consumer.group import ConsumerGroup
from barnabas.coordinator.group.consumer.membership import ConsumerMembership
from barnabas.coordinator.group.consumer.requests import (
    JOIN_EPOCH,
    HeartbeatRequest,
    HeartbeatResult,
    check_request,
)
from barnabas.coordinator.group.consumer.topics import CachedTopics, Patterns
from barnabas.coordinator.group.ownership import OffsetsPartition, Ownership
from barnabas.coordinator.group.records.facts import LEAVE_EPOCH
from barnabas.coordinator.group.settings import GroupSettings
from barnabas.coordinator.group.timers import GroupTimers
from barnabas.coordinator.group.writing import CONSUMER_GROUP_ERRORS, facts_batch, tombstones_batch
from barnabas.coordinator.log import CoordinatorLog
from barnabas.errors import ErrorCode, KafkaError
from barnabas.metadata_cache import MetadataCache
from barnabas.seams import Env

log = logging.getLogger(__name__)

RETRY_MS = 500
"""How long after a failed write the removal of a silent member is tried again."""

Answer = HeartbeatResult | asyncio.Future[HeartbeatResult]


class ConsumerGroups:
    """Made by the group coordinator, with which it shares partitions, log and timers."""

    def __init__(
        self,
        env: Env,
        settings: GroupSettings,
        metadata: MetadataCache,
        ownership: Ownership,
        offsets_log: CoordinatorLog,
        timers: GroupTimers,
        now: Callable[[], Now],
        note: Callable[..., None],
    ) -> None:
        self._env = env
        self.settings = settings.consumer
        self._timeout_ms = settings.offsets_commit_timeout_ms
        self._codec = settings.offsets_topic_compression_codec
        self._patterns = Patterns()
        self._membership = ConsumerMembership(
            settings.consumer, CachedTopics(metadata, self._patterns)
        )
        self._ownership = ownership
        self._log = offsets_log
        self._timers = timers
        self._now = now
        self._note = note
        self._loop = asyncio.get_running_loop()
        self._on_their_way: dict[ConsumerGroup, asyncio.Future[ErrorCode]] = {}
        """The last write of a group whose outcome is open."""

    # Heartbeats

    def heartbeat(self, request: HeartbeatRequest) -> Answer:
        """ConsumerGroupHeartbeat: answered at once, or when the records that it wrote are
        replicated."""
        group: ConsumerGroup | None = None
        try:
            if not self.settings.enabled:
                raise KafkaError(ErrorCode.UNSUPPORTED_VERSION)
            check_request(request, self.settings.assignors, self._patterns)
            owned = self._ownership.find(request.group_id)
            group = self._group_for(owned, request)
            if not request.member_id:
                request = replace(request, member_id=self._new_member_id())
            result = self._membership.heartbeat(group, request, self._now())
        except KafkaError as error:
            if group is not None:
                self._undo(group)
            return HeartbeatResult(error=error.code, message=error.message or None)
        if request.epoch in (JOIN_EPOCH, LEAVE_EPOCH):
            what = "joins" if request.epoch == JOIN_EPOCH else "leaves"
            log.info("group %s: member %s %s", group.id, request.member_id, what)
        return self._answer(group, self._write(owned, group), result)

    def _group_for(self, owned: OffsetsPartition, request: HeartbeatRequest) -> ConsumerGroup:
        """The group of a member that joins; a new one if there is none, or if a classic one without
        members has the id. It takes its place once its first records are appended."""
        known = owned.entries.get(request.group_id)
        if isinstance(known, ConsumerGroup):
            return known
        joins = request.epoch == JOIN_EPOCH
        if known is None and not joins:
            raise KafkaError(
                ErrorCode.GROUP_ID_NOT_FOUND, f"Consumer group {request.group_id} not found."
            )
        if known is not None and not (joins and known.is_empty):
            raise KafkaError(
                ErrorCode.GROUP_ID_NOT_FOUND, f"Group {request.group_id} is not a consumer group."
            )
        return ConsumerGroup(request.group_id)

    def _new_member_id(self) -> str:
        number = self._env.random.getrandbits(128).to_bytes(16, "big")
        return base64.urlsafe_b64encode(number).rstrip(b"=").decode()

    def _answer(
        self,
        group: ConsumerGroup,
        written: asyncio.Future[ErrorCode] | None,
        result: HeartbeatResult,
    ) -> Answer:
        waiting = self._on_their_way.get(group) if written is None else written
        if waiting is None:
            return result
        answer: asyncio.Future[HeartbeatResult] = self._loop.create_future()

        def decided(done: asyncio.Future[ErrorCode]) -> None:
            error = done.result()
            if not answer.done():
                answer.set_result(HeartbeatResult(error=error) if error else result)

        if waiting.done():
            decided(waiting)
            return answer.result()
        waiting.add_done_callback(decided)
        return answer

    # Writing

    def _write(
        self, owned: OffsetsPartition, group: ConsumerGroup
    ) -> asyncio.Future[ErrorCode] | None:
        """Append what a decision has changed; a future of the outcome, None without changes."""
        if not group.changes:
            self._timers.arm(group)
            return None
        changes = list(group.changes)
        written: asyncio.Future[ErrorCode] = self._loop.create_future()
        before = owned.entries.get(group.id)
        taken_over = before.own_keys() if isinstance(before, Group) else []
        self._on_their_way[group] = written

        def done(error: ErrorCode, base_offset: int) -> None:
            if self._on_their_way.get(group) is written:
                del self._on_their_way[group]
            written.set_result(CONSUMER_GROUP_ERRORS.get(error, error))

        batch = facts_batch(changes, taken_over, self._now().wall_ms, self._codec)
        self._log.append(owned, batch, done, self._timeout_ms)
        if written.done() and written.result() != ErrorCode.NONE:
            self._undo(group)
            return written
        group.changes.clear()
        self._take_place(owned, group, before)
        self._tell(group)
        self._timers.arm(group)
        return written

    def _take_place(
        self, owned: OffsetsPartition, group: ConsumerGroup, before: Group | ConsumerGroup | None
    ) -> None:
        if before is group:
            return
        if before is not None:
            log.info("group %s: becomes a consumer group", group.id)
            group.offsets = before.offsets
        owned.entries[group.id] = group

    def _undo(self, group: ConsumerGroup) -> None:
        group.undo()
        self._membership.start_sessions(group, self._now())

    def give_way(self, owned: OffsetsPartition, group: ConsumerGroup) -> Group:
        """A classic member joins: a group without members becomes a classic one. Raises
        INCONSISTENT_GROUP_PROTOCOL, or the error of the write."""
        if not group.is_empty:
            raise KafkaError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
        refused: list[ErrorCode] = []

        def done(error: ErrorCode, base_offset: int) -> None:
            refused.append(CONSUMER_GROUP_ERRORS.get(error, error))

        batch = tombstones_batch(
            group.id, (), self._now().wall_ms, own_keys=group.own_keys(), codec=self._codec
        )
        self._log.append(owned, batch, done, self._timeout_ms)
        if refused and refused[0] != ErrorCode.NONE:
            raise KafkaError(refused[0])
        log.info("group %s: becomes a classic group", group.id)
        group.is_dead = True
        classic = owned.entries[group.id] = Group(group.id)
        classic.offsets = group.offsets
        return classic

    # Time and place

    def due(self, group: ConsumerGroup) -> None:
        """Handle a group's deadlines that have passed."""
        owned = self._ownership.home(group)
        if owned is None:
            self.unloaded(group)
            return
        for member_id in self._membership.expire(group, self._now()):
            log.info("group %s: member %s fell silent or did not revoke", group.id, member_id)
        written = self._write(owned, group)
        if written is not None and written.done() and written.result() != ErrorCode.NONE:
            retry_ms = self._now().ms + RETRY_MS
            group.sessions = {m: max(at, retry_ms) for m, at in group.sessions.items()}
            self._timers.arm(group)

    def loaded(self, group: ConsumerGroup) -> None:
        """The partition of the group is loaded: its members get a whole session timeout to find
        this coordinator."""
        group.told = (group.state, group.epoch)
        self._membership.start_sessions(group, self._now())
        self._timers.arm(group)

    def unloaded(self, group: ConsumerGroup) -> None:
        """Another broker coordinates the group. Requests that wait for a write get its error."""
        group.is_dead = True

    # Looking

    async def describe(self, group_id: str) -> ConsumerGroup:
        """The group as it is replicated. Raises KafkaError."""
        if not self.settings.enabled:
            raise KafkaError(ErrorCode.UNSUPPORTED_VERSION)
        group = self._consumer_group(group_id)
        while (waiting := self._on_their_way.get(group)) is not None:
            error = await asyncio.shield(waiting)
            if error != ErrorCode.NONE:
                raise KafkaError(error)
            group = self._consumer_group(group_id)
        return group

    def _consumer_group(self, group_id: str) -> ConsumerGroup:
        group = self._ownership.find(group_id).entries.get(group_id)
        if not isinstance(group, ConsumerGroup):
            raise KafkaError(
                ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} is not a consumer group."
            )
        return group

    def _tell(self, group: ConsumerGroup) -> None:
        """Log a new state or epoch and tell the observer."""
        state = (group.state, group.epoch)
        if group.told == state:
            return
        group.told = state
        log.info(
            "group %s: %s, epoch %d, %d members",
            group.id,
            group.state.value,
            group.epoch,
            len(group.members),
        )
        self._note(
            "consumer_group_state",
            group=group.id,
            state=group.state.value,
            epoch=group.epoch,
            members=len(group.members),
        )
