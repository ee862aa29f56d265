"""What lessons do with a cluster: create topics, kill and start processes, wait, and mend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from barnabas.client.admin import alter_topic, create_topic, delete_topic, wait_for_leaders
from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.client.groups import delete_group
from barnabas.client.offsets import log_ends
from barnabas.client.reassignment import elect_leaders
from barnabas.console.context import Console
from barnabas.console.control import Control, ControlError
from barnabas.console.model import PartitionState, Snapshot
from barnabas.console.timeline import Event
from barnabas.console.tour.lesson import Picture, picture_of
from barnabas.console.tour.run import RUNNING, Run, StepRun, belongs
from barnabas.errors import ErrorCode
from barnabas.types import TopicPartition

BROKERS: Final = 3
"""On so many brokers the lessons' topics are."""
BOUND_S: Final = 30.0
"""How long a lesson waits for one thing before it says that it did not happen."""
WHOLE_S: Final = 90.0
LOOK_S: Final = 0.02
COORDINATOR: Final = "coordinator"
CLIENT_TIMEOUT_MS: Final = 60_000
_DONE: Final = {"kill": "killed", "pause": "paused", "resume": "goes on", "restart": "started"}


class Abandoned(Exception):
    """The lesson cannot go on; one line that says why."""


class Stage:
    """Does what one run of a lesson asks for, and notes it in the run. Its methods raise
    ``Abandoned``, ``ClientError``, ``Unreachable`` and OSError."""

    def __init__(
        self, console: Console, control: Control, run: Run, tell: Callable[[], None]
    ) -> None:
        self._console = console
        self._control = control
        self._tell = tell
        self.run = run
        self.topic = run.lesson.topic
        self.client = self.new_client()

    # --- what is shown ---

    @asynccontextmanager
    async def step(self, name: str) -> AsyncIterator[StepRun]:
        """One step of the lesson, and how long it took."""
        assert any(name == step.name for step in self.run.lesson.steps), name
        loop = asyncio.get_running_loop()
        began = loop.time()
        step = StepRun(name, self.wall_ms())
        self.run.steps.append(step)
        self._tell()
        yield step
        step.ms = round((loop.time() - began) * 1000)
        self._tell()

    def say(self, text: str) -> None:
        """What the present step has found."""
        self.run.steps[-1].said.append(text)
        self._tell()

    def show(self, picture: Picture) -> None:
        self.run.pictures.append(picture)
        self._tell()

    def picture(self, title: str, *topics: str, note: str = "") -> None:
        """Show the state of the lesson's topics, as znodes have it now."""
        shown = topics or (self.topic,)
        self.show(
            picture_of(
                title,
                self.snapshot,
                shown,
                self.brokers,
                gone=self._in_state("killed", "stopped", "failed"),
                paused=self._in_state("paused"),
                note=note,
            )
        )

    def _in_state(self, *states: str) -> list[int]:
        """The brokers whose processes are so."""
        known = self._console.hub.processes
        return [b for b in self.brokers if known.get(f"broker:{b}") in states]

    def zero(self) -> int:
        """What the lesson is about happens now: events are told relative to this. Returns the wall
        time in ms."""
        self.run.zero_ms = self.wall_ms()
        return self.run.zero_ms

    # --- what is known ---

    @property
    def snapshot(self) -> Snapshot:
        return self._console.hub.snapshot

    @property
    def brokers(self) -> list[int]:
        """The brokers that lessons use: the first three processes."""
        found = (name.removeprefix("broker:") for name in self._console.hub.processes)
        return sorted(int(text) for text in found if text.isdecimal())[:BROKERS]

    @property
    def has_coordinator(self) -> bool:
        return COORDINATOR in self._console.hub.processes

    def partition(self, topic: str, number: int = 0) -> PartitionState | None:
        """The state of a partition; None while it is not known."""
        found = self.snapshot.topics.get(topic)
        return None if found is None else found.partitions.get(number)

    def leader(self, topic: str, number: int = 0) -> int:
        """The leader that is registered; -1 if there is none."""
        found = self.partition(topic, number)
        return found.leader if found is not None and found.leader in self.snapshot.brokers else -1

    def isr(self, topic: str, number: int = 0) -> tuple[int, ...]:
        found = self.partition(topic, number)
        return () if found is None else found.isr

    def wall_ms(self) -> int:
        return self._console.env.clock.wall_ms()

    def new_client(self) -> ClusterClient:
        """A client that waits long, since what it waits for may be the lesson's subject."""
        client = self._console.new_client()
        client.timeout_ms = CLIENT_TIMEOUT_MS
        return client

    # --- waiting ---

    async def until(
        self, holds: Callable[[Snapshot], bool], bound_s: float = BOUND_S
    ) -> int | None:
        """Wait until the znodes are so. How many ms that took; None if it was not within the
        bound."""
        loop = asyncio.get_running_loop()
        began, hub = loop.time(), self._console.hub
        try:
            async with asyncio.timeout(bound_s):
                while not holds(hub.snapshot):
                    await hub.after(hub.version)
        except TimeoutError:
            if not holds(hub.snapshot):
                return None
        return round((loop.time() - began) * 1000)

    async def until_event(
        self, found: Callable[[Event], bool], bound_s: float = BOUND_S
    ) -> Event | None:
        """The first event of this run of which this is so; None if none comes within the bound."""
        hub = self._console.hub
        try:
            async with asyncio.timeout(bound_s):
                while True:
                    version = hub.version
                    for event in self.events():
                        if found(event):
                            return event
                    await hub.after(version)
        except TimeoutError:
            return None

    def events(self) -> list[Event]:
        """The events of this run so far."""
        found = self._console.hub.events(self.run.first_event)
        return [event for _, event in found if belongs(self.run, event)]

    # --- doing ---

    async def create(
        self,
        assignments: Mapping[int, Sequence[int]],
        *,
        topic: str | None = None,
        **configs: str,
    ) -> str:
        """Create a topic anew, and wait until it has its leaders. ``_`` in a setting is a dot."""
        name = topic or self.topic
        await self.delete(name)
        self.run.topics.append(name)
        settings = {key.replace("_", "."): value for key, value in configs.items()}
        await create_topic(self.client, name, assignments=assignments, configs=settings)
        await wait_for_leaders(self.client, name, partitions=len(assignments))

        def led(snapshot: Snapshot) -> bool:
            found = snapshot.topics.get(name)
            return found is not None and all(
                found.partitions.get(n, _NOTHING).leader == replicas[0]
                and set(found.partitions[n].isr) == set(replicas)
                for n, replicas in assignments.items()
            )

        if await self.until(led) is None:
            raise Abandoned(f"topic {name} has no leaders")
        await self.client.metadata()
        return name

    async def delete(self, topic: str) -> None:
        """Delete a topic if it exists."""
        try:
            await delete_topic(self.client, topic)
        except ClientError as error:
            if error.code != ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
                raise

    async def set(self, topic: str, **configs: str) -> None:
        """Change settings of a topic. ``_`` is a dot."""
        settings = {key.replace("_", "."): value for key, value in configs.items()}
        await alter_topic(self.client, topic, settings)

    async def process(self, verb: str, name: str | int) -> None:
        """Kill, pause, resume or restart a process; an int is a broker."""
        process = f"broker:{name}" if isinstance(name, int) else name
        try:
            await self._control.ask({"verb": verb, "process": process})
            self._console.hub.set_processes(await self._control.states())
        except ControlError as error:
            raise Abandoned(str(error)) from None
        if self.run.state == RUNNING:
            what = process.replace(":", " ").capitalize()
            self.say(f"{what} {_DONE[verb]}.")

    async def ends(self, tps: Iterable[TopicPartition]) -> dict[tuple[TopicPartition, int], int]:
        """How many records each of the lessons' brokers has of these partitions."""
        wanted = list(tps)
        found: dict[tuple[TopicPartition, int], int] = {}
        for broker in self.brokers:
            if broker in self.client.view.brokers:
                ends = await log_ends(self.client, broker, wanted)
                found.update({(tp, broker): end for tp, end in ends.items()})
        return found

    # --- mending ---

    async def mend(self) -> str | None:
        """Let all processes run, and wait until all replicas are in sync and preferred replicas
        lead. What is still wrong at the end; None if nothing is."""
        try:
            states = await self._control.states()
            nodes = [n for n in states if n == COORDINATOR or n.startswith("broker:")]
            for name in sorted(nodes, key=lambda name: name != COORDINATOR):
                if states[name] == "paused":
                    await self.process("resume", name)
                elif states[name] != "running":
                    await self.process("restart", name)
            self._console.hub.set_processes(await self._control.states())
            wanted = {int(n.removeprefix("broker:")) for n in nodes if n != COORDINATOR}
            if await self.until(lambda s: is_whole(s, wanted) is None, WHOLE_S) is None:
                return is_whole(self.snapshot, wanted)
            await elect_leaders(self.client, None)
        except (Abandoned, ControlError, ClientError, Unreachable, OSError) as error:
            return str(error) or type(error).__name__
        return None

    async def clear(self) -> None:
        """Delete the topics and groups of this run. What cannot be deleted stays."""
        for topic in self.run.topics:
            try:
                await self.delete(topic)
            except (ClientError, Unreachable, OSError):
                continue
        for group in self.run.groups:
            try:
                await delete_group(self.client, group)
            except (ClientError, Unreachable, OSError):
                continue

    def close(self) -> None:
        self.client.close()


_NOTHING: Final = PartitionState(replicas=())


def is_whole(snapshot: Snapshot, brokers: set[int]) -> str | None:
    """What is wrong with a cluster; None if nothing is. Pure."""
    missing = sorted(brokers.difference(snapshot.brokers))
    if missing:
        return f"not registered: broker {', '.join(map(str, missing))}"
    if snapshot.controller.broker not in snapshot.brokers:
        return "no broker is controller"
    bad = sum(
        snapshot.is_under_replicated(p) or snapshot.is_leaderless(p)
        for _, _, p in snapshot.partitions()
    )
    return f"{bad} partitions lack an in-sync replica" if bad else None
