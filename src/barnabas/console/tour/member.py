"""A member of a consumer group for lessons: joins, reads, commits, and leaves or just stops.

It speaks the classic protocol. The member that the coordinator makes leader gives the partitions
out, one after the other by member (as Kafka's RoundRobinAssignor does for one topic).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from barnabas.client.cluster import ClusterClient
from barnabas.client.consumer import fetch
from barnabas.client.coordinators import GROUP, ask_coordinator
from barnabas.client.errors import ClientError, Unreachable
from barnabas.client.groups import (
    OFFSET_COMMIT_VERSION,
    assigned_partitions,
    committed_offsets,
)
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.heartbeat import HeartbeatRequest
from barnabas.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from barnabas.protocol.messages.leave_group import LeaveGroupRequest
from barnabas.protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitResponse
from barnabas.protocol.messages.sync_group import SyncGroupRequest
from barnabas.types import NO_EPOCH, TopicPartition

JOIN_VERSION: Final = 6
SYNC_VERSION: Final = 4
HEARTBEAT_VERSION: Final = 3
LEAVE_VERSION: Final = 3
REBALANCE_TIMEOUT_MS: Final = 10_000
PROTOCOL: Final = "roundrobin"
BEAT_S: Final = 0.1
AGAIN: Final = frozenset(
    {
        ErrorCode.REBALANCE_IN_PROGRESS,
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.ILLEGAL_GENERATION,
    }
)
"""Errors after which a member joins again."""


@dataclass(slots=True)
class Read:
    """What all members of a group have read together: how often each record."""

    times: dict[tuple[int, int], int] = field(default_factory=dict)
    """By partition and offset."""

    @property
    def again(self) -> int:
        """How many reads were of a record that had been read before."""
        return sum(n - 1 for n in self.times.values())


class Member:
    """One member. ``changed`` is called when its partitions change, and when it has read."""

    def __init__(
        self,
        client: ClusterClient,
        name: str,
        group: str,
        topic: str,
        *,
        session_ms: int,
        read: Read,
        changed: Callable[[], None],
    ) -> None:
        self.name = name
        self.partitions: tuple[int, ...] = ()
        self.generation = -1
        self.failure: str | None = None
        self._client = client
        self._group = group
        self._topic = topic
        self._session_ms = session_ms
        self._read = read
        self._changed = changed
        self._id = ""
        self._positions: dict[int, int] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.ensure_future(self._run())

    async def leave(self) -> None:
        """Stop, commit, and tell the coordinator."""
        await self.die(close=False)
        try:
            await self._commit()
            request = LeaveGroupRequest(
                group_id=self._group, members=[LeaveGroupRequest.MemberIdentity(member_id=self._id)]
            )
            await ask_coordinator(
                self._client,
                GROUP,
                self._group,
                ApiKey.LEAVE_GROUP,
                LEAVE_VERSION,
                request,
                lambda r: int(r.error_code),
            )
        finally:
            self._client.close()

    async def die(self, *, close: bool = True) -> None:
        """Stop without leaving the group: the connection stays open only if ``close`` is false."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if close:
            self._client.close()
        self.partitions = ()

    # --- joining and reading ---

    async def _run(self) -> None:
        try:
            await self._client.metadata([self._topic])
            while True:
                try:
                    await self._join()
                    await self._work()
                except ClientError as error:
                    if error.code not in AGAIN:
                        raise
                    if error.code == ErrorCode.UNKNOWN_MEMBER_ID:
                        self._id = ""
        except (ClientError, Unreachable, OSError) as error:
            self.failure = str(error)
            self._changed()

    async def _join(self) -> None:
        joined = await self._ask_to_join()
        generation = int(joined.generation_id)
        given = _shared_out(
            self._topic, joined, len(self._client.view.topics[self._topic].partitions)
        )
        request = SyncGroupRequest(
            group_id=self._group,
            generation_id=generation,
            member_id=self._id,
            assignments=[
                SyncGroupRequest.Assignment(member_id=member, assignment=data)
                for member, data in given.items()
            ],
        )
        _, synced = await ask_coordinator(
            self._client,
            GROUP,
            self._group,
            ApiKey.SYNC_GROUP,
            SYNC_VERSION,
            request,
            lambda r: int(r.error_code),
        )
        mine = assigned_partitions(bytes(synced.assignment)) or ()
        committed = await committed_offsets(self._client, self._group)
        self._positions = {tp.partition: max(committed.get(tp, 0), 0) for tp in mine}
        self.partitions, self.generation = tuple(self._positions), generation
        self._changed()

    async def _ask_to_join(self) -> JoinGroupResponse:
        while True:
            request = JoinGroupRequest(
                group_id=self._group,
                session_timeout=self._session_ms,
                rebalance_timeout=REBALANCE_TIMEOUT_MS,
                member_id=self._id,
                protocol_type="consumer",
                protocols=[
                    JoinGroupRequest.Protocol(name=PROTOCOL, metadata=_topics([self._topic]))
                ],
            )
            _, joined = await ask_coordinator(
                self._client,
                GROUP,
                self._group,
                ApiKey.JOIN_GROUP,
                JOIN_VERSION,
                request,
                _but_for_a_new_id,
            )
            self._id = str(joined.member_id)
            if int(joined.error_code) == ErrorCode.NONE:
                return joined

    async def _work(self) -> None:
        """Read and commit until a rebalance: ClientError with an error of ``AGAIN``."""
        while True:
            for number in self.partitions:
                await self._read_one(number)
            await self._commit()
            await self._beat()
            await asyncio.sleep(BEAT_S)

    async def _read_one(self, number: int) -> None:
        got = await fetch(
            self._client,
            TopicPartition(self._topic, number),
            self._positions[number],
            max_wait_ms=0,
        )
        times = self._read.times
        for record in got.records:
            times[number, record.offset] = times.get((number, record.offset), 0) + 1
        self._positions[number] = got.next_offset
        if got.records:
            self._changed()

    async def _commit(self) -> None:
        if not self._positions:
            return
        partitions = [
            OffsetCommitRequest.Partition(
                partition_index=number,
                committed_offset=offset,
                committed_leader_epoch=NO_EPOCH,
                committed_metadata="",
            )
            for number, offset in self._positions.items()
        ]
        request = OffsetCommitRequest(
            group_id=self._group,
            generation_id_or_member_epoch=self.generation,
            member_id=self._id,
            group_instance_id=None,
            topics=[OffsetCommitRequest.Topic(name=self._topic, partitions=partitions)],
        )
        await ask_coordinator(
            self._client,
            GROUP,
            self._group,
            ApiKey.OFFSET_COMMIT,
            OFFSET_COMMIT_VERSION,
            request,
            _commit_error,
        )

    async def _beat(self) -> None:
        request = HeartbeatRequest(
            group_id=self._group, generation_id=self.generation, member_id=self._id
        )
        await ask_coordinator(
            self._client,
            GROUP,
            self._group,
            ApiKey.HEARTBEAT,
            HEARTBEAT_VERSION,
            request,
            lambda r: int(r.error_code),
        )


def _but_for_a_new_id(response: JoinGroupResponse) -> int:
    """A new member is given its id with an error, and joins with it (KIP-394)."""
    code = int(response.error_code)
    return 0 if code == ErrorCode.MEMBER_ID_REQUIRED else code


def _commit_error(response: OffsetCommitResponse) -> int:
    codes = (int(p.error_code) for t in response.topics for p in t.partitions)
    return next((code for code in codes if code), 0)


def _topics(names: Sequence[str]) -> bytes:
    """ConsumerProtocolSubscription, version 0: these topics, no user data."""
    listed = b"".join(struct.pack(">h", len(n)) + n.encode() for n in names)
    return struct.pack(">hi", 0, len(names)) + listed + struct.pack(">i", -1)


def _shared_out(topic: str, joined: JoinGroupResponse, partitions: int) -> Mapping[str, bytes]:
    """The assignment of each member (ConsumerProtocolAssignment, version 0) if this member leads
    the group; else nothing."""
    if joined.leader != joined.member_id:
        return {}
    members = sorted(str(m.member_id) for m in joined.members)
    given = {}
    for at, member in enumerate(members):
        mine = range(at, partitions, len(members))
        numbers = struct.pack(f">i{len(mine)}i", len(mine), *mine)
        name = struct.pack(">h", len(topic)) + topic.encode()
        given[member] = struct.pack(">hi", 0, 1) + name + numbers + struct.pack(">i", -1)
    return given
