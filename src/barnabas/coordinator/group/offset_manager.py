"""GroupMetadataManager: positions are committed, fetched and deleted (reference 8.5 and 8.7).

A commit is appended at once and answered when it is replicated. Deleting writes tombstones and is
answered when these are replicated. The original answers earlier, and then a deleted group can come
back with the next coordinator.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass

from barnabas.coordinator.group.classic.checks import check_commit
from barnabas.coordinator.group.classic.group import Group
from barnabas.coordinator.group.classic.membership import Membership
from barnabas.coordinator.group.clock import Now
from barnabas.coordinator.group.consumer import checks as consumer_checks
from barnabas.coordinator.group.consumer.group import ConsumerGroup
from barnabas.coordinator.group.expiry import expired_offsets, is_unused
from barnabas.coordinator.group.kinds import AnyGroup
from barnabas.coordinator.group.ownership import OffsetsPartition, Ownership
from barnabas.coordinator.group.records.group_metadata import CommittedOffset
from barnabas.coordinator.group.settings import GroupSettings
from barnabas.coordinator.group.writing import OFFSET_ERRORS, offsets_batch, tombstones_batch
from barnabas.coordinator.log import CoordinatorLog
from barnabas.errors import ErrorCode, KafkaError
from barnabas.replication.append_request import InTransaction
from barnabas.types import NO_PRODUCER_EPOCH, NO_PRODUCER_ID, TopicPartition

log = logging.getLogger(__name__)

Errors = dict[TopicPartition, ErrorCode]
GROUPS_PER_TURN = 200
"""Groups looked at for expiry before other work of the loop has its turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitRequest:
    """What OffsetCommit carries; with a producer id, what TxnOffsetCommit carries."""

    group_id: str
    member_id: str
    instance_id: str | None
    generation: int
    offsets: Sequence[tuple[TopicPartition, CommittedOffset]]
    producer_id: int = NO_PRODUCER_ID
    producer_epoch: int = NO_PRODUCER_EPOCH
    transaction: InTransaction | None = None
    """Whether the transaction's coordinator has confirmed the partition, or need not be asked."""
    knows_member_epochs: bool = True
    """OffsetCommit v9 and later, which members of consumer groups must use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedOffset:
    """A position or an error; offset -1 if nothing was committed."""

    partition: TopicPartition
    value: CommittedOffset
    error: ErrorCode = ErrorCode.NONE


_NOTHING = CommittedOffset(-1)


class OffsetManager:
    """The positions of all groups that this broker coordinates."""

    def __init__(
        self,
        settings: GroupSettings,
        membership: Membership,
        ownership: Ownership,
        offsets_log: CoordinatorLog,
        now: Callable[[], Now],
        note: Callable[..., None],
    ) -> None:
        self._settings = settings
        self._membership = membership
        self._ownership = ownership
        self._log = offsets_log
        self._now = now
        self._note = note
        self._loop = asyncio.get_running_loop()

    # Commit

    def commit(
        self, request: CommitRequest
    ) -> Generator[int, None, Errors | asyncio.Future[Errors]]:
        """An error for each partition, now or once the commit is replicated; in steps. Who may
        commit is asked when everything is ready to be appended."""
        errors: Errors = {}
        accepted: list[tuple[TopicPartition, CommittedOffset]] = []
        for partition, value in request.offsets:
            yield 1
            if len(value.metadata) > self._settings.offset_metadata_max_bytes:
                errors[partition] = ErrorCode.OFFSET_METADATA_TOO_LARGE
            else:
                errors[partition] = ErrorCode.NONE
                accepted.append((partition, value))
        batch = yield from offsets_batch(
            request.group_id,
            accepted,
            self._now().wall_ms,
            producer_id=request.producer_id,
            producer_epoch=request.producer_epoch,
            codec=self._settings.offsets_topic_compression_codec,
        )
        try:
            owned = self._ownership.find(request.group_id, allow_empty=True)
            group = self._group_for(owned, request)
        except KafkaError as error:
            return {partition: error.code for partition, _ in request.offsets}
        if isinstance(group, Group):
            self._membership.committed(group, request.member_id, self._now())
        if not accepted:
            return errors
        return self._append(owned, group, request, accepted, errors, batch)

    def _group_for(self, owned: OffsetsPartition, request: CommitRequest) -> AnyGroup:
        group = owned.entries.get(request.group_id)
        if group is None:
            if request.generation >= 0 and request.producer_id == NO_PRODUCER_ID:
                # The group has been removed since; requests that still refer to it come too late.
                raise KafkaError(ErrorCode.ILLEGAL_GENERATION)
            group = owned.entries[request.group_id] = Group(request.group_id)
        transactional = request.producer_id != NO_PRODUCER_ID
        if isinstance(group, ConsumerGroup):
            error = consumer_checks.check_commit(
                group,
                request.member_id,
                request.generation,
                transactional=transactional,
                knows_epochs=request.knows_member_epochs,
            )
        else:
            error = check_commit(
                group,
                request.member_id,
                request.instance_id,
                request.generation,
                transactional=transactional,
            )
        if error != ErrorCode.NONE:
            raise KafkaError(error)
        return group

    def _append(
        self,
        owned: OffsetsPartition,
        group: AnyGroup,
        request: CommitRequest,
        accepted: list[tuple[TopicPartition, CommittedOffset]],
        errors: Errors,
        batch: bytearray,
    ) -> Errors | asyncio.Future[Errors]:
        future: asyncio.Future[Errors] = self._loop.create_future()
        producer_id = request.producer_id
        if producer_id == NO_PRODUCER_ID:
            group.offsets.stage(accepted)
        else:
            group.offsets.stage_in_transaction(producer_id, [p for p, _ in accepted])

        def done(error: ErrorCode, base_offset: int) -> None:
            code = OFFSET_ERRORS.get(error, error)
            for index, (partition, value) in enumerate(accepted):
                errors[partition] = code
                self._decided(group, producer_id, partition, value, code, base_offset + index)
            if not future.done():
                future.set_result(errors)

        timeout_ms = self._settings.offsets_commit_timeout_ms
        self._log.append(owned, batch, done, timeout_ms, transaction=request.transaction)
        return errors if future.done() else future

    def _decided(
        self,
        group: AnyGroup,
        producer_id: int,
        partition: TopicPartition,
        value: CommittedOffset,
        error: ErrorCode,
        record: int,
    ) -> None:
        """One position is replicated, or its outcome is unknown. If another broker coordinates the
        group by now, nobody reads this state any more (trap 53)."""
        offsets = group.offsets
        if producer_id != NO_PRODUCER_ID:
            if error == ErrorCode.NONE:
                offsets.applied_in_transaction(producer_id, partition, value, record)
            else:
                offsets.failed_in_transaction(producer_id, partition)
        elif error != ErrorCode.NONE:
            offsets.failed(partition, value)
        elif offsets.applied(partition, value, record):
            self._note(
                "offset_committed",
                group=group.id,
                topic=partition.topic,
                partition=partition.partition,
                offset=value.offset,
            )

    def end_transaction(self, producer_id: int, partitions: Iterable[int], *, commit: bool) -> None:
        """The marker of a transaction has been written to these partitions of the topic."""
        wanted = dict.fromkeys(partitions)
        for owned in self._ownership.all_ready():
            if owned.number in wanted:
                for group in owned.entries.values():
                    group.offsets.end_transaction(producer_id, commit=commit)

    # Fetch

    def committed(self, group_id: str) -> list[TopicPartition]:
        """The partitions of which there are positions. Raises KafkaError."""
        group = self._ownership.find(group_id, allow_empty=True).entries.get(group_id)
        return [] if group is None else list(group.offsets.committed)

    def fetch(
        self,
        group_id: str,
        partitions: Iterable[TopicPartition],
        *,
        require_stable: bool = False,
        member_id: str | None = None,
        member_epoch: int = -1,
    ) -> list[FetchedOffset]:
        """Positions of these partitions. Raises KafkaError."""
        owned = self._ownership.find(group_id, allow_empty=True)
        group = owned.entries.get(group_id)
        if group is None:
            return [FetchedOffset(partition=p, value=_NOTHING) for p in partitions]
        if isinstance(group, ConsumerGroup):
            consumer_checks.check_fetch(group, member_id, member_epoch)
        offsets = group.offsets
        found = []
        for partition in partitions:
            if require_stable and offsets.is_unstable(partition):
                error = ErrorCode.UNSTABLE_OFFSET_COMMIT
                found.append(FetchedOffset(partition=partition, value=_NOTHING, error=error))
            else:
                value = offsets.get(partition) or _NOTHING
                found.append(FetchedOffset(partition=partition, value=value))
        return found

    # Forgetting

    async def delete(self, group_id: str, partitions: Sequence[TopicPartition]) -> Errors:
        """OffsetDelete: delete the positions of partitions that no member subscribes to. Raises
        KafkaError."""
        owned = self._ownership.find(group_id)
        group = owned.entries.get(group_id)
        if group is None or group.is_dead:
            raise KafkaError(ErrorCode.GROUP_ID_NOT_FOUND)
        errors: Errors = dict.fromkeys(partitions, ErrorCode.NONE)
        if not group.is_empty:
            if isinstance(group, Group) and not group.is_consumer_group:
                raise KafkaError(ErrorCode.NON_EMPTY_GROUP)
            for partition in partitions:
                if group.is_subscribed(partition.topic):
                    errors[partition] = ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
        eligible = [p for p, error in errors.items() if error == ErrorCode.NONE]
        if eligible:
            error = await self._forget(owned, group, eligible)
            if error != ErrorCode.NONE:
                errors.update(dict.fromkeys(eligible, error))
        return errors

    async def delete_group(self, group_id: str) -> ErrorCode:
        """DeleteGroups: delete a group without members."""
        try:
            owned = self._ownership.find(group_id, allow_empty=True)
        except KafkaError as error:
            return error.code
        group = owned.entries.get(group_id)
        if group is None or group.is_dead:
            return ErrorCode.GROUP_ID_NOT_FOUND
        if not group.is_empty:
            return ErrorCode.NON_EMPTY_GROUP
        return await self._forget(owned, group, group.offsets.partitions(), whole_group=True)

    def _forget(
        self,
        owned: OffsetsPartition,
        group: AnyGroup,
        partitions: Sequence[TopicPartition],
        *,
        whole_group: bool = False,
    ) -> asyncio.Future[ErrorCode]:
        """Write tombstones and remove the positions; nothing is removed if the append fails. The
        group is removed too if ``whole_group`` says so or nothing is left of it."""
        future: asyncio.Future[ErrorCode] = self._loop.create_future()
        known = dict.fromkeys(group.offsets.partitions())
        kept = [p for p in partitions if p in known]
        if len(kept) == len(known):
            whole_group = whole_group or is_unused(group)
        own_keys = group.own_keys() if whole_group else []

        def done(error: ErrorCode, base_offset: int) -> None:
            if not future.done():
                future.set_result(OFFSET_ERRORS.get(error, error))

        if kept or own_keys:
            now_ms = self._now().wall_ms
            codec = self._settings.offsets_topic_compression_codec
            batch = tombstones_batch(group.id, kept, now_ms, own_keys=own_keys, codec=codec)
            self._log.append(owned, batch, done, self._settings.offsets_commit_timeout_ms)
            if future.done() and future.result() != ErrorCode.NONE:
                return future
        else:
            future.set_result(ErrorCode.NONE)
        group.offsets.remove(kept)
        if whole_group:
            group.offsets.clear()
            self._end(group)
            if owned.entries.get(group.id) is group:
                del owned.entries[group.id]
        self._note("offsets_forgotten", group=group.id, offsets=len(kept), whole=whole_group)
        return future

    def _end(self, group: AnyGroup) -> None:
        if isinstance(group, ConsumerGroup):
            group.is_dead = True
        else:
            self._membership.kill(group, ErrorCode.COORDINATOR_NOT_AVAILABLE, self._now())

    def topic_deleted(self, topic: str) -> None:
        """Positions in a deleted topic are removed: they mean nothing, even if a topic of the same
        name is created again. A group without members that keeps nothing else goes too."""
        for owned in self._ownership.all_ready():
            for group in list(owned.entries.values()):
                partitions = [p for p in group.offsets.partitions() if p.topic == topic]
                if partitions or _has_nothing(group):
                    self._forget(owned, group, partitions)

    # Expiry

    async def run(self) -> None:
        """Remove positions that have expired; for ever."""
        while True:
            await asyncio.sleep(self._settings.offsets_retention_check_interval_ms / 1000)
            await self.expire()

    async def expire(self) -> None:
        """Look once at every group."""
        seen = 0
        for owned in self._ownership.all_ready():
            for group in list(owned.entries.values()):
                seen += 1
                if seen % GROUPS_PER_TURN == 0:
                    await asyncio.sleep(0)
                if owned.is_current and owned.entries.get(group.id) is group:
                    self._expire_group(owned, group)

    def _expire_group(self, owned: OffsetsPartition, group: AnyGroup) -> None:
        settings = self._settings
        expired = expired_offsets(group, self._now().wall_ms, settings.offsets_retention_ms)
        if expired or _has_nothing(group):
            log.info("group %s: %d offsets have expired", group.id, len(expired))
            self._forget(owned, group, expired)


def _has_nothing(group: AnyGroup) -> bool:
    return is_unused(group) and not group.offsets
