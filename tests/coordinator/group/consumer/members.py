"""Members of a next-generation group for the simulator; they write into the book of the others."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.coordinator.group.members import TOPIC, Book, Refused, SimulatedMember, check_code

from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.seams import Env

START_AGAIN = (
    ErrorCode.FENCED_MEMBER_EPOCH,
    ErrorCode.UNKNOWN_MEMBER_ID,
    ErrorCode.GROUP_ID_NOT_FOUND,
)


@dataclass
class ConsumerBook(Book):
    """It also knows who works on what at any moment, and for how long that is granted."""

    working: dict[int, tuple[str, float]] = field(default_factory=dict)
    """Partition to (member, time until which its session lasts at least)."""
    now_s: Callable[[], float] = lambda: 0.0
    """The simulation's time: each host has a clock of its own."""

    def works_on(self, partitions: Iterable[int], member: str, called_at: float) -> None:
        """A heartbeat sent at ``called_at`` has been answered; this is what the member owns."""
        mine = dict.fromkeys(partitions)
        now = self.now_s()
        for partition, (owner, until) in list(self.working.items()):
            if owner == member and partition not in mine:
                del self.working[partition]
            elif partition in mine and owner != member and now < until:
                self.complaints.append(f"{partition} at {now}: {owner} and {member}")
        for partition in mine:
            self.working[partition] = (member, called_at + self.session_timeout_ms / 1000)


class ConsumerMember(SimulatedMember):
    """Calls, takes and gives up what it is told, commits one more each time. It keeps its epoch
    and what it owns while it looks for the coordinator. After a call without an answer it tells
    everything, as Java's consumer does: only then is it told again what it has to give up."""

    book: ConsumerBook

    def __init__(
        self, book: ConsumerBook, name: str, client: ClusterClient, member_id: str
    ) -> None:
        super().__init__(book, name, client)
        self.member_id = member_id
        self.generation = 0
        self.topic_id: uuid.UUID | None = None
        self.tells_all = True

    async def run(self) -> None:
        while self.book.running:
            try:
                if self.coordinator is None:
                    await self._find()
                await self._beat()
                await self._read_positions()
                if self.positions:
                    await self._commit()
                await asyncio.sleep(0.1)
            except Refused as refused:
                await self._forget(refused.code)
            except (OSError, Unreachable, ClientError):
                self.coordinator = None
                self.tells_all = True
                await asyncio.sleep(0.1)

    async def _forget(self, code: int) -> None:
        if code in START_AGAIN:
            self.generation, self.positions = 0, {}
            self.book.works_on((), self.member_id, 0)
        elif code != ErrorCode.STALE_MEMBER_EPOCH:  # the next heartbeat learns the epoch
            self.coordinator = None
            await asyncio.sleep(0.1)

    async def _beat(self) -> None:
        all_of_it = self.tells_all or self.generation == 0
        owned = [Message(topic_id=self.topic_id, partitions=list(self.positions))]
        message = Message(
            group_id=self.book.group,
            member_id=self.member_id,
            member_epoch=self.generation,
            instance_id=None,
            rack_id=None,
            rebalance_timeout=self.book.rebalance_timeout_ms if all_of_it else -1,
            subscribed_topic_names=[TOPIC] if all_of_it else None,
            subscribed_topic_regex=None,
            server_assignor=None,
            topic_partitions=owned if self.positions else [],
        )
        called_at = self.book.now_s()
        answer = await self._ask(ApiKey.CONSUMER_GROUP_HEARTBEAT, 1, message)
        check_code(answer.error_code)
        self.tells_all = False
        self.generation = answer.member_epoch
        if answer.assignment is not None:
            self._take(answer.assignment.topic_partitions)
        for partition in self.positions:
            self.book.owns(self.generation, partition, self.member_id)
        self.book.works_on(self.positions, self.member_id, called_at)

    def _take(self, topics: Sequence[Any]) -> None:
        """Give up what is not there; positions of what is new have to be read."""
        self.topic_id = topics[0].topic_id if topics else self.topic_id
        given = [number for topic in topics for number in topic.partitions]
        self.positions = {number: self.positions.get(number, -1) for number in given}

    async def _read_positions(self) -> None:
        new = [number for number, position in self.positions.items() if position < 0]
        if not new:
            return
        before = dict(self.book.committed)
        group = Message(
            group_id=self.book.group,
            member_id=self.member_id,
            member_epoch=self.generation,
            topics=[Message(name=TOPIC, partition_indexes=new)],
        )
        message = Message(groups=[group], require_stable=True)
        answer = await self._ask(ApiKey.OFFSET_FETCH, 9, message)
        check_code(answer.groups[0].error_code)
        for partition in answer.groups[0].topics[0].partitions:
            if partition.error_code == ErrorCode.UNSTABLE_OFFSET_COMMIT:
                continue
            number = partition.partition_index
            self.book.found(number, partition.committed_offset, before.get(number, -1))
            self.positions[number] = partition.committed_offset + 1

    async def _commit(self) -> None:
        known = {number: at for number, at in self.positions.items() if at >= 0}
        if not known:
            return
        answer = await self._ask(ApiKey.OFFSET_COMMIT, 9, self._commit_request(known))
        for partition in answer.topics[0].partitions:
            check_code(partition.error_code)
        for number, offset in known.items():
            self.book.acknowledged(number, offset)
            self.positions[number] = offset + 1


def consumer_main(book: ConsumerBook, name: str) -> Any:
    """A process that is one member; each of its lives has an id of its own."""

    async def main(env: Env) -> None:
        member_id = str(uuid.UUID(int=env.random.getrandbits(128)))
        async with ClusterClient(book.bootstrap, name, timeout_ms=5_000) as client:
            await ConsumerMember(book, name, client, member_id).run()

    return main
