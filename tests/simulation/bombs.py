"""Exceptions in place of everything a simulated node must not touch."""

from __future__ import annotations

import builtins
import os
import random
import socket
import threading
import time
import uuid
from typing import Any

import pytest


def arm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace clocks, chance, threads, sockets and files of the system until ``undo``. Only for who
    calls it: a cluster that tests share may live in another thread."""
    simulating = threading.get_ident()

    def set_bomb(place: Any, name: str) -> None:
        original = getattr(place, name)

        def explode(*args: object, **named: object) -> Any:
            if threading.get_ident() != simulating:
                return original(*args, **named)
            raise RuntimeError("a simulated node reached for the world")

        monkeypatch.setattr(place, name, explode)

    for name in ("time", "monotonic", "perf_counter", "sleep", "time_ns", "monotonic_ns"):
        set_bomb(time, name)
    for name in ("random", "randint", "choice", "shuffle", "getrandbits", "uniform", "randrange"):
        set_bomb(random, name)
    for name in ("urandom", "open", "fsync", "rename", "replace", "remove", "listdir", "mkdir"):
        set_bomb(os, name)
    set_bomb(uuid, "uuid4")
    set_bomb(threading.Thread, "start")
    set_bomb(socket, "socket")
    set_bomb(socket, "getaddrinfo")
    set_bomb(builtins, "open")
