"""Paths of znodes as strings, for both sides of the wire. Pure."""

from __future__ import annotations


def parent_of(path: str) -> str:
    """The path above; ``/`` for a top-level node and for ``/`` itself."""
    return path.rpartition("/")[0] or "/"


def child_name(path: str) -> str:
    """The last component of a path."""
    return path.rpartition("/")[2]
