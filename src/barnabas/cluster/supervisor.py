"""The parent process of a local cluster: starts, watches, signals and restarts the others.

All large modules are imported once, before the first fork. So a child starts much faster than a new
interpreter, and shares the parent's memory pages. The supervisor has no event loop: it waits in
``select`` for its control socket and for signals. It restarts a dead process only when told to.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from barnabas.cluster.children import fork_child
from barnabas.cluster.control import LINE_BYTES_MAX, socket_path
from barnabas.cluster.plan import COORDINATOR, ClusterPlan
from barnabas.errors import ConfigError

STOP_TIMEOUT_S = 30.0
SEVERED_STOP_TIMEOUT_S = 3.0
"""Without a helper through which they reach each other nodes may be unable to stop cleanly."""


@dataclass(slots=True)
class Process:
    """One forked child."""

    name: str
    pid: int
    state: str = "running"
    """running, paused, killed, stopped, failed."""
    exit_code: int | None = None
    log_bytes: int = 0
    """The size of its log file when it started."""
    on_request: bool = False
    """Whether a command has ended it, or is about to."""

    @property
    def is_alive(self) -> bool:
        return self.state in ("running", "paused")


class Supervisor:
    """Starts, signals and reaps the processes of one ``ClusterPlan``.

    ``run_process(plan, name)`` runs in the child. Its return value is the child's exit code.
    """

    def __init__(
        self,
        plan: ClusterPlan,
        run_process: Callable[[ClusterPlan, str], int],
        *,
        helpers: Sequence[str] = (),
        late: Sequence[str] = (),
        about: Mapping[str, Any] | None = None,
    ) -> None:
        """``helpers`` are processes beside the nodes: they start first and stop last. ``late`` are
        helpers that start with ``run``, when the cluster is ready. ``about`` is told to whoever
        asks for the status."""
        self.plan = plan
        self._run_process = run_process
        self._early = helpers
        self._late = late
        self._helpers = (*helpers, *late)
        self._about = dict(about or {})
        self.processes: dict[str, Process] = {}
        self._selector = selectors.DefaultSelector()
        self._wake_receive, self._wake_send = socket.socketpair()
        self._control: socket.socket | None = None
        self._starting = True
        self._stopping = False
        self._interrupts = 0
        self._stop_with = -1

    # Life

    def start(self) -> None:
        """Take the control socket, then fork every process in order."""
        self._open_control()
        self._catch_signals()
        gc.collect()
        gc.freeze()
        for name in (*self._early, *self.plan.process_names()):
            self.spawn(name)

    def spawn(self, name: str) -> None:
        """Fork one process."""
        path = self.plan.log_path(name)
        log_bytes = os.path.getsize(path) if os.path.exists(path) else 0
        pid = fork_child(name, self._close_in_child, lambda: self._run_process(self.plan, name))
        self.processes[name] = Process(name, pid, log_bytes=log_bytes)

    def _close_in_child(self) -> None:
        self._selector.close()
        self._wake_receive.close()
        self._wake_send.close()
        if self._control is not None:
            self._control.close()

    def poll(self, timeout_s: float) -> None:
        """Serve control requests and collect ended children for up to ``timeout_s``."""
        for key, _ in self._selector.select(timeout_s):
            if key.fileobj is self._wake_receive:
                with suppress(BlockingIOError):
                    self._wake_receive.recv(4096)
            elif key.fd == self._stop_with:
                if not os.read(key.fd, 4096):
                    self._selector.unregister(key.fd)
                    self._interrupts += 1
            else:
                self._serve_control()
        self._reap()

    def stop_with(self, descriptor: int) -> None:
        """Stop as after Ctrl-C once this pipe ends. ConfigError if it is none."""
        try:
            self._selector.register(descriptor, selectors.EVENT_READ)
        except (PermissionError, ValueError, KeyError, OSError):
            raise ConfigError("--stop-with-stdin: standard input is not a pipe") from None
        self._stop_with = descriptor

    def run(self) -> int:
        """Run until Ctrl-C or SIGTERM, or until every process has ended. A process that a command
        ended may be restarted, so with such a one it goes on. A helper that started first
        ends it too: the nodes depend on that. Returns the exit code."""
        self._starting = False
        sys.stdout.flush()  # a child must not have what is still to be said
        for name in self._late:
            self.spawn(name)
        while not self._interrupts:
            self.poll(1.0)
            processes = self.processes.values()
            gone = [p.name for p in processes if p.name in self._early and not p.is_alive]
            nodes = [p for p in processes if p.name not in self._helpers]
            if gone or not any(p.on_request or p.is_alive for p in nodes):
                what = gone[0] if gone else "every process"
                print(f"barnabas: {what} has ended", file=sys.stderr)
                self.stop(SEVERED_STOP_TIMEOUT_S)
                return 1
        return self.stop()

    def living(self) -> list[Process]:
        return [p for p in self.processes.values() if p.is_alive]

    def failure(self) -> str | None:
        """The last line of the log of the first process that failed; None if none has failed."""
        for process in self.processes.values():
            if process.state in ("running", "paused", "stopped"):
                continue
            with open(self.plan.log_path(process.name), errors="replace") as log:
                log.seek(process.log_bytes)
                said = [line for line in log if line.startswith("barnabas: ")]
            if said:
                return said[-1].removeprefix("barnabas: ").rstrip("\n")
            return f"{process.name} ended with exit code {process.exit_code}"
        return None

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Shut down cleanly: brokers first, so that they hand over their leaderships, then the
        coordinator, and the helpers last. A second Ctrl-C, or ``timeout_s`` for each of them, kills
        what is left. Returns the exit code."""
        self._stopping = True
        brokers = [n for n in self.processes if n not in (COORDINATOR, *self._helpers)]
        clean = True
        for names in (brokers, [COORDINATOR], self._helpers):
            group = [p for p in self.living() if p.name in names]
            for process in group:
                self._signal(process, signal.SIGCONT)
                self._signal(process, signal.SIGTERM)
            clean = self._wait_for(group, timeout_s) and clean
        for process in self.living():
            self._signal(process, signal.SIGKILL)
        self._wait_for(self.living(), STOP_TIMEOUT_S)
        self.close()
        return 0 if clean else 1

    def _wait_for(self, processes: list[Process], timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while any(p.state in ("running", "paused") for p in processes):
            if time.monotonic() > deadline or self._interrupts > 1:
                return False
            self.poll(0.05)
        return all(map(self._ended_well, processes))

    def _ended_well(self, process: Process) -> bool:
        """A helper that was still starting knows no better than to die of the signal to stop."""
        if process.name in self._helpers and process.exit_code == -signal.SIGTERM:
            return True
        return process.exit_code == 0

    def close(self) -> None:
        if self._control is not None:
            self._control.close()
            with suppress(FileNotFoundError):
                os.unlink(socket_path(self.plan.port))
            self._control = None

    # Signals and children

    def _catch_signals(self) -> None:
        self._wake_receive.setblocking(False)
        self._wake_send.setblocking(False)
        signal.set_wakeup_fd(self._wake_send.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._wake_receive, selectors.EVENT_READ)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._interrupted)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)

    def _interrupted(self, _number: int, _frame: object) -> None:
        self._interrupts += 1

    @property
    def interrupted(self) -> bool:
        return self._interrupts > 0

    def _reap(self) -> None:
        for process in self.living():
            pid, status = os.waitpid(process.pid, os.WNOHANG)
            if pid == 0:
                continue
            process.exit_code = os.waitstatus_to_exitcode(status)
            if process.exit_code == -signal.SIGKILL:
                process.state = "killed"
            else:
                process.state = "stopped" if process.exit_code == 0 else "failed"
            if not self._stopping and not self._starting:
                print(
                    f"{process.name} (pid {process.pid}) {process.state},"
                    f" exit code {process.exit_code}",
                    file=sys.stderr,
                )

    def _signal(self, process: Process, number: signal.Signals) -> None:
        if process.state in ("running", "paused"):
            os.kill(process.pid, number)

    # Control socket

    def _open_control(self) -> None:
        path = socket_path(self.plan.port)
        control = socket.socket(socket.AF_UNIX)
        try:
            control.bind(path)
        except OSError:
            probe = socket.socket(socket.AF_UNIX)
            with probe:
                if probe.connect_ex(path) == 0:
                    raise ConfigError(
                        f"--port {self.plan.port}: a cluster with this first port is running"
                    ) from None
            os.unlink(path)
            control.bind(path)
        control.listen(8)
        control.setblocking(False)
        self._control = control
        self._selector.register(control, selectors.EVENT_READ)

    def _serve_control(self) -> None:
        assert self._control is not None
        connection, _ = self._control.accept()
        with connection:
            connection.settimeout(1.0)
            try:
                line = bytearray()
                while not line.endswith(b"\n") and len(line) <= LINE_BYTES_MAX:
                    piece = connection.recv(4096)
                    if not piece:
                        return
                    line += piece
                answer = self._command(json.loads(line))
                connection.sendall(json.dumps(answer).encode() + b"\n")
            except (OSError, ValueError):
                return

    def _command(self, command: dict[str, Any]) -> dict[str, Any]:
        verb, name = command.get("verb"), command.get("process")
        if verb == "status":
            return {
                "directory": self.plan.directory,
                "bootstrap": self.plan.bootstrap,
                "zookeeper": self.plan.zookeeper_connect,
                "supervisor": os.getpid(),
                **self._about,
                "processes": {
                    p.name: {"pid": p.pid, "state": p.state} for p in self.processes.values()
                },
            }
        process = self.processes.get(str(name))
        if process is None:
            return {"error": f"no process named {name}"}
        self._reap()
        try:
            return self._apply(str(verb), process)
        except ValueError as error:
            return {"error": str(error)}

    def _apply(self, verb: str, process: Process) -> dict[str, Any]:
        alive = process.state in ("running", "paused")
        if verb == "restart":
            if alive:
                self._stop_one(process)
            self.spawn(process.name)
            return {"pid": self.processes[process.name].pid}
        if not alive:
            raise ValueError(f"{process.name} is not running")
        if verb == "kill":
            process.on_request = True
            self._signal(process, signal.SIGKILL)
            self._await_end(process)
        elif verb == "stop":
            self._stop_one(process)
        elif verb == "pause":
            self._signal(process, signal.SIGSTOP)
            process.state = "paused"
        elif verb == "resume":
            self._signal(process, signal.SIGCONT)
            process.state = "running"
        else:
            raise ValueError(f"unknown verb {verb}")
        return {"pid": process.pid}

    def _stop_one(self, process: Process) -> None:
        process.on_request = True
        self._signal(process, signal.SIGCONT)
        self._signal(process, signal.SIGTERM)
        if not self._await_end(process):
            self._signal(process, signal.SIGKILL)
            self._await_end(process)

    def _await_end(self, process: Process) -> bool:
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while process.state in ("running", "paused") and time.monotonic() < deadline:
            self._reap()
            if process.state in ("running", "paused"):
                time.sleep(0.005)
        return process.state not in ("running", "paused")
