"""The parent process of a host's brokers: starts them, starts again what dies, and stops them one
after another. It has no event loop: it waits in ``select`` for signals and for the next start."""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from barnabas.cluster.children import fork_child
from barnabas.cluster.host_plan import Restarts
from barnabas.config.broker_config import BrokerConfig

STOP_TIMEOUT_S: Final = 120.0
"""For one broker; then it is killed. A controlled shutdown tries three times by default."""
PROBE_S: Final = 0.2
"""How often brokers that start are tried."""


class _Broker:
    def __init__(self, broker: int, config: BrokerConfig) -> None:
        self.id = broker
        self.config = config
        self.pid: int | None = None
        self.started = 0.0
        self.start_at: float | None = 0.0
        """When it is to be started; None while it runs."""
        self.restarts = Restarts()
        self.serves = False
        """Whether it was seen to accept a connection since it was started."""


class Host:
    """Runs one process for each config until a signal stops it.

    ``run_broker(config)`` runs in the child; what it returns is the child's exit code. ``say`` gets
    lines for people. A second signal kills what is left."""

    def __init__(
        self,
        configs: Mapping[int, BrokerConfig],
        run_broker: Callable[[int, BrokerConfig], int],
        say: Callable[[str], None],
    ) -> None:
        self._brokers = [_Broker(i, config) for i, config in configs.items()]
        self._run_broker = run_broker
        self._say = say
        self._interrupts = 0
        self._ready = False
        self._wake_receive, self._wake_send = socket.socketpair()

    def run(self) -> int:
        """Until SIGTERM or Ctrl-C. Returns the exit code: 0 after a clean stop."""
        self._catch_signals()
        gc.collect()
        gc.freeze()
        while not self._interrupts:
            now = time.monotonic()
            for broker in self._brokers:
                if broker.start_at is not None and broker.start_at <= now:
                    self._start(broker)
            self._wait(self._pause_s(now))
            self._reap()
            self._look()
        return self._stop()

    def _pause_s(self, now: float) -> float:
        if any(not b.serves for b in self._brokers if b.pid is not None):
            return PROBE_S
        due = [b.start_at - now for b in self._brokers if b.start_at is not None]
        return max(min([60.0, *due]), 0.0)

    def _wait(self, seconds: float) -> None:
        readable, _, _ = select.select([self._wake_receive], [], [], seconds)
        if readable:
            with suppress(BlockingIOError):
                self._wake_receive.recv(4096)

    # One broker

    def _start(self, broker: _Broker) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = fork_child(
            f"broker {broker.id}",
            self._close_in_child,
            lambda: self._run_broker(broker.id, broker.config),
        )
        broker.pid, broker.started = pid, time.monotonic()
        broker.start_at, broker.serves = None, False

    def _close_in_child(self) -> None:
        self._wake_receive.close()
        self._wake_send.close()

    def _reap(self) -> None:
        for broker in self._brokers:
            code = self._ended(broker)
            if code is None:
                continue
            pause = broker.restarts.pause_s(time.monotonic() - broker.started)
            broker.start_at = time.monotonic() + pause
            self._say(f"broker {broker.id} has ended ({_how(code)}): started again in {pause:g} s")

    def _ended(self, broker: _Broker) -> int | None:
        """The exit code of a broker that has ended since it was last asked; else None."""
        if broker.pid is None:
            return None
        pid, status = os.waitpid(broker.pid, os.WNOHANG)
        if pid == 0:
            return None
        broker.pid = None
        return os.waitstatus_to_exitcode(status)

    def _look(self) -> None:
        """Try the brokers that start; when all serve, say so once."""
        for broker in self._brokers:
            if broker.pid is not None and not broker.serves:
                broker.serves = _accepts(broker.config)
        if not self._ready and all(b.serves and b.pid is not None for b in self._brokers):
            self._ready = True
            where = ",".join(_address(b.config) for b in self._brokers)
            self._say(f"ready: {len(self._brokers)} brokers, {where}")
            notify("READY=1")

    # The end

    def _stop(self) -> int:
        """The last one first, so that the first one's leaderships move once. Returns the exit
        code."""
        notify("STOPPING=1")
        clean = True
        for broker in reversed(self._brokers):
            if broker.pid is None:
                continue
            self._say(f"stopping broker {broker.id}")
            os.kill(broker.pid, signal.SIGTERM)
            deadline = time.monotonic() + STOP_TIMEOUT_S
            while (code := self._ended(broker)) is None:
                if time.monotonic() > deadline or self._interrupts > 1:
                    os.kill(broker.pid, signal.SIGKILL)
                    clean = False
                self._wait(0.1)
            clean = clean and code == 0
        return 0 if clean else 1

    def _catch_signals(self) -> None:
        self._wake_receive.setblocking(False)
        self._wake_send.setblocking(False)
        signal.set_wakeup_fd(self._wake_send.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._interrupted)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)

    def _interrupted(self, _number: int, _frame: object) -> None:
        self._interrupts += 1


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def _bound(config: BrokerConfig) -> tuple[str, int]:
    endpoint = config.listeners[0]
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(endpoint.host, endpoint.host)
    return host, endpoint.port


def _address(config: BrokerConfig) -> str:
    host, port = _bound(config)
    return f"{host}:{port}"


def _accepts(config: BrokerConfig) -> bool:
    host, port = _bound(config)
    if port == 0:
        return True  # it is not known
    try:
        socket.create_connection((host, port), PROBE_S).close()
    except OSError:
        return False
    return True


def notify(state: str) -> None:
    """Tell systemd, if it started this process with ``Type=notify`` (sd_notify)."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told, suppress(OSError):
        told.sendto(state.encode(), "\0" + path[1:] if path.startswith("@") else path)


def usable_cores() -> int:
    """The cores that this process may use: of its affinity, and of its control group's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(min(cores or 1, _quota()), 1)


def _quota() -> int:
    """Whole cores that the control group (v2) allows; many if it sets no limit."""
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:
            quota, period = file.read().split()[:2]
        return max(int(quota) // int(period), 1)
    except (OSError, ValueError):
        return 1 << 16
