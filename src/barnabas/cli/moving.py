"""Carries out moves of replicas: throttles them, begins them, shows how far they are, and removes
the throttle."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import click

from barnabas.admin.placement import size_of
from barnabas.cli.obstacle import Obstacle, not_registered
from barnabas.cli.output import print_json, print_table
from barnabas.cli.progress import CopyProgress, bytes_text
from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError, Unfinished, Unreachable
from barnabas.client.metadata import ClusterView
from barnabas.client.reassignment import Move, Outcomes, list_moves, moves_of, reassign
from barnabas.client.replica_sizes import replica_sizes
from barnabas.client.throttles import find_throttles, remove_throttle, set_throttle
from barnabas.errors import ErrorCode
from barnabas.types import TopicPartition

LOOK_EVERY_S: Final = 1.0
ABSENT_S: Final = 20.0
TOLD_S: Final = 5.0
"""So long brokers may take to hear of what the controller has done."""
AT_ONCE: Final = 1_000
"""Partitions in one request."""
VERIFY: Final = "barnabas cluster reassign --verify"
THROTTLE: Final = "barnabas cluster reassign --throttle BYTES/S"

TIMEOUT_HELP: Final = (
    "Wait no longer if every move waits for a broker that is away, or none answers."
)

Targets = Mapping[TopicPartition, Sequence[int]]


@dataclass(slots=True, kw_only=True)
class Execution:
    """Some moves, from their throttle to their end."""

    client: ClusterClient
    targets: Targets
    rate: int | None = None
    """Throttle in bytes/s; None: no throttle."""
    additional: bool = False
    """Other moves may be in progress."""
    replaceable: frozenset[TopicPartition] = frozenset()
    """Those of ``targets`` of which another move may be in progress: it is replaced."""
    timeout_s: float = 300.0
    """So long all moves may wait for brokers that are not registered, or no broker answer."""
    moves: list[Move] = field(default_factory=list)
    present: dict[TopicPartition, tuple[int, ...]] = field(default_factory=dict)
    """Replicas before, of all partitions of the topics."""
    outcomes: Outcomes = field(default_factory=dict)
    registered: frozenset[int] = frozenset()
    """The brokers before."""
    others: list[Move] = field(default_factory=list)
    """Moves that were in progress before."""
    resumed: frozenset[TopicPartition] = frozenset()
    """Those of ``targets`` that are on their way there already."""
    throttled: bool = False

    async def run(self, *, wait: bool = True) -> bool:
        """After ``prepare``: begin the moves and wait for their end. Returns whether all have ended
        as they should; without ``wait``, whether all have begun. Raises ClientError,
        Unreachable."""
        if not self.moves:
            return True
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
        try:
            await self._begin()
            if self._begun and wait:
                await self._follow()
        except asyncio.CancelledError:
            await self._interrupted()
            raise
        except (ClientError, Unreachable, OSError):
            await self._interrupted()
            raise
        if not wait and self._begun:
            self._say_what_is_left(self._begun)
            return all(error is None for error in self.outcomes.values())
        await self._end_throttle()
        return await self._ended_well()

    @property
    def _begun(self) -> list[Move]:
        return [m for m in self.moves if self.outcomes.get(m.partition) is None]

    async def prepare(self) -> None:
        """Look at what there is to do. Raises ClientError, Unreachable."""
        client = self.client
        view = await client.status(self._topics())
        present = {
            TopicPartition(name, p.partition): p.replicas
            for name, topic in view.topics.items()
            for p in topic.partitions
        }
        for tp in self.targets:
            if tp not in present:
                raise ClientError(str(tp), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        self.registered = frozenset(view.brokers)
        self.others = await list_moves(client)
        self.resumed = frozenset(
            m.partition for m in self.others if m.target == tuple(self.targets.get(m.partition, ()))
        )
        strange = [m for m in self.others if m.partition not in self.resumed | self.replaceable]
        if strange and not self.additional:
            raise ClientError(
                f"{strange[0].partition}",
                ErrorCode.REASSIGNMENT_IN_PROGRESS,
                f"{_counted(strange, 'is', 'are')} in progress; --additional begins more",
            )
        # Whoever began them may have left a throttle.
        self.throttled = any(m.partition in self.targets for m in self.others)
        self.present = present
        moving = {m.partition: m.before for m in self.others}
        planned = moves_of(self.targets, {**present, **moving})
        self.moves = [
            m
            for m in planned
            if tuple(self.targets[m.partition]) != present[m.partition] or m.partition in moving
        ]

    async def _begin(self) -> None:
        client = self.client
        if self.rate is not None:
            self.throttled = True
            silent = await set_throttle(client, [*self.others, *self.moves], self.rate)
            for broker in silent:
                warn(f"broker {broker} does not answer: its side is not throttled")
        elif self.throttled and (await find_throttles(client)).brokers:
            warn(f"a throttle is in force: {THROTTLE} changes it")
        outcomes: dict[TopicPartition, ClientError | None] = {}
        asked = [m.partition for m in self.moves if m.partition not in self.resumed]
        for first in range(0, len(asked), AT_ONCE):
            part = asked[first : first + AT_ONCE]
            outcomes.update(await reassign(client, {tp: self.targets[tp] for tp in part}))
            self.outcomes = outcomes

    async def _follow(self) -> None:
        """Show how far the moves are until none is in progress. Raises Unfinished if all of them
        wait for brokers that do not come, Unreachable if no broker answers any more."""
        begun = {m.partition: m for m in self._begun}
        absence = Absence(self.timeout_s)
        with CopyProgress() as progress:
            while True:
                try:
                    found = await list_moves(self.client)
                    going = [m for m in found if m.partition in begun]
                    view = await self.client.status(self._topics())
                    remaining = await remaining_bytes(self.client, going)
                except (Unreachable, OSError):
                    progress.show("no broker answers; the moves go on without this command")
                    absence.nobody_answers()
                except ClientError as error:
                    if error.code != ErrorCode.REQUEST_TIMED_OUT:
                        raise
                else:
                    if not going:
                        return
                    if (text := absence.look(going, view)) is not None:
                        progress.warn(text)
                    progress.update(remaining, len(begun) - len(going), len(begun))
                await asyncio.sleep(LOOK_EVERY_S)

    async def _interrupted(self) -> None:
        """The moves go on. Without the throttle they would go on at full speed; so it stays, except
        where nothing moves any more."""
        going: list[Move] = []
        with suppress(ClientError, Unreachable, OSError):
            going = await list_moves(self.client)
            if self.throttled:
                await clear_throttles(self.client, going, self._topics())
        if going or self.throttled:
            self._say_what_is_left(going)

    def _say_what_is_left(self, going: Sequence[Move]) -> None:
        if not going:
            return
        warn(f"{_counted(going, 'goes', 'go')} on without this command")
        if self.throttled and self.rate is not None:
            warn(f"so does their throttle of {bytes_text(self.rate)}/s: {VERIFY} removes it later")

    async def _end_throttle(self) -> None:
        if not self.throttled:
            return
        try:
            absent = await self._wait_for_brokers()
            going = await list_moves(self.client)
            for line in await clear_throttles(self.client, going, self._topics()):
                warn(line)
            for broker in absent:
                warn(f"broker {broker} is not registered: its rate stays ({VERIFY} removes it)")
        except (ClientError, Unreachable, OSError):
            warn(f"the throttle is not removed: {VERIFY} does it")
            raise

    async def _wait_for_brokers(self) -> list[int]:
        """A broker that is just away keeps its rate, which only it can remove: wait a little for
        those of the moves, but for those that were away before. Returns the ones that do not
        come."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ABSENT_S
        throttled = {r for m in [*self.others, *self.moves] for r in m.replicas}
        while True:
            view = await self.client.status()
            absent = sorted(throttled.difference(view.brokers))
            if not self.registered.intersection(absent) or loop.time() > deadline:
                return absent
            await asyncio.sleep(LOOK_EVERY_S)

    def _topics(self) -> list[str]:
        return list(dict.fromkeys(tp.topic for tp in self.targets))

    async def _ended_well(self) -> bool:
        """Whether the replicas are those that were wished. The broker that is asked may hear of the
        end later than the controller that knows of no move any more: it is asked again for a
        while."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + TOLD_S
        while strayed := await self._not_as_wished():
            if loop.time() > deadline:
                break
            await asyncio.sleep(LOOK_EVERY_S / 5)
        self.outcomes = dict(self.outcomes) | {
            partition: ClientError(
                str(partition),
                ErrorCode.NO_REASSIGNMENT_IN_PROGRESS,
                "was cancelled, or replaced by another move",
            )
            for partition in strayed
        }
        return all(error is None for error in self.outcomes.values())

    async def _not_as_wished(self) -> list[TopicPartition]:
        begun = [m.partition for m in self._begun]
        view = await self.client.metadata(list(dict.fromkeys(tp.topic for tp in begun)))
        found = {
            TopicPartition(name, p.partition): p.replicas
            for name, topic in view.topics.items()
            for p in topic.partitions
        }
        return [tp for tp in begun if found.get(tp) != tuple(self.targets[tp])]


class Absence:
    """Brokers that are not registered, and that moves wait for."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._obstacle = Obstacle()
        self._since_s: float | None = None
        """Since then every move has been waiting."""
        self._unanswered_since_s: float | None = None
        """Since then no broker has answered."""

    def nobody_answers(self) -> None:
        """No broker does. Raises Unreachable when its patience is over."""
        now_s = asyncio.get_running_loop().time()
        if self._unanswered_since_s is None:
            self._unanswered_since_s = now_s
        if now_s - self._unanswered_since_s > self._patience_s:
            raise Unreachable(f"no broker has answered for {self._patience_s:.0f} s")

    def look(self, going: Sequence[Move], view: ClusterView) -> str | None:
        """``view``: of all topics of these moves, with registered brokers only. Returns what to
        tell the user now, if anything. Raises Unfinished when its patience is over."""
        now_s = asyncio.get_running_loop().time()
        self._unanswered_since_s = None
        waiting = {m: absent for m in going if (absent := awaited(m, view))}
        brokers = frozenset[int]().union(*waiting.values())
        tells = self._obstacle.met(brokers, now_s)
        if len(waiting) < len(going):
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s
        text = f"{_counted(list(waiting), 'waits', 'wait')} until all brokers are there:"
        if self._since_s is not None and now_s - self._since_s > self._patience_s:
            said = f"{text} {not_registered(brokers)}, for {self._patience_s:.0f} s now"
            raise Unfinished("moves", said)
        return f"{text} {not_registered(brokers)}" if tells else None


def awaited(move: Move, view: ClusterView) -> frozenset[int]:
    """The brokers that are not registered and that a move waits for: all that are to have the
    partition must be in sync, and somebody must lead it. Pure."""
    leader = view.leader(move.partition.topic, move.partition.partition)
    needed = move.replicas if leader is None else move.target
    return frozenset(needed).difference(view.brokers)


async def remaining_bytes(client: ClusterClient, moves: Iterable[Move]) -> int:
    """How many bytes the new replicas lack. Raises Unreachable, OSError."""
    going = list(moves)
    view = await client.metadata(list(dict.fromkeys(m.partition.topic for m in going)))
    leaders = {m: view.leader(m.partition.topic, m.partition.partition) for m in going}
    asked = {b for m in going for b in m.adding} | {b for b in leaders.values() if b is not None}
    sizes = await replica_sizes(
        client, sorted(asked.intersection(view.brokers)), [m.partition for m in going]
    )
    total = 0
    for m in going:
        leader = leaders[m]
        whole = size_of(sizes, m.partition, -1 if leader is None else leader)
        for broker in m.adding:
            total += max(whole - sizes.get(broker, {}).get(m.partition, 0), 0)
    return total


async def clear_throttles(
    client: ClusterClient, going: Sequence[Move], topics: Collection[str] | None = None
) -> list[str]:
    """Remove what is left of throttles: the lists of those ``topics`` (None: of all) of which
    nothing moves, and the rates if nothing moves at all. Returns lines that say what stays. Raises
    ClientError, Unreachable."""
    found = await find_throttles(client)
    busy = {m.partition.topic for m in going}
    idle = [t for t in found.topics if t not in busy and (topics is None or t in topics)]
    silent = await remove_throttle(client, () if going else found.brokers, idle)
    left = [f"broker {b} does not answer: its rate stays ({VERIFY} removes it)" for b in silent]
    if going and found.brokers:
        brokers = ", ".join(map(str, found.brokers))
        left.append(
            f"{_counted(going, 'is', 'are')} in progress: the rates of brokers {brokers} stay"
            f" ({VERIFY} removes them later)"
        )
    return left


def _counted(moves: Sequence[Move], of_one: str, of_many: str) -> str:
    return f"1 move {of_one}" if len(moves) == 1 else f"{len(moves)} moves {of_many}"


def warn(text: str) -> None:
    """A line on standard error."""
    click.echo(f"barnabas: {text}", err=True)


def partitions_of(view: ClusterView, topic: str, partition: int | None) -> list[TopicPartition]:
    """The partitions of a topic, or one of them. Raises ClientError if there is none."""
    found = view.topics.get(topic)
    if found is None or found.error:
        error = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if found is None else found.error
        raise ClientError(f"topic {topic}", error)
    numbers = [p.partition for p in found.partitions if partition in (None, p.partition)]
    if not numbers:
        raise ClientError(f"{topic}-{partition}", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    return [TopicPartition(topic, number) for number in numbers]


def report(outcomes: Outcomes, output: str, *, done: str = "done") -> int:
    """Print the result for each partition. Returns 1 if something was refused."""
    rows = [
        (str(tp), done if error is None else error.code.name)
        for tp, error in sorted(outcomes.items())
    ]
    if output == "json":
        print_json([{"partition": tp, "result": said} for tp, said in rows])
    elif rows:
        print_table(["partition", "result"], rows)
    else:
        click.echo("nothing to do")
    fine = (None, ErrorCode.ELECTION_NOT_NEEDED)
    return 0 if all(e is None or e.code in fine for e in outcomes.values()) else 1
