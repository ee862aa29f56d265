"""Exceptions in place of everything a simulated node must not touch."""

from __future__ import annotations

import builtins
import os
import random
import socket
import threading
import time
import uuid

import pytest


def arm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace clocks, chance, threads, sockets and files of the system until ``undo``."""

    def explode(*_: object, **__: object) -> None:
        raise RuntimeError("a simulated node reached for the world")

    for name in ("time", "monotonic", "perf_counter", "sleep", "time_ns", "monotonic_ns"):
        monkeypatch.setattr(time, name, explode)
    for name in ("random", "randint", "choice", "shuffle", "getrandbits", "uniform", "randrange"):
        monkeypatch.setattr(random, name, explode)
    for name in ("urandom", "open", "fsync", "rename", "replace", "remove", "listdir", "mkdir"):
        monkeypatch.setattr(os, name, explode)
    monkeypatch.setattr(uuid, "uuid4", explode)
    monkeypatch.setattr(threading.Thread, "start", explode)
    monkeypatch.setattr(socket, "socket", explode)
    monkeypatch.setattr(socket, "getaddrinfo", explode)
    monkeypatch.setattr(builtins, "open", explode)
