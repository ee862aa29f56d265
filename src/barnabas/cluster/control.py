"""Sends a command to the supervisor of a running cluster: one JSON line each way over a Unix
socket. The cluster's first port gives the socket's name."""

from __future__ import annotations

import json
import os
import socket
import stat
import tempfile
from typing import Any

from barnabas.errors import ConfigError

LINE_BYTES_MAX = 64 * 1024


def runtime_directory() -> str:
    """A directory that only this user can open; created if missing."""
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    path = os.path.join(base, f"barnabas-{os.getuid()}")
    os.makedirs(path, mode=0o700, exist_ok=True)
    found = os.stat(path)
    if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise ConfigError(f"{path}: must belong to this user alone")
    return path


def socket_path(port: int) -> str:
    """The control socket of the cluster whose first broker listens on ``port``."""
    return os.path.join(runtime_directory(), f"{port}.sock")


def ask(port: int, command: dict[str, Any], timeout_s: float = 30.0) -> dict[str, Any]:
    """Send ``command`` to the supervisor and return its answer. ConfigError if none is running."""
    path = socket_path(port)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(path)
        except OSError:
            raise ConfigError(
                f"no cluster started by 'barnabas up' has its first broker on port {port}"
            ) from None
        connection.sendall(json.dumps(command).encode() + b"\n")
        received = bytearray()
        while not received.endswith(b"\n"):
            piece = connection.recv(4096)
            if not piece or len(received) > LINE_BYTES_MAX:
                raise ConfigError("the supervisor ended before it answered")
            received += piece
    answer = json.loads(received)
    assert isinstance(answer, dict)
    return answer
