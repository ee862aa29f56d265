"""``barnabas`` commands, each in a process of its own, forked from one that has imported them all.

To start Python and import the command line costs 0.4 s of processor time; tests run some hundred
commands. The process that they are forked from has run nothing: no command, no thread, no loop.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence

from tests.places import REPOSITORY

REQUEST_BYTES_MAX = 1 << 17


class Commands:
    """The other end, in the process of the tests. One command runs at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            )
        atexit.register(self.close)

    def run(
        self,
        arguments: Sequence[str],
        stdin: bytes,
        environment: Mapping[str, str],
        timeout_s: float,
    ) -> subprocess.CompletedProcess[bytes]:
        """To its end. subprocess.TimeoutExpired if that does not come."""
        asked = {"arguments": arguments, "environment": dict(environment), "cwd": os.getcwd()}
        with (
            self._lock,
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            given.write(stdin)
            given.seek(0)
            files = [file.fileno() for file in (given, out, err)]
            socket.send_fds(self._socket, [json.dumps(asked).encode()], files)
            code = self._wait(arguments, timeout_s)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(arguments, code, out.read(), err.read())

    def _wait(self, arguments: Sequence[str], timeout_s: float) -> int:
        pid = int(self._socket.recv(100))
        self._socket.settimeout(timeout_s)
        try:
            return int(self._socket.recv(100))
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            self._socket.settimeout(None)
            self._socket.recv(100)
            raise subprocess.TimeoutExpired(arguments, timeout_s) from None
        finally:
            self._socket.settimeout(None)

    def close(self) -> None:
        self._socket.close()
        self._process.wait(10)


_commands: dict[int, Commands] = {}
"""By the process of the tests: one that was forked needs one of its own."""


def run(
    arguments: Sequence[str], stdin: bytes, environment: Mapping[str, str], timeout_s: float
) -> subprocess.CompletedProcess[bytes]:
    """``barnabas ARGUMENTS``, as ``subprocess.run`` would tell of it."""
    if os.getpid() not in _commands:
        _commands[os.getpid()] = Commands()
    return _commands[os.getpid()].run(arguments, stdin, environment, timeout_s)


# The process that is forked


def _serve(channel: socket.socket) -> None:
    """A request and three files a message; the process id and the exit code as answers."""
    from barnabas.cli import main

    for module, _ in main._COMMANDS.values():
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    while True:
        data, files, _, _ = socket.recv_fds(channel, REQUEST_BYTES_MAX, 3)
        if not data:
            return
        child = os.fork()
        if child == 0:
            channel.close()
            _be(json.loads(data), files)
        for file in files:
            os.close(file)
        channel.send(b"%d" % child)
        _, status = os.waitpid(child, 0)
        channel.send(b"%d" % os.waitstatus_to_exitcode(status))


def _be(asked: dict[str, object], files: Sequence[int]) -> None:
    """Be the command, to its end."""
    from barnabas.cli import main

    code: object = 1
    try:
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        os.chdir(str(asked["cwd"]))
        os.environ.clear()
        os.environ.update(asked["environment"])  # type: ignore[call-overload]
        sys.argv = ["barnabas", *asked["arguments"]]  # type: ignore[misc]
        main.main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as served:
        _serve(served)
