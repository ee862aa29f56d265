"""Lesson 7, done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from barnabas.client.configs import BROKER, describe_settings
from barnabas.client.errors import ClientError
from barnabas.client.groups import delete_group
from barnabas.client.producer import Producer
from barnabas.console.tour.lesson import Seen, group_picture, plural
from barnabas.console.tour.lessons.rebalance import PARTITIONS, Facts, seen
from barnabas.console.tour.member import Member, Read
from barnabas.console.tour.stage import BOUND_S, Stage
from barnabas.names import number_in
from barnabas.records.batch import Record
from barnabas.types import TopicPartition

MIN_SESSION = "group.min.session.timeout.ms"
SESSION_MS = 2_000
"""The members' session timeout, if brokers allow one so short."""
EACH = 10
"""Records that are written to each partition, again and again."""


class _Group:
    """The members that are there, and waits for what they have."""

    def __init__(self, stage: Stage, session_ms: int) -> None:
        self._stage = stage
        self._session_ms = session_ms
        self._name = stage.topic
        self.members: dict[str, Member] = {}
        self.read = Read()
        self._changed = asyncio.Event()

    def start(self, name: str) -> None:
        member = Member(
            self._stage.new_client(),
            name,
            self._name,
            self._stage.topic,
            session_ms=self._session_ms,
            read=self.read,
            changed=self._changed.set,
        )
        self.members[name] = member
        member.start()

    @property
    def assignment(self) -> dict[str, tuple[int, ...]]:
        return {name: member.partitions for name, member in self.members.items()}

    async def until(self, holds: Callable[[dict[str, tuple[int, ...]]], bool]) -> int | None:
        """Wait until all members are of one generation and their assignment is so. How many ms
        that took; None if it was not within the bound."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(BOUND_S):
                while True:
                    generations = {m.generation for m in self.members.values()}
                    if len(generations) == 1 and holds(self.assignment):
                        return round((loop.time() - began) * 1000)
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return None

    async def until_read(self, written: int) -> None:
        """Wait until all is read, or the bound is over: the lesson says how much was."""
        try:
            async with asyncio.timeout(BOUND_S):
                while len(self.read.times) < written:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass

    @property
    def generation(self) -> int:
        return max((m.generation for m in self.members.values()), default=-1)

    async def close(self) -> None:
        for member in self.members.values():
            await member.die()


async def act(stage: Stage) -> list[Seen]:
    """Do it, and say what was seen."""
    a, b, c = stage.brokers
    stage.run.groups.append(stage.topic)
    session_ms = await _session_ms(stage)
    group = _Group(stage, session_ms)
    try:
        async with stage.step("create"):
            orders = ((a, b, c), (b, c, a), (c, a, b))
            await stage.create({n: orders[n % 3] for n in range(PARTITIONS)})
            await _forget(stage)
            written = await _write(stage)
            stage.say(f"{plural(written, 'record')} written.")
        return await _with_members(stage, group, session_ms, written)
    finally:
        await group.close()


async def _with_members(stage: Stage, group: _Group, session_ms: int, written: int) -> list[Seen]:
    def show(title: str) -> None:
        note = f"Generation {group.generation}"
        named = {f"member {name}": p for name, p in group.assignment.items()}
        stage.show(group_picture(title, named, PARTITIONS, note=note))

    generations = []
    async with stage.step("one"):
        group.start("A")
        await group.until(lambda members: len(members["A"]) == PARTITIONS)
        alone = group.assignment
        generations.append(group.generation)
        show("A alone")
    async with stage.step("three"):
        stage.zero()
        group.start("B")
        group.start("C")
        shared_ms = await group.until(lambda members: all(len(p) == 2 for p in members.values()))
        shared = group.assignment
        generations.append(group.generation)
        show("Three members")
    written += await _write(stage)
    async with stage.step("leave"):
        await group.members.pop("B").leave()
        left_ms = await group.until(_all_given)
        after_leave = group.assignment
        generations.append(group.generation)
        show("B has left")
    async with stage.step("die"):
        await group.members.pop("C").die()
        died_ms = await group.until(_all_given)
        after_death = group.assignment
        generations.append(group.generation)
        show("C is dead")
    async with stage.step("read"):
        written += await _write(stage)
        await group.until_read(written)
        await group.members.pop("A").leave()
        stage.say(f"{len(group.read.times):,} of {plural(written, 'record')} read.")
    return seen(
        Facts(
            alone=alone,
            shared=shared,
            shared_ms=shared_ms,
            after_leave=after_leave,
            left_ms=left_ms,
            after_death=after_death,
            died_ms=died_ms,
            session_ms=session_ms,
            generations=tuple(generations),
            written=written,
            read=len(group.read.times),
            again=group.read.again,
        )
    )


def _all_given(members: dict[str, tuple[int, ...]]) -> bool:
    return sum(len(p) for p in members.values()) == PARTITIONS


async def _session_ms(stage: Stage) -> int:
    settings = await describe_settings(stage.client, BROKER, str(stage.brokers[0]))
    least = next((s.value for s in settings if s.name == MIN_SESSION), None)
    return max(number_in(least or "") or 6_000, SESSION_MS)


async def _forget(stage: Stage) -> None:
    """Positions of a former run are of another topic of the same name."""
    try:
        await delete_group(stage.client, stage.topic)
    except ClientError:
        pass  # there was none


async def _write(stage: Stage) -> int:
    producer = Producer(stage.client, idempotent=False)
    for number in range(PARTITIONS):
        records = [Record(value=b"%d" % n) for n in range(EACH)]
        await producer.send(TopicPartition(stage.topic, number), records)
    return PARTITIONS * EACH
