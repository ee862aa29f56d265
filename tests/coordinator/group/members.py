"""Members of a group for the simulator, and a book in which they write what they were told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.seams import Env

TOPIC = "t"
SUBSCRIPTION = b"\x00\x01\x00\x00\x00\x01\x00\x01t\xff\xff\xff\xff"


@dataclass
class Book:
    """What all members were told together; complaints are broken promises."""

    bootstrap: str
    partitions: int = 6
    group: str = "g"
    session_timeout_ms: int = 2_000
    rebalance_timeout_ms: int = 3_000
    committed: dict[int, int] = field(default_factory=dict)
    """Highest acknowledged commit of each partition."""
    owners: dict[tuple[int, int], str] = field(default_factory=dict)
    """(generation, partition) to the member that was given it."""
    complaints: list[str] = field(default_factory=list)
    generations: dict[int, None] = field(default_factory=dict)
    commits: int = 0
    running: bool = True

    def owns(self, generation: int, partition: int, member: str) -> None:
        self.generations[generation] = None
        other = self.owners.setdefault((generation, partition), member)
        if other != member:
            self.complaints.append(f"{partition} in {generation}: {other} and {member}")

    def found(self, partition: int, offset: int, before: int) -> None:
        if offset < before:
            self.complaints.append(f"{partition}: {before} was acknowledged, {offset} is found")

    def acknowledged(self, partition: int, offset: int) -> None:
        self.commits += 1
        self.committed[partition] = max(self.committed.get(partition, -1), offset)


class Refused(Exception):
    """An answer with an error."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


def check_code(code: int) -> None:
    """Raise what ``run`` sorts out if this is an error."""
    if code:
        raise Refused(int(code))


class SimulatedMember:
    """Joins, owns, commits one more each time, and joins again whenever it is told to."""

    def __init__(self, book: Book, name: str, client: ClusterClient) -> None:
        self.book = book
        self.name = name
        self.client = client
        self.member_id = ""
        self.generation = -1
        self.positions: dict[int, int] = {}
        self.coordinator: int | None = None

    async def run(self) -> None:
        while self.book.running:
            try:
                if self.coordinator is None:
                    await self._find()
                await self._join()
                await self._read_positions()
                await self._work()
            except Refused as refused:
                await self._forget(refused.code)
            except (OSError, Unreachable, ClientError):
                self.coordinator = None
                await asyncio.sleep(0.1)

    async def _forget(self, code: int) -> None:
        if code in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.ILLEGAL_GENERATION):
            self.member_id = "" if code == ErrorCode.UNKNOWN_MEMBER_ID else self.member_id
        elif code != ErrorCode.REBALANCE_IN_PROGRESS:
            self.coordinator = None
            await asyncio.sleep(0.1)

    async def _ask(self, api: ApiKey, version: int, message: Message) -> Any:
        assert self.coordinator is not None
        return await self.client.broker(self.coordinator, api, version, message)

    async def _find(self) -> None:
        await self.client.metadata([TOPIC])
        message = Message(key_type=0, coordinator_keys=[self.book.group])
        answer: Any = await self.client.any_broker(ApiKey.FIND_COORDINATOR, 4, message)
        check_code(answer.coordinators[0].error_code)
        self.coordinator = answer.coordinators[0].node_id

    async def _join(self) -> None:
        message = Message(
            group_id=self.book.group,
            session_timeout=self.book.session_timeout_ms,
            rebalance_timeout=self.book.rebalance_timeout_ms,
            member_id=self.member_id,
            group_instance_id=None,
            protocol_type="consumer",
            protocols=[Message(name="range", metadata=SUBSCRIPTION)],
            reason=None,
        )
        joined = await self._ask(ApiKey.JOIN_GROUP, 9, message)
        if joined.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            self.member_id = message.member_id = joined.member_id
            joined = await self._ask(ApiKey.JOIN_GROUP, 9, message)
        check_code(joined.error_code)
        self.generation = joined.generation_id
        mine = await self._sync(joined)
        self.positions = dict.fromkeys(mine, 0)
        for partition in mine:
            self.book.owns(self.generation, partition, self.member_id)

    async def _sync(self, joined: Any) -> list[int]:
        members = [m.member_id for m in joined.members] if joined.leader == self.member_id else []
        assignments = [
            Message(member_id=m, assignment=bytes(range(i, self.book.partitions, len(members))))
            for i, m in enumerate(members)
        ]
        message = Message(
            group_id=self.book.group,
            generation_id=self.generation,
            member_id=self.member_id,
            group_instance_id=None,
            protocol_type="consumer",
            protocol_name="range",
            assignments=assignments,
        )
        synced = await self._ask(ApiKey.SYNC_GROUP, 5, message)
        check_code(synced.error_code)
        return list(synced.assignment)

    async def _read_positions(self) -> None:
        if not self.positions:
            return None
        before = dict(self.book.committed)
        topics = [Message(name=TOPIC, partition_indexes=list(self.positions))]
        message = Message(
            groups=[Message(group_id=self.book.group, topics=topics)], require_stable=True
        )
        answer = await self._ask(ApiKey.OFFSET_FETCH, 8, message)
        check_code(answer.groups[0].error_code)
        for partition in answer.groups[0].topics[0].partitions:
            if partition.error_code == ErrorCode.UNSTABLE_OFFSET_COMMIT:
                await asyncio.sleep(0.05)
                return await self._read_positions()
            number = partition.partition_index
            self.book.found(number, partition.committed_offset, before.get(number, -1))
            self.positions[number] = partition.committed_offset + 1
        return None

    async def _work(self) -> None:
        while self.book.running:
            await asyncio.sleep(0.1)
            await self._beat()
            if self.positions:
                await self._commit()

    def _commit_request(self, positions: Mapping[int, int]) -> Message:
        partitions = [
            Message(
                partition_index=number,
                committed_offset=offset,
                committed_leader_epoch=-1,
                committed_metadata="",
            )
            for number, offset in positions.items()
        ]
        return Message(
            group_id=self.book.group,
            generation_id_or_member_epoch=self.generation,
            member_id=self.member_id,
            group_instance_id=None,
            topics=[Message(name=TOPIC, partitions=partitions)],
        )

    async def _beat(self) -> None:
        beat = Message(
            group_id=self.book.group,
            generation_id=self.generation,
            member_id=self.member_id,
            group_instance_id=None,
        )
        check_code((await self._ask(ApiKey.HEARTBEAT, 4, beat)).error_code)

    async def _commit(self) -> None:
        request = self._commit_request(self.positions)
        answer = await self._ask(ApiKey.OFFSET_COMMIT, 8, request)
        for partition in answer.topics[0].partitions:
            check_code(partition.error_code)
        for number, offset in self.positions.items():
            self.book.acknowledged(number, offset)
            self.positions[number] = offset + 1


def member_main(book: Book, name: str) -> Any:
    """A process that is one member."""

    async def main(env: Env) -> None:
        async with ClusterClient(book.bootstrap, name, timeout_ms=5_000) as client:
            await SimulatedMember(book, name, client).run()

    return main
