"""Node: a broker, as plug-ins see it."""

from __future__ import annotations

from typing import NamedTuple


class Node(NamedTuple):
    """A broker, as it is reached on one listener."""

    id: int
    host: str
    port: int
    rack: str | None
    """``broker.rack``"""
