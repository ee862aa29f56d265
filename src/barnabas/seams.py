"""The places where Barnabas touches the world, as interfaces.

A broker, a coordinator or a client is ``async def main(env: Env)``. Everything it knows of time of
day, chance and disks comes through ``Env``; the network is the plain asyncio loop
(``loop.create_server``, ``loop.create_connection``), and intervals are ``loop.time()``. A simulator
supplies all of them, so the same code runs under virtual time and on disks that lose data.

Real implementations: ``storage/files.py`` (disk) and ``broker/main.py`` (clock, randomness).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from barnabas.types import Buffer


class Clock(Protocol):
    """Wall time. Only for record timestamps and retention, never for leases or lag."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970; may jump either way."""
        ...


class File(Protocol):
    """One open file. Every method raises OSError as the system does."""

    def append(self, buffers: Sequence[Buffer]) -> int:
        """Write all buffers at the end; the number of bytes. After an error the end of the file is
        undefined: the caller truncates or gives the file up."""
        ...

    def pread(self, length: int, offset: int) -> bytes:
        """Up to ``length`` bytes from ``offset``; fewer at the end of the file."""
        ...

    def pwrite(self, data: Buffer, offset: int) -> None:
        """Write all of ``data`` at ``offset``."""
        ...

    def truncate(self, size: int) -> None:
        """Cut or extend (with zeros) to ``size`` bytes."""
        ...

    def size(self) -> int:
        """Length in bytes."""
        ...

    async def fsync(self) -> None:
        """Make everything written before this call durable. Does not block the loop."""
        ...

    def fsync_blocking(self) -> None:
        """The same on the loop, for start-up, shutdown and small checkpoint files."""
        ...

    def close(self) -> None:
        """Give the descriptor back; never raises, never syncs."""
        ...


class Lock(Protocol):
    """An exclusive lock held on a file; the system drops it when the process dies."""

    def release(self) -> None:
        """Unlock and remove the lock file."""
        ...

    def abandon(self) -> None:
        """Unlock as the system does for a process that dies: the lock file stays."""
        ...


class Files(Protocol):
    """A file system. Paths are absolute strings; every method raises OSError as the system does."""

    def open(self, path: str, *, create: bool = False) -> File:
        """Open for reading and writing; FileNotFoundError unless ``create``."""
        ...

    def exists(self, path: str) -> bool: ...
    def is_directory(self, path: str) -> bool: ...
    def list(self, path: str) -> list[str]:
        """Names in a directory, sorted."""
        ...

    def make_directories(self, path: str) -> None:
        """Create a directory and its parents; no error if it exists."""
        ...

    def rename(self, source: str, target: str) -> None:
        """Atomically, replacing ``target``; durable after ``sync_directory`` of the parent."""
        ...

    def remove(self, path: str) -> None:
        """Unlink a file."""
        ...

    def remove_tree(self, path: str) -> None:
        """Delete a directory and all it holds."""
        ...

    def size(self, path: str) -> int: ...
    def modified_ms(self, path: str) -> int: ...
    def read(self, path: str) -> bytes:
        """The whole content of a small file."""
        ...

    def sync_directory(self, path: str) -> None:
        """Make creations, renames and removals in a directory durable."""
        ...

    async def fsync_directory(self, path: str) -> None:
        """The same without blocking the loop."""
        ...

    async def sync_file_system(self, path: str) -> None:
        """Make everything on the file system of ``path`` durable at once: cheaper than many syncs,
        which then find nothing to do but still have to be made, as only they report errors."""
        ...

    def lock(self, path: str) -> Lock:
        """Take the exclusive lock or raise BlockingIOError."""
        ...

    def free_bytes(self, path: str) -> int:
        """Space left on the file system of ``path``."""
        ...

    def total_bytes(self, path: str) -> int:
        """Size of the file system of ``path``."""
        ...


class Observer(Protocol):
    """Hears what happens: the event timeline, metrics, and the simulator's checkers."""

    def note(self, event: str, /, **fields: object) -> None:
        """One event, a noun or past tense such as ``leader_elected``; fields are plain values."""
        ...


class SilentObserver:
    """Hears nothing."""

    def note(self, event: str, /, **fields: object) -> None:
        return


def no_time_passes() -> float:
    """The stopwatch of a world in which a callback takes no time."""
    return 0.0


def keep_memory() -> None:
    """Where there is nobody to give memory back to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Env:
    """What a node is given instead of the world."""

    clock: Clock
    random: random.Random
    """The only source of randomness; seeded by the system in production."""
    files: Files
    boot_id: str
    """Changes when the machine restarts: tells a killed process (page cache kept) from a machine
    that lost what was not flushed."""
    observer: Observer = field(default_factory=SilentObserver)
    stopwatch: Callable[[], float] = no_time_passes
    """Seconds from any beginning, running on inside a callback (``loop.time()`` may not): only to
    see when work has taken long enough, never for what happens then."""
    entropy: Callable[[int], bytes] | None = None
    """So many bytes that nobody can guess; without it, those of ``random``."""
    give_memory_back: Callable[[], None] = keep_memory
    """Called every second: return freed memory to the system if there is much of it."""

    def secret(self, count: int) -> bytes:
        """``count`` bytes for nonces, salts and keys."""
        return self.random.randbytes(count) if self.entropy is None else self.entropy(count)
