"""The edge of a node's process: its clock, randomness and files, its event loop, its signals.

Everything below ``run_node`` is ordinary asyncio code that a simulator can host as well.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import importlib
import logging
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

from barnabas.errors import ConfigError, FatalError
from barnabas.logs import visible
from barnabas.seams import Env, Observer, SilentObserver
from barnabas.storage.files import OperatingSystemFiles

log = logging.getLogger("kafka.server")

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_PR_SET_PDEATHSIG = 1
TRIM_BYTES_MIN = 8 * 1024 * 1024
TRIM_WAIT_MAX = 80
"""The most calls of ``give_back`` between two trims."""
IDLE_CPU_SHARE = 0.25
"""A process that uses less of a core counts as idle."""
IDLE_CALLS = 2
"""After this many idle calls in a row a flood of requests counts as over."""
COLLECT_S = 0.05
"""If a full garbage collection takes longer, the next one is put off."""
COLLECT_WAIT = 600
"""For how many calls of ``give_back`` it is put off."""


class SystemClock:
    """The machine's wall clock."""

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000


def system_env(observer: Observer | None = None) -> Env:
    """The real world: system clock, randomness seeded by the system, the real file system."""
    return Env(
        clock=SystemClock(),
        random=random.Random(random.SystemRandom().getrandbits(256)),
        files=OperatingSystemFiles(),
        boot_id=_boot_id(),
        observer=observer or SilentObserver(),
        stopwatch=time.perf_counter,
        entropy=os.urandom,
        find_class=imported,
        give_memory_back=FreedMemory().give_back,
    )


def imported(name: str) -> object:
    """What ``package.module.Name`` names, once its module is imported: a plug-in's class. Raises
    ImportError, AttributeError, and what the module raises."""
    module, _, attribute = name.rpartition(".")
    if not module:
        raise ImportError("it names no module")
    return getattr(importlib.import_module(module), attribute)


class FreedMemory:
    """Returns freed memory to the system if there is much of it. malloc keeps freed buffers
    (``tune_process``). That is good for the usual number of buffers, but not after a flood."""

    def __init__(self) -> None:
        self._wait = 0
        self._waited = 0
        self._seen = (time.monotonic(), time.process_time())
        self._idle = 0
        """The number of idle calls in a row."""
        self._collect_wait = 0
        self._least = resident_bytes()
        libc = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
        self._trim = getattr(libc, "malloc_trim", None)

    def give_back(self, at_rest: bool) -> None:
        """Call this every second. It trims if the process has much more memory than at its least.
        While that stays so it trims more and more rarely, since a trim during a flood returns
        little. When the flood is over (``at_rest``, and little to do) it begins again."""
        resident = resident_bytes()
        self._least = min(self._least, resident)
        self._waited += 1
        self._idle = self._idle + 1 if self._is_idle() and at_rest else 0
        self._collect_wait -= 1
        if self._idle == IDLE_CALLS:
            self._wait = 0
            if resident >= self._least + TRIM_BYTES_MIN and self._collect_wait <= 0:
                self._collect()
        if self._trim is None or resident < self._least + TRIM_BYTES_MIN:
            self._wait = max(0, self._wait - 1)
        elif self._waited > self._wait:
            self._trim(0)
            self._wait, self._waited = min(2 * self._wait + 1, TRIM_WAIT_MAX), 0

    def _collect(self) -> None:
        """Run a full garbage collection: until then Python keeps some thousand small objects for
        reuse. If they were made in a flood, each of them may keep a whole mebibyte in use."""
        before = time.process_time()
        gc.collect()
        if time.process_time() - before > COLLECT_S:
            self._collect_wait = COLLECT_WAIT

    def _is_idle(self) -> bool:
        seen, self._seen = self._seen, (time.monotonic(), time.process_time())
        return self._seen[1] - seen[1] < IDLE_CPU_SHARE * (self._seen[0] - seen[0])


def resident_bytes() -> int:
    """The resident memory of this process; 0 if the system does not say."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def _boot_id() -> str:
    """Linux's id of this boot; "" on other systems, where boots cannot be told apart."""
    try:
        with open(_BOOT_ID) as file:
            return file.read().strip()
    except OSError:
        return ""


def tune_process(*, die_with_parent: bool = False) -> None:
    """Allow as many open files as the system permits. Keep freed buffers in the process (new pages
    cost 4-5 us each). Exclude long-lived objects from garbage collection."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, 64 * 1024 * 1024)
        libc.mallopt(_M_TRIM_THRESHOLD, 32 * 1024 * 1024)
    if die_with_parent:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    gc.collect()
    gc.freeze()
    # A round of the second generation takes some milliseconds. What some hundred requests that wait
    # hold is no reason for one of the first.
    gc.set_threshold(10_000, 2, 250)


def run_node(node: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> int:
    """Run ``node(stop)`` on a fresh loop until it returns; SIGTERM and SIGINT set ``stop``.

    Returns the exit code: 0 after a clean stop, 1 after an error. The error is logged in one line,
    or for a bug with its traceback.
    """

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await node(stop)

    code = 1
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(main())
        code = 0
    except* ConfigError as group:
        for error in _leaves(group):
            print(f"barnabas: {visible(error)}", file=sys.stderr)
    except* FatalError as group:
        for error in _leaves(group):
            log.critical("stopping: %s", error)
    except* Exception:
        log.critical("stopping after an unexpected error", exc_info=True)
    return code


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
