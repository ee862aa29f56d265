"""A consumer group of the simulated cluster: its members work, leave, die, stop and come back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.coordinator.group.members import Book, SimulatedMember, check_code
from tests.simulation.history import Assigned, Commit, Committed, Outcome, Poll
from tests.simulation.nodes import Process, Simulation
from tests.simulation.workload import Main, Workload

from barnabas.client.cluster import ClusterClient
from barnabas.client.consumer import fetch
from barnabas.client.coordinators import GROUP as COORDINATES_GROUP
from barnabas.client.coordinators import ask_coordinator
from barnabas.client.errors import ClientError, Unreachable
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.seams import Env
from barnabas.types import TopicPartition

GROUP = "g"


class Member(SimulatedMember):
    """Reads what it owns, commits how far it is, and writes all of it into the history."""

    def __init__(self, life: GroupLife, name: str, client: ClusterClient, env: Env) -> None:
        super().__init__(life.book, name, client)
        self.life = life
        self.env = env
        self.history = life.workload.history

    def place(self, partition: int) -> TopicPartition:
        """The partition of that number."""
        return TopicPartition(self.life.topic, partition)

    async def _read_positions(self) -> None:
        now = self.life.simulation.now_s
        self.history.assigned.append(
            Assigned(
                group=GROUP,
                generation=self.generation,
                member=self.member_id,
                keys=tuple(str(self.place(partition)) for partition in self.positions),
                completed=now,
            )
        )
        if self.positions:
            await self.fetch_committed()

    async def fetch_committed(self) -> None:
        """How far the group is in what it owns."""
        now = self.life.simulation.now_s
        topics = [Message(name=self.life.topic, partition_indexes=list(self.positions))]
        message = Message(groups=[Message(group_id=GROUP, topics=topics)], require_stable=False)
        answer = await self._ask(ApiKey.OFFSET_FETCH, 8, message)
        check_code(answer.groups[0].error_code)
        for partition in answer.groups[0].topics[0].partitions:
            check_code(partition.error_code)
            number, offset = int(partition.partition_index), int(partition.committed_offset)
            self.life.told(self.coordinator, number, offset, now)
            self.positions[number] = max(offset, 0)

    async def _work(self) -> None:
        while self.book.running:
            if self.name in self.life.leaving:
                await self._leave()
                return
            for number in list(self.positions):
                await self._poll(number)
            if self.positions:
                await self._commit()
            await self._beat()
            # Who was stopped here comes back and commits, whatever became of the group meanwhile.
            await asyncio.sleep(self.env.random.uniform(0.1, 0.4))

    async def _leave(self) -> None:
        self.life.simulation.life("leaves", self.name)
        message = Message(
            group_id=GROUP,
            members=[Message(member_id=self.member_id, group_instance_id=None, reason=None)],
        )
        check_code((await self._ask(ApiKey.LEAVE_GROUP, 5, message)).error_code)
        self.life.leaving.pop(self.name, None)
        self.member_id = ""
        await asyncio.sleep(self.env.random.uniform(0.0, 3.0))

    async def _poll(self, number: int) -> None:
        tp, offset = self.place(number), self.positions[number]
        try:
            found = await fetch(self.client, tp, offset, max_wait_ms=100)
        except ClientError as error:
            if error.code != ErrorCode.OFFSET_OUT_OF_RANGE:
                raise
            self.positions[number] = await self.life.workload.start_of(self.client, tp, offset)
            return
        if found.records:
            records = tuple(
                (str(tp), r.offset, bytes(r.value or b"").decode()) for r in found.records
            )
            self.history.polls.append(
                Poll(
                    process=self.member_id,
                    segment=self.generation,
                    records=records,
                    assigned=False,
                    group=GROUP,
                )
            )
        self.positions[number] = found.next_offset

    async def _commit(self) -> None:
        now, outcome = self.life.simulation.now_s, Outcome.INFO
        positions = dict(self.positions)
        try:
            answer = await self._ask(ApiKey.OFFSET_COMMIT, 8, self._commit_request(positions))
            codes = [int(p.error_code) for p in answer.topics[0].partitions]
            if not any(codes):
                outcome = Outcome.OK
                self.life.positions.update(positions)
            for code in codes:
                check_code(code)
        finally:
            for number, offset in positions.items():
                self.history.commits.append(
                    Commit(
                        group=GROUP,
                        key=str(self.place(number)),
                        offset=offset,
                        outcome=outcome,
                        invoked=now,
                        completed=self.life.simulation.now_s,
                        generation=self.generation,
                    )
                )


@dataclass(slots=True)
class GroupLife:
    """The members and what disturbs them."""

    simulation: Simulation
    workload: Workload
    topic: str
    partitions: int
    names: list[str]
    is_deposed: Callable[[int], bool]
    """Whether a broker, cut off, coordinates what another has been elected for: as the original's,
    it then tells positions that may be older than those of its successor."""
    book: Book = field(init=False)
    leaving: dict[str, None] = field(default_factory=dict)
    """Members that have been asked to leave (and to come back)."""
    positions: dict[int, int] = field(default_factory=dict)
    """Partition -> newest position that somebody has committed."""
    stream: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.book = Book(self.workload.bootstrap, partitions=self.partitions, group=GROUP)
        self.book.session_timeout_ms, self.book.rebalance_timeout_ms = 3000, 4000
        self.stream = self.simulation.random("group")

    def start(self) -> None:
        """All members, and somebody who looks on."""
        for name in self.names:
            self.simulation.start(name, self._main(name), host="clients")
        if self.names:
            self.simulation.start("looks", self._look_on, host="clients")

    def _main(self, name: str) -> Main:
        async def main(env: Env) -> None:
            async with ClusterClient(self.workload.bootstrap, name, timeout_ms=4000) as client:
                await Member(self, name, client, env).run()

        return main

    async def disturb(self) -> None:
        """For ever: somebody leaves, dies or stops for longer than its session lasts."""
        while True:
            await asyncio.sleep(self.stream.expovariate(1 / 3.0))
            process = self.simulation.processes[self.stream.choice(self.names)]
            kind = self.stream.choice(("leave", "kill", "pause"))
            if kind == "leave":
                self.leaving[process.name] = None
                continue
            process.kill() if kind == "kill" else process.pause()
            await asyncio.sleep(self.stream.choice((0.2, 1.0, 5.0)))
            self.revive(process)

    def revive(self, process: Process) -> None:
        """Undo what was done to a member."""
        process.resume()
        if not process.alive:
            process.start()

    def heal(self) -> None:
        """Everybody works, nobody leaves."""
        self.leaving.clear()
        for name in self.names:
            self.revive(self.simulation.processes[name])

    async def finish(self, deadline_s: float) -> None:
        """Nobody writes any more: until the group has read and committed everything; then what it
        committed is read back."""
        ends = {n: self.workload.end(self.place(n)) for n in range(self.partitions)}
        while any(self.positions.get(n, 0) < end for n, end in ends.items()):
            if self.simulation.now_s > deadline_s:
                text = f"the group is at {self.positions}, the partitions end at {ends}"
                self.simulation.fail("checker", text)
                return
            await asyncio.sleep(0.5)
        self.book.running = False
        working = [self.simulation.processes[name] for name in (*self.names, "looks")]
        await self.simulation.ended(*working)
        await self.simulation.ended(self.simulation.start("reads", self._read_back, host="clients"))

    def place(self, number: int) -> TopicPartition:
        """The partition of that number."""
        return TopicPartition(self.topic, number)

    async def _look_on(self, env: Env) -> None:
        """What somebody has been told must not go back, whoever coordinates next."""
        async with ClusterClient(self.workload.bootstrap, "looks", timeout_ms=1500) as client:
            while self.book.running:
                try:
                    await self._look(client)
                except (OSError, ClientError, Unreachable):
                    pass  # nobody coordinates just now
                await asyncio.sleep(env.random.uniform(0.2, 1.0))

    async def _read_back(self, env: Env) -> None:
        async with ClusterClient(self.workload.bootstrap, "reads", timeout_ms=30_000) as client:
            await self._look(client)

    async def _look(self, client: ClusterClient) -> None:
        now = self.simulation.now_s
        answer: Any
        broker, answer = await ask_coordinator(
            client,
            COORDINATES_GROUP,
            GROUP,
            ApiKey.OFFSET_FETCH,
            8,
            Message(groups=[Message(group_id=GROUP, topics=None)], require_stable=False),
            lambda response: int(response.groups[0].error_code),
        )
        found = {
            int(partition.partition_index): int(partition.committed_offset)
            for topic in answer.groups[0].topics
            for partition in topic.partitions
        }
        for number in range(self.partitions):
            self.told(broker, number, found.get(number, -1), now)

    def told(self, broker: int | None, number: int, offset: int, invoked: float) -> None:
        """A coordinator has said where the group is."""
        if broker is None or self.is_deposed(broker):
            return
        self.workload.history.committed.append(
            Committed(
                group=GROUP,
                key=str(self.place(number)),
                offset=offset,
                invoked=invoked,
                completed=self.simulation.now_s,
            )
        )
