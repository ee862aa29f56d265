"""The process from which test clusters are forked: ``python -m barnabas.testing.zygote``.

It has imported all modules, and has no threads, no event loop and nothing of the test. So nodes
start fast, and the test's own process, which may have threads, is never forked. One such process
serves all clusters of a test's process, and ends with it.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import dataclasses
import gc
import json
import os
import signal
import subprocess
import sys
import threading
from typing import Any

from barnabas.cluster.plan import ClusterPlan
from barnabas.cluster.profiles import Profile

_PR_SET_PDEATHSIG = 1


class Zygote:
    """The end of the connection in the test's process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "barnabas.testing.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
        atexit.register(self.close)

    def start(self, plan: ClusterPlan) -> int:
        """Fork a supervisor, which forks the nodes. Returns its process id. Raises OSError if that
        fails."""
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(dataclasses.asdict(plan)) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        if not answer:
            raise OSError("the process that starts nodes has ended")
        return int(answer)

    def close(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process.wait()


_zygotes: dict[int, Zygote] = {}
"""By the process id of the test, since a forked test needs one of its own."""
_making = threading.Lock()


def zygote() -> Zygote:
    """The one for this process; it is started at the first call."""
    with _making:
        if os.getpid() not in _zygotes:
            _zygotes.clear()
            _zygotes[os.getpid()] = Zygote()
        return _zygotes[os.getpid()]


def plan_of(fields: dict[str, Any]) -> ClusterPlan:
    """The plan from ``dataclasses.asdict``, after it was sent as JSON."""
    profile = Profile(**fields.pop("profile"))
    tuples = {name: tuple(fields[name]) for name in ("ports", "http_ports", "racks")}
    return ClusterPlan(**{**fields, **tuples, "profile": profile})


def main() -> None:
    """Read one plan per line, and answer the supervisor's process id on one line each."""
    from barnabas.cluster.supervisor import Supervisor
    from barnabas.testing.node_process import run_node_process

    with contextlib.suppress(ImportError):
        import uvloop  # noqa: F401  (each node will)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the test
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system collects ended children
    gc.collect()
    gc.freeze()
    requests, answers = sys.stdin, sys.stdout
    for line in requests:
        plan = plan_of(json.loads(line))
        child = os.fork()
        if child == 0:
            code = 1
            try:
                _die_with_parent()
                _detach(plan.log_path("supervisor"))
                supervisor = Supervisor(plan, run_node_process)
                supervisor.start()
                code = supervisor.run()
            finally:
                os._exit(code)
        answers.write(f"{child}\n")
        answers.flush()


def _die_with_parent() -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _detach(log: str) -> None:
    """Close the pipes to the test."""
    null = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for source, target in ((null, 0), (out, 1), (out, 2)):
        os.dup2(source, target)
    os.setpgid(0, 0)


if __name__ == "__main__":
    main()
