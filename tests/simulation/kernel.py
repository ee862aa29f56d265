"""Virtual time: one clock, one heap, one queue, for every process of a simulated cluster.

The kernel knows nothing of networks or disks. It holds what will happen, ordered by (time, sequence
number), and the FIFO of handles that are ready now; each handle belongs to the event loop of one
process incarnation (``loop.py``). Time is integer nanoseconds and jumps when nothing is ready.

A run is a function of its seed: every choice is drawn from a stream named by its role, so that one
more draw in one place does not reshuffle the others, and ``Trace`` hashes what happened.
"""

from __future__ import annotations

import gc
import hashlib
import heapq
import marshal
import random
import sys
import warnings
import zlib
from array import array
from asyncio import events
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.loop import SimHandle, SimLoop

NANOSECOND = 1
MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000

MARSHAL_PLAIN = 2
"""The version of marshal without references to objects: what it writes follows values alone."""
SPINS_MAX = 500_000
"""Handles run at one instant before we call it a livelock."""


class SimulationFailure(AssertionError):
    """A run that must not have happened; the text names the seed, the node and the instant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What went wrong first."""

    time_ns: int
    node: str
    text: str
    error: BaseException | None = None


class Trace:
    """A running hash of what happened: (virtual time, kind, who, size), never an address."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._words = array("q")

    def add(self, *words: int) -> None:
        """Mix a few integers in."""
        self._words.extend(words)
        if len(self._words) > 8192:
            self._flush()

    def add_text(self, text: str) -> None:
        """Mix a text in."""
        self._words.append(zlib.crc32(text.encode()))

    def add_fields(self, event: str, fields: Mapping[str, object]) -> None:
        """Mix in what was noted: plain values, and of all others their type."""
        noted: Any = (event, fields)
        try:
            data = marshal.dumps(noted, MARSHAL_PLAIN)
        except ValueError:  # something that is not plain
            data = f"{event} {_stable(fields)}".encode()
        self._words.append(zlib.crc32(data))

    def _flush(self) -> None:
        self._hash.update(self._words)
        self._words = array("q")

    def digest(self) -> str:
        """The hash so far, in hexadecimal."""
        self._flush()
        return self._hash.hexdigest()


def _stable(value: object) -> str:
    """A text without addresses, the same in every process."""
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return repr(value)
    if isinstance(value, Mapping):
        return ",".join(f"{_stable(key)}={_stable(item)}" for key, item in value.items())
    if isinstance(value, (tuple, list)):
        return "[" + ",".join(_stable(item) for item in value) + "]"
    return type(value).__name__


class Kernel:
    """The clock and the queues of one run."""

    def __init__(self, seed: int | str) -> None:
        self.seed = seed
        self.now_ns = 0
        self.events = 0
        """Handles and kernel actions run so far."""
        self.trace = Trace()
        self.failures: list[Failure] = []
        self.stopping = False
        self.finished = False
        self.graveyard: list[Any] = []
        """What killed processes left: kept alive, so that none of its clean-up code runs."""
        self.unfinished: list[Any] = []
        """Their tasks."""
        self._heap: list[tuple[int, int, Callable[[Any], None], Any]] = []
        self._ready: deque[SimHandle] = deque()
        self.ready = self._ready.append
        """Run a handle after those that are ready already."""
        self._sequence = 0
        self._identities = 0
        self._cancelled_timers = 0
        self._fire = self._fire_timer

    # -- what anyone may ask ---------------------------------------------------------------------

    def random(self, role: str) -> random.Random:
        """The stream of this role: always the same for a seed."""
        return random.Random(f"{self.seed}/{role}")

    def next_identity(self) -> int:
        """Creation order, for the hash of tasks and futures."""
        self._identities += 1
        return self._identities

    def at(self, when_ns: int, action: Callable[[Any], None], argument: Any = None) -> None:
        """Do ``action(argument)`` at an instant (now, if it has passed)."""
        self._sequence = sequence = self._sequence + 1
        now_ns = self.now_ns
        instant = when_ns if when_ns > now_ns else now_ns
        heapq.heappush(self._heap, (instant, sequence, action, argument))

    def after(self, delay_ns: int, action: Callable[[Any], None], argument: Any = None) -> None:
        """Do ``action(argument)`` in ``delay_ns``."""
        self.at(self.now_ns + delay_ns, action, argument)

    def fail(self, node: str, text: str, error: BaseException | None = None) -> None:
        """End the run as failed."""
        if self.finished:
            return
        self.failures.append(Failure(time_ns=self.now_ns, node=node, text=text, error=error))
        self.stopping = True

    # -- timers ----------------------------------------------------------------------------------

    def add_timer(self, when_ns: int, timer: Any) -> None:
        """Make a loop's timer ready at an instant."""
        self.at(when_ns, self._fire, timer)

    def _fire_timer(self, timer: Any) -> None:
        timer._scheduled = False
        self._ready.append(timer)

    def timer_cancelled(self) -> None:
        """Count a cancelled timer; when they are most of the heap, sweep it."""
        self._cancelled_timers += 1
        if self._cancelled_timers > 512 and self._cancelled_timers * 2 > len(self._heap):
            fire = self._fire
            self._heap[:] = [e for e in self._heap if e[2] is not fire or not e[3]._cancelled]
            heapq.heapify(self._heap)
            self._cancelled_timers = 0

    def move_timers(self, belongs: Callable[[SimLoop], bool]) -> None:
        """Recompute the instants of some loops' timers: their clock has changed its rate."""
        fire = self._fire
        for position, (when, sequence, action, timer) in enumerate(self._heap):
            if action is fire and not timer._cancelled and belongs(timer._loop):
                when = max(self.now_ns, timer._loop.instant_of(timer._when))
                self._heap[position] = (when, sequence, action, timer)
        heapq.heapify(self._heap)

    # -- running ---------------------------------------------------------------------------------

    def run(self, limit_ns: int) -> None:
        """Run until ``stopping`` is set, something fails, or virtual time reaches the limit.

        Raises SimulationFailure when nothing is left to happen: everybody waits for ever."""
        collecting = gc.isenabled()
        gc.disable()
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=None, finalizer=self._finalize_generator)
        outer = events._get_running_loop()
        try:
            self._run(limit_ns)
        finally:
            events._set_running_loop(outer)
            sys.set_asyncgen_hooks(*hooks)
            if collecting:
                gc.enable()

    def _run(self, limit_ns: int) -> None:  # noqa: C901, the one hot loop
        ready, heap, fire = self._ready, self._heap, self._fire
        trace, pop = self.trace, heapq.heappop
        set_running_loop = events._set_running_loop
        current, spins = None, 0
        while not self.stopping:
            if ready:
                handle = ready.popleft()
                if handle._cancelled:
                    continue
                loop = handle._loop
                if loop.gated:
                    loop.gate(handle)
                    continue
                if loop is not current:
                    set_running_loop(loop)
                    current = loop
                spins += 1
                try:
                    handle._context.run(handle._callback, *handle._args)
                except BaseException as error:
                    loop.raised(error)
                # In Python 3.13 the traceback of a task's exception keeps this frame. If the frame
                # kept the handle, the task would be part of a cycle, and nobody would hear that it
                # has failed.
                del handle
                if loop.cpu is not None:
                    loop.charge(loop.cpu.draw_ns())
                if spins > SPINS_MAX:
                    self.fail(loop.name, f"livelock: {SPINS_MAX} handles at one instant")
            elif heap:
                when, _, action, argument = heap[0]
                if when > limit_ns:
                    self.now_ns = limit_ns
                    return
                pop(heap)
                if action is fire and argument._cancelled:
                    self._cancelled_timers = max(0, self._cancelled_timers - 1)
                    continue
                if when != self.now_ns:
                    trace.add(when, spins)
                    self.events += spins
                    self.now_ns, spins = when, 0
                self.events += 1
                action(argument)
            else:
                raise SimulationFailure(f"seed {self.seed}: nothing is left to happen")

    def _finalize_generator(self, generator: Any) -> None:
        loop = events._get_running_loop()
        if loop is not None and not self.finished:
            loop.call_soon(loop.create_task, generator.aclose())

    def dispose(self) -> None:
        """Let go of everything. Coroutines that never ended are unwound here, where nothing they
        do can be seen: loops are dead, and what they raise is ignored."""
        self.finished = True
        hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._heap.clear()
                self._ready.clear()
                for task in self.unfinished:
                    # On its own loop, or asyncio would make a real one for what it does last.
                    events._set_running_loop(task.get_loop())
                    try:
                        task.get_coro().close()
                    except BaseException:
                        continue
                    finally:
                        events._set_running_loop(None)
                self.unfinished.clear()
                self.graveyard.clear()
                gc.collect(0)  # what a run without collections has made is all young
        finally:
            sys.unraisablehook = hook
