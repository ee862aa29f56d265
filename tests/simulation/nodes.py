"""Hosts and processes: start, kill, pause, power loss, and the environment of each incarnation.

A node is ``async def main(env)``. A host has a disk, a clock and any number of processes; each
start of a process is an incarnation with its own event loop and its own stream of chance. An
exception that leaves a node's ``main``, or any task or callback of it, fails the run.
"""

from __future__ import annotations

import asyncio
import random
import traceback
from asyncio import events
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from tests.simulation.disk import Disk, DiskSettings
from tests.simulation.files import SimFiles
from tests.simulation.kernel import MILLISECOND, SECOND, Kernel, SimulationFailure
from tests.simulation.loop import CpuDelay, SimLoop, SimTask, describe
from tests.simulation.network import Network, NetworkSettings
from tests.simulation.sockets import Listener
from tests.simulation.stopwatch import LongWork, Stopwatch

from barnabas.seams import Env, no_time_passes

Main = Callable[[Env], Coroutine[Any, Any, None]]
Listening = Callable[["Process", str, dict[str, object]], None]
"""Hears every note of every node: (process, event, fields)."""
Watching = Callable[[str, str, dict[str, object]], None]
"""Hears what is done to processes, hosts and wires: (event, who, fields)."""

EPOCH_MS = 1_700_000_000_000
MILLION = 1_000_000
TRACE_NOTE, TRACE_LIFE = 20, 21


class Host:
    """A machine: a name, an address, a clock, a disk."""

    def __init__(self, simulation: Simulation, name: str, index: int) -> None:
        self.simulation = simulation
        self.kernel = simulation.kernel
        self.network: Network = simulation.network
        self.name = name
        self.index = index
        self.address = f"10.0.0.{index}"
        self.disk = Disk(self.kernel, name, index, simulation.disk_settings)
        self.up = True
        self.boots = 1
        self.processes: dict[str, Process] = {}
        self.listeners: list[Listener] = []
        stream = self.kernel.random(f"host/{name}")
        self._uptime_ns = stream.randrange(SECOND, 10_000 * SECOND)
        self._boot_stream = stream
        self._since_ns = 0
        self._rate_ppm = MILLION
        self.is_on_time = True
        """Its clock runs at the right rate: it is ``ahead_ns`` of the kernel's."""
        self.ahead_ns = self._uptime_ns
        self._wall_offset_ms = stream.randrange(-20, 20)
        self.disturbed_ns = 0
        """When its power or the rate of its clock changed last."""
        self._ports = 32768
        self.boot_id = self._draw_boot_id()

    def _draw_boot_id(self) -> str:
        return f"{self._boot_stream.getrandbits(128):032x}"

    def loops(self) -> list[SimLoop]:
        """Of its living processes."""
        return [p.loop for p in self.processes.values() if not p.loop.dead]

    def next_port(self) -> int:
        """A port that the system chooses."""
        self._ports = self._ports + 1 if self._ports < 60_999 else 32768
        return self._ports

    def listener_at(self, address: str, port: int) -> Listener | None:
        """Who accepts connections there."""
        for listener in self.listeners:
            if listener.port == port and listener.open:
                if listener.address in ("0.0.0.0", address):
                    return listener
                if address == "0.0.0.0" and listener.address == "127.0.0.1":
                    return listener
        return None

    # -- clock -----------------------------------------------------------------------------------

    def monotonic_ns(self) -> int:
        """Since some moment before the start; differs between hosts, runs at their own rate."""
        elapsed = self.kernel.now_ns - self._since_ns
        return self._uptime_ns + elapsed * self._rate_ppm // MILLION

    def instant_of(self, local_ns: int) -> int:
        """The kernel's instant at which the clock reaches ``local_ns``."""
        ahead = local_ns - self._uptime_ns
        return self._since_ns - (-ahead * MILLION // self._rate_ppm)

    def wall_ms(self) -> int:
        """Milliseconds since 1970 by this host's clock."""
        return EPOCH_MS + self._wall_offset_ms + self.kernel.now_ns // MILLISECOND

    def set_clock_rate(self, rate: float) -> None:
        """Let the clock run slower or faster from now on (1.0 is right)."""
        self._uptime_ns = self.monotonic_ns()
        self._since_ns = self.kernel.now_ns
        if self._rate_ppm != round(rate * MILLION):
            self.disturbed_ns = self.kernel.now_ns
        self._rate_ppm = round(rate * MILLION)
        self._set_ahead()
        self.kernel.move_timers(lambda loop: loop.host is self)

    def _set_ahead(self) -> None:
        self.is_on_time = self._rate_ppm == MILLION
        self.ahead_ns = self._uptime_ns - self._since_ns

    def was_steady(self, since_ns: int) -> bool:
        """Whether it has had power and a right clock all the time."""
        return self.up and self._rate_ppm == MILLION and self.disturbed_ns < since_ns

    def jump_wall_clock(self, delta_ms: int) -> None:
        """Set the wall clock forward or back."""
        self._wall_offset_ms += delta_ms

    # -- power -----------------------------------------------------------------------------------

    def power_loss(self) -> None:
        """Everything stops at once: no FIN, and the disk loses what was not synced."""
        self.simulation.life("power_loss", self.name)
        self.disturbed_ns = self.kernel.now_ns
        for process in self.processes.values():
            if not process.loop.dead:
                process.loop.kill()
                for sock in list(process.loop.sockets.values()):
                    sock.vanish()
        for listener in self.listeners:
            listener.closed = True
        self.listeners.clear()
        self.disk.power_loss()
        self.up = False

    def power_on(self) -> None:
        """Boot; starts no process."""
        self.up = True
        self.boots += 1
        self.disturbed_ns = self.kernel.now_ns
        self._uptime_ns, self._since_ns = 5 * SECOND, self.kernel.now_ns
        self._set_ahead()
        self.boot_id = self._draw_boot_id()
        self.simulation.life("power_on", self.name)


class _Observer:
    """``seams.Observer`` of one incarnation."""

    def __init__(self, process: Process, loop: SimLoop) -> None:
        self._process = process
        self._loop = loop

    def note(self, event: str, /, **fields: object) -> None:
        """Into the trace, the timeline and the checkers."""
        if not self._loop.dead:
            self._process.simulation.noted(self._process, event, fields)


class Process:
    """A program on a host, through its incarnations."""

    def __init__(self, simulation: Simulation, host: Host, name: str, main: Main) -> None:
        self.simulation = simulation
        self.host = host
        self.name = name
        self.main = main
        self.incarnation = 0
        self.tolerated: tuple[type[BaseException], ...] = ()
        """What may leave ``main`` without failing the run (a broker that stops itself)."""
        self.outcome: BaseException | None = None
        self.running = False
        self.gave_up = False
        """Its last incarnation ended by itself."""
        self.began_ns = self.ended_ns = self.paused_ns = 0
        """When it started last, ended last, and was paused or resumed last."""
        self.loop: SimLoop = None  # type: ignore[assignment]
        self.start()

    @property
    def alive(self) -> bool:
        """Started, and neither ended nor killed."""
        return self.running and not self.loop.dead

    def start(self) -> None:
        """A new incarnation."""
        if self.alive:
            raise RuntimeError(f"{self.name} is running already")
        if not self.host.up:
            raise RuntimeError(f"{self.host.name} has no power")
        self.incarnation += 1
        simulation = self.simulation
        self.began_ns = simulation.kernel.now_ns
        self.loop = SimLoop(simulation.kernel, self.host, self.name)
        if simulation.cpu_delay:
            stream = simulation.kernel.random(f"cpu/{self.name}/{self.incarnation}")
            self.loop.cpu = CpuDelay(stream)
        self.loop.on_error = self._on_error
        env = Env(
            clock=self.host,
            random=simulation.kernel.random(f"{self.name}/{self.incarnation}"),
            files=SimFiles(self),
            boot_id=self.host.boot_id,
            observer=_Observer(self, self.loop),
            stopwatch=self._stopwatch(self.loop),
            find_class=simulation.find_class,
        )
        self.running, self.gave_up, self.outcome = True, False, None
        simulation.life("start", self.name)
        task = self.loop.create_task(self._run(env, self.loop), name=f"{self.name}/main")
        task.add_done_callback(self._ended)

    def _stopwatch(self, loop: SimLoop) -> Callable[[], float]:
        simulation = self.simulation
        if simulation.long_work:
            stream = simulation.kernel.random(f"long work/{self.name}/{self.incarnation}")
            return LongWork(loop, simulation.long_work, stream)
        return Stopwatch(loop, simulation.look_ns) if simulation.look_ns else no_time_passes

    async def _run(self, env: Env, loop: SimLoop) -> None:
        try:
            await self.main(env)
        finally:
            # Without a loop the whole run is over, and the collector ends this.
            if events._get_running_loop() is not None:
                mine = asyncio.current_task()
                left = [t for t in asyncio.all_tasks(loop) if t is not mine]
                left.sort(key=lambda t: t.identity if isinstance(t, SimTask) else 0)
                for task in left:
                    task.cancel()
                await asyncio.gather(*left, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.running, self.gave_up = False, True
        if not task.cancelled():
            self.outcome = task.exception()
        error = self.outcome
        if error is not None and not isinstance(error, self.tolerated):
            self.simulation.kernel.fail(self.name, f"left main: {describe(error)}", error)
        self.simulation.life("end", self.name)
        self._die()

    def _on_error(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        text = f"{context.get('message')}: {describe(error)}"
        self.simulation.kernel.fail(self.name, text, error)

    def _die(self) -> None:
        """The system closes what the process had open."""
        loop = self.loop
        self.ended_ns = self.simulation.kernel.now_ns
        loop.kill()
        for listener in list(loop.listeners.values()):
            listener.close()
        for sock in list(loop.sockets.values()):
            sock.close()
        self.running = False

    def kill(self) -> None:
        """SIGKILL; no effect on a process that is not running."""
        if self.alive:
            self.simulation.life("kill", self.name)
            self._die()

    def pause(self) -> None:
        """SIGSTOP."""
        if self.alive:
            self.simulation.life("pause", self.name)
            self.paused_ns = self.simulation.kernel.now_ns
            self.loop.pause()

    def resume(self) -> None:
        """SIGCONT."""
        if self.alive and self.loop.paused:
            self.simulation.life("resume", self.name)
            self.paused_ns = self.simulation.kernel.now_ns
            self.loop.resume()

    def was_steady(self, since_ns: int) -> bool:
        """Whether it has run all the time, and its host too."""
        ran = self.alive and not self.loop.paused and max(self.began_ns, self.paused_ns) < since_ns
        return ran and self.host.was_steady(since_ns)

    def restart(self) -> None:
        """SIGKILL and start."""
        self.kill()
        self.start()


class Simulation:
    """One run: a kernel, a network, hosts, processes, and a scenario that drives them."""

    def __init__(
        self,
        seed: int | str,
        *,
        network: NetworkSettings | None = None,
        disk: DiskSettings | None = None,
        cpu_delay: bool = False,
        look_ns: int = 0,
        long_work: float = 0.0,
        timeline: int | None = 4000,
        classes: Mapping[str, type] | None = None,
    ) -> None:
        """``look_ns``: what work takes from one look at the stopwatch to the next; 0: nothing.
        ``long_work``: share of the looks before which it took much longer. ``classes``: plug-ins,
        by the names in settings."""
        self.seed = seed
        self.kernel = Kernel(seed)
        self.network = Network(self.kernel, network)
        self.disk_settings = disk or DiskSettings()
        self.cpu_delay = cpu_delay
        self.look_ns = look_ns
        self.long_work = long_work
        self._classes = dict(classes or {})
        self.hosts: dict[str, Host] = {}
        self.processes: dict[str, Process] = {}
        self.listening: list[Listening] = []
        self.watching: list[Watching] = []
        self.timeline: deque[tuple[int, str, str, dict[str, object]]] = deque(maxlen=timeline)

    @property
    def now_s(self) -> float:
        """Virtual seconds since the start."""
        return self.kernel.now_ns / SECOND

    def find_class(self, name: str) -> object:
        """A plug-in's class, instead of an import."""
        if name not in self._classes:
            raise ModuleNotFoundError(f"No module named {name.partition('.')[0]!r}")
        return self._classes[name]

    def random(self, role: str) -> random.Random:
        """The stream of a role."""
        return self.kernel.random(role)

    def host(self, name: str) -> Host:
        """A host of this name, made at first mention."""
        if name not in self.hosts:
            self.hosts[name] = Host(self, name, len(self.hosts) + 1)
            self.network.add(self.hosts[name])
        return self.hosts[name]

    def start(self, name: str, main: Main, *, host: str | None = None) -> Process:
        """Start a process, on a host of its own unless told otherwise."""
        if name in self.processes:
            raise ValueError(f"a process {name} exists")
        place = self.host(host or name)
        process = Process(self, place, name, main)
        self.processes[name] = place.processes[name] = process
        return process

    async def ended(self, *processes: Process) -> None:
        """Wait, in virtual time, until these processes have ended or were killed."""
        while any(process.alive for process in processes):  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    # -- what happened ---------------------------------------------------------------------------

    def noted(self, process: Process, event: str, fields: dict[str, object]) -> None:
        """A node noted something. A fault in answering a request fails the run."""
        if event == "handler_failed":
            self.fail(process.name, f"{fields['api']}: {fields['error']}")
        trace = self.kernel.trace
        trace.add(TRACE_NOTE, self.kernel.now_ns, process.host.index)
        trace.add_fields(event, fields)
        self.timeline.append((self.kernel.now_ns, process.name, event, fields))
        for listener in self.listening:
            listener(process, event, fields)

    def life(self, event: str, who: str, **fields: object) -> None:
        """The harness did something to a process, a host or a wire."""
        self.kernel.trace.add(TRACE_LIFE, self.kernel.now_ns)
        self.kernel.trace.add_text(f"{event} {who}")
        self.timeline.append((self.kernel.now_ns, who, f"* {event}", fields))
        for watcher in self.watching:
            watcher(event, who, fields)

    def fail(self, node: str, text: str) -> None:
        """A checker found something."""
        self.kernel.fail(node, text)

    def story(self, last: int | None = None) -> str:
        """The timeline as text."""
        events = list(self.timeline)[-last:] if last else list(self.timeline)
        return "\n".join(
            f"{time_ns / SECOND:11.6f}  {who:<12} {event} "
            + " ".join(f"{key}={value}" for key, value in fields.items())
            for time_ns, who, event, fields in events
        )

    # -- running ---------------------------------------------------------------------------------

    def run(self, scenario: Callable[[], Awaitable[None]], *, limit_s: float = 600.0) -> str:
        """Run until the scenario ends; the digest of the trace. Raises SimulationFailure.

        The scenario is a coroutine on a loop of its own, with a true clock and no faults."""
        driver = SimLoop(self.kernel, self.host("driver"), "driver")
        done: list[bool] = []

        async def drive() -> None:
            try:
                await scenario()
            except SimulationFailure as failure:
                self.kernel.fail("driver", str(failure), failure)
            except Exception as error:
                self.kernel.fail("driver", describe(error), error)
            done.append(True)
            self.kernel.stopping = True

        task = driver.create_task(drive(), name="driver")
        try:
            self.kernel.run(int(limit_s * SECOND))
            if not done and not self.kernel.failures:
                self.kernel.fail("driver", f"the scenario did not end within {limit_s} s")
            self._raise()
            return self.kernel.trace.digest()
        finally:
            driver.kill()
            self._bury(task)

    def _raise(self) -> None:
        if not self.kernel.failures:
            return
        failure = self.kernel.failures[0]
        lines = [
            f"seed {self.seed}: {failure.node} at {failure.time_ns / SECOND:.6f} s: {failure.text}"
        ]
        if failure.error is not None:
            lines.extend(traceback.format_exception(failure.error))
        raise SimulationFailure("\n".join(lines)) from failure.error

    def _bury(self, task: Any) -> None:
        self.kernel.graveyard.append(task)
        for process in self.processes.values():
            process.loop.kill()
        self.kernel.dispose()
