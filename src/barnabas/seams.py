"""Interfaces to the outside world: clock, randomness, files. Everything else of it is forbidden.

A broker, a coordinator or a client is ``async def main(env: Env)``. It gets the time of day,
randomness and disks only through ``Env``. The network is the plain asyncio loop
(``loop.create_server``, ``loop.create_connection``), and intervals are measured by ``loop.time()``.
The simulator replaces all of them, so the same code runs in virtual time and on disks that lose
data.

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
        """Write all buffers at the end; returns the number of bytes. After an error the end of the
        file is undefined: the caller must truncate the file or stop using it."""
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
        """Close the file. It never raises and never syncs."""
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

    async def remove_aside(self, path: str) -> None:
        """``remove``, or ``remove_tree`` of a directory, without blocking the loop: the system
        takes 0.3 s to let go of a gigabyte that is in memory."""
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
        """Make everything on the file system of ``path`` durable at once. This makes many syncs
        cheap, but does not replace them: only a sync of its own reports a file's errors."""
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
    """Is told of events, for the event timeline, metrics and the simulator's checkers."""

    def note(self, event: str, /, **fields: object) -> None:
        """One event, a noun or past tense such as ``leader_elected``; fields are plain values."""
        ...


class SilentObserver:
    """Ignores all events."""

    hears_steps = False

    def note(self, event: str, /, **fields: object) -> None:
        return


def hears_steps(observer: Observer) -> bool:
    """Whether it wants to be told what happens with every batch of records as well. An observer
    that says nothing of it (``hears_steps``) does."""
    return bool(getattr(observer, "hears_steps", True))


def no_time_passes() -> float:
    """A stopwatch that does not move, as in the simulator."""
    return 0.0


def no_classes(name: str) -> object:
    """There are no plug-ins."""
    raise ImportError(f"nothing is imported here, so there is no {name}")


def keep_memory(at_rest: bool) -> None:
    """Does nothing: freed memory is not returned to the system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Env:
    """All that a node may use of the outside world, apart from the event loop."""

    clock: Clock
    random: random.Random
    """The only source of randomness; seeded by the system in production."""
    files: Files
    boot_id: str
    """Changes when the machine restarts. After a killed process the page cache is still there;
    after a restart of the machine everything that was not flushed is lost."""
    observer: Observer = field(default_factory=SilentObserver)
    stopwatch: Callable[[], float] = no_time_passes
    """Seconds from any beginning, which go on during a callback (``loop.time()`` may not). It may
    only decide when long work pauses, never what the work does."""
    entropy: Callable[[int], bytes] | None = None
    """Gives the asked number of bytes that nobody can guess; None: take them from ``random``."""
    find_class: Callable[[str], object] = no_classes
    """Gives what a plug-in's setting names as ``package.module.ClassName``; it should be a class.
    Raises ImportError if the module cannot be found, AttributeError if it has no such name, and
    whatever importing it raises."""
    give_memory_back: Callable[[bool], None] = keep_memory
    """Called every second to return freed memory to the system if there is much of it. The argument
    says whether little is held for clients now."""

    def secret(self, count: int) -> bytes:
        """``count`` bytes for nonces, salts and keys."""
        return self.random.randbytes(count) if self.entropy is None else self.entropy(count)
