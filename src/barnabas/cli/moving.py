"""Carries out moves of replicas: throttles them, begins them, shows how far they are, and removes
the throttle."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import click

from barnabas.admin.placement import size_of
from barnabas.cli.absence import LOOK_EVERY_S, Absence, counted, patiently
from barnabas.cli.output import print_json, print_table, warn
from barnabas.cli.progress import CopyProgress, bytes_text
from barnabas.cli.throttles import THROTTLE, VERIFY, clear_throttles
from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.client.metadata import ClusterView
from barnabas.client.reassignment import Move, Outcomes, list_moves, moves_of, reassign
from barnabas.client.replica_sizes import replica_sizes
from barnabas.client.throttles import find_throttles, set_throttle
from barnabas.errors import ErrorCode
from barnabas.types import TopicPartition

T = TypeVar("T")

ABSENT_S: Final = 20.0
TOLD_S: Final = 5.0
"""So long brokers may take to hear of what the controller has done."""
AT_ONCE: Final = 250
"""Partitions in one request. The controller does nothing else until it has begun them."""
REFUSALS_MAX: Final = 5
"""So often a move is asked for again whose target the controller does not know yet, or not any
more, though it is registered."""
CANCEL: Final = "barnabas cluster reassign --cancel --execute"

TIMEOUT_HELP: Final = (
    "Wait no longer if every move waits for a broker that is away, or for a controller."
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
    outcomes: dict[TopicPartition, ClientError | None] = field(default_factory=dict)
    registered: frozenset[int] = frozenset()
    """The brokers before."""
    others: list[Move] = field(default_factory=list)
    """Moves that were in progress before."""
    resumed: frozenset[TopicPartition] = frozenset()
    """Those of ``targets`` that are on their way there already."""
    throttled: bool = False
    again: str = "the same command"
    """What begins the moves that have not begun, in words."""
    _unasked: dict[TopicPartition, Move] = field(default_factory=dict)
    """Moves that have not begun, and are not refused."""
    _refusals: dict[TopicPartition, int] = field(default_factory=dict)

    async def run(self, *, wait: bool = True) -> bool:
        """After ``prepare``: begin the moves and wait for their end. Returns whether all have ended
        as they should; without ``wait``, whether all have begun. Raises ClientError,
        Unreachable."""
        if not self.moves:
            return True
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
        try:
            await self._throttle()
            await self._carry_out(wait=wait)
        except asyncio.CancelledError:
            await self._interrupted()
            raise
        except (ClientError, Unreachable, OSError):
            await self._interrupted()
            raise
        if not wait and self._begun:
            self._say_what_goes_on(self._begun)
            return all(error is None for error in self.outcomes.values())
        await self._end_throttle()
        return await self._ended_well()

    @property
    def _begun(self) -> list[Move]:
        accepted = {tp: None for tp, error in self.outcomes.items() if error is None}
        return [m for m in self.moves if m.partition in accepted]

    async def prepare(self) -> None:
        """Look at what there is to do. Raises ClientError, Unreachable."""
        client = self.client
        view = await client.status(self._topics())
        present = view.replicas()
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
                f"{counted(strange, 'is', 'are')} in progress; --additional begins more",
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
        self._unasked = {m.partition: m for m in self.moves}

    async def _throttle(self) -> None:
        client = self.client
        if self.rate is not None:
            self.throttled = True
            silent = await set_throttle(client, [*self.others, *self.moves], self.rate)
            for broker in silent:
                warn(f"broker {broker} does not answer: its side is not throttled")
        elif self.throttled and (await find_throttles(client)).brokers:
            warn(f"a throttle is in force: {THROTTLE} changes it")

    async def _carry_out(self, *, wait: bool) -> None:
        """Begin the moves, and show how far they are until none is in progress (without ``wait``:
        until all have begun). Raises Unfinished if all of them wait for brokers that do not come,
        Unreachable if no controller comes."""
        absence = Absence(self.timeout_s)
        with CopyProgress() as progress:

            async def steadily(step: Callable[[], Awaitable[T]]) -> T:
                return await patiently(
                    step, self.timeout_s, lambda error: progress.show(f"{error}; it is waited for")
                )

            while True:
                await steadily(lambda: self._begin(progress))
                if not wait and not self._unasked:
                    return
                going, view, remaining = await steadily(self._look)
                if not going and not self._unasked:
                    return
                if (text := absence.look([*going, *self._unasked.values()], view)) is not None:
                    progress.warn(text)
                progress.update(remaining, len(self._begun) - len(going), len(self.moves))
                await asyncio.sleep(LOOK_EVERY_S)

    async def _begin(self, progress: CopyProgress) -> None:
        """Ask for the moves that have not begun, but for those whose new brokers have gone. What
        another command, or a controller that was lost before it answered, has begun is under way or
        done: it is not asked for again."""
        if not self._unasked:
            return
        going = {m.partition: m.target for m in await list_moves(self.client)}
        view = await self.client.status(self._topics())
        present = view.replicas()
        asked: list[TopicPartition] = []
        for tp, move in list(self._unasked.items()):
            target = tuple(self.targets[tp])
            if going.get(tp, present.get(tp)) == target:
                self._answered(tp, None)
            elif not self.registered.intersection(move.adding).difference(view.brokers):
                asked.append(tp)
        for first in range(0, len(asked), AT_ONCE):
            progress.begin(len(self.moves) - len(self._unasked), len(self.moves))
            part = {tp: self.targets[tp] for tp in asked[first : first + AT_ONCE]}
            for tp, error in (await reassign(self.client, part)).items():
                self._answered(tp, error)

    def _answered(self, tp: TopicPartition, error: ClientError | None) -> None:
        if (move := self._unasked.get(tp)) is None:
            return  # nobody asked
        known = self.registered.issuperset(move.adding)
        if error is not None and error.code == ErrorCode.INVALID_REPLICA_ASSIGNMENT and known:
            self._refusals[tp] = self._refusals.get(tp, 0) + 1
            if self._refusals[tp] < REFUSALS_MAX:
                return
        self.outcomes[tp] = error
        del self._unasked[tp]

    async def _look(self) -> tuple[list[Move], ClusterView, int]:
        """What is under way, the cluster, and the bytes that are still to be copied."""
        begun = {m.partition: m for m in self._begun}
        going = [m for m in await list_moves(self.client) if m.partition in begun]
        view = await self.client.status(self._topics())
        return going, view, await remaining_bytes(self.client, going)

    async def _interrupted(self) -> None:
        """The moves go on. Without the throttle they would go on at full speed; so it stays, except
        where nothing moves any more."""
        try:
            going = await list_moves(self.client)
            if self.throttled:
                await clear_throttles(self.client, going, self._topics())
        except (ClientError, Unreachable, OSError):
            warn(f"no controller tells what has begun: {VERIFY} tells it later, {CANCEL} ends it")
            if self.throttled:
                warn(f"the throttle stays: {VERIFY} removes it when nothing moves")
            return
        begun = {m.partition: m.target for m in going}
        left = [m for tp, m in self._unasked.items() if begun.get(tp) != tuple(self.targets[tp])]
        if going and left:
            warn(f"{counted(left, 'has', 'have')} not begun: {self.again} begins what is left")
        self._say_what_goes_on(going)

    def _say_what_goes_on(self, going: Sequence[Move]) -> None:
        if not going:
            return
        warn(f"{counted(going, 'goes', 'go')} on without this command")
        if self.throttled and self.rate is not None:
            warn(f"so does their throttle of {bytes_text(self.rate)}/s: {VERIFY} removes it later")

    async def _end_throttle(self) -> None:
        if not self.throttled:
            return
        try:
            for line in await patiently(self._remove_throttle, self.timeout_s):
                warn(line)
        except (ClientError, Unreachable, OSError):
            warn(f"the throttle is not removed: {VERIFY} does it")
            raise

    async def _remove_throttle(self) -> list[str]:
        """Returns lines that say what stays."""
        absent = await self._wait_for_brokers()
        going = await list_moves(self.client)
        left = await clear_throttles(self.client, going, self._topics())
        away = [
            f"broker {b} is not registered: its rate stays ({VERIFY} removes it)" for b in absent
        ]
        return left + away

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
        while strayed := await patiently(self._not_as_wished, self.timeout_s):
            if loop.time() > deadline:
                break
            await asyncio.sleep(LOOK_EVERY_S / 5)
        for tp in strayed:
            code = ErrorCode.NO_REASSIGNMENT_IN_PROGRESS
            why = "was cancelled, or replaced by another move"
            self.outcomes[tp] = ClientError(str(tp), code, why)
        return all(error is None for error in self.outcomes.values())

    async def _not_as_wished(self) -> list[TopicPartition]:
        begun = [m.partition for m in self._begun]
        view = await self.client.metadata(list(dict.fromkeys(tp.topic for tp in begun)))
        found = view.replicas()
        return [tp for tp in begun if found.get(tp) != tuple(self.targets[tp])]


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
