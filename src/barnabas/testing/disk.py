"""A node's file system in a test cluster. It can be full, and fails after its node was killed."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from barnabas.seams import File, Files, Lock
from barnabas.types import Buffer


class Disk:
    """The state of a node's disk that a test may change. It stays when the node is restarted."""

    def __init__(self) -> None:
        self.is_full = False


class NodeFiles:
    """``seams.Files`` for one life of a node: from a start to its end. The files below stay."""

    def __init__(self, files: Files, disk: Disk) -> None:
        self._files = files
        self.disk = disk
        self.is_dead = False
        self._open: dict[NodeFile, None] = {}
        self._locks: dict[NodeLock, None] = {}

    def die(self) -> None:
        """End this life as the system does for a killed process: close its files and drop its
        locks. Code of it that still runs cannot reach the disk."""
        self.is_dead = True
        for file in list(self._open):
            file.inner.close()
        for lock in list(self._locks):
            lock.inner.abandon()

    def check(self, path: str = "") -> None:
        """Raises OSError if this life has ended."""
        if self.is_dead:
            raise OSError(errno.EIO, "the process was killed", path)

    def check_room(self, path: str = "") -> None:
        """``check``, which also raises OSError if the disk is full."""
        self.check(path)
        if self.disk.is_full:
            raise OSError(errno.ENOSPC, "No space left on device", path)

    def forget(self, file: NodeFile) -> None:
        self._open.pop(file, None)

    def unlocked(self, lock: NodeLock) -> None:
        self._locks.pop(lock, None)

    def open(self, path: str, *, create: bool = False) -> NodeFile:
        self.check(path)
        if create and not self._files.exists(path):
            self.check_room(path)
        file = NodeFile(self._files.open(path, create=create), self)
        self._open[file] = None
        return file

    def exists(self, path: str) -> bool:
        return self._files.exists(path)

    def is_directory(self, path: str) -> bool:
        return self._files.is_directory(path)

    def list(self, path: str) -> list[str]:
        return self._files.list(path)

    def make_directories(self, path: str) -> None:
        self.check(path)
        if not self._files.exists(path):
            self.check_room(path)
        self._files.make_directories(path)

    def rename(self, source: str, target: str) -> None:
        self.check(source)
        self._files.rename(source, target)

    def remove(self, path: str) -> None:
        self.check(path)
        self._files.remove(path)

    def remove_tree(self, path: str) -> None:
        self.check(path)
        self._files.remove_tree(path)

    async def remove_aside(self, path: str) -> None:
        self.check(path)
        await self._files.remove_aside(path)

    def size(self, path: str) -> int:
        return self._files.size(path)

    def modified_ms(self, path: str) -> int:
        return self._files.modified_ms(path)

    def read(self, path: str) -> bytes:
        self.check(path)
        return self._files.read(path)

    def sync_directory(self, path: str) -> None:
        self.check(path)
        self._files.sync_directory(path)

    async def fsync_directory(self, path: str) -> None:
        self.check(path)
        await self._files.fsync_directory(path)

    async def sync_file_system(self, path: str) -> None:
        self.check(path)
        await self._files.sync_file_system(path)

    def lock(self, path: str) -> NodeLock:
        self.check(path)
        lock = NodeLock(self._files.lock(path), self)
        self._locks[lock] = None
        return lock

    def free_bytes(self, path: str) -> int:
        return 0 if self.disk.is_full else self._files.free_bytes(path)

    def total_bytes(self, path: str) -> int:
        return self._files.total_bytes(path)


class NodeFile:
    """An open file of one life."""

    __slots__ = ("_owner", "inner")

    def __init__(self, inner: File, owner: NodeFiles) -> None:
        self.inner = inner
        self._owner = owner

    def append(self, buffers: Sequence[Buffer]) -> int:
        self._owner.check_room()
        return self.inner.append(buffers)

    def pread(self, length: int, offset: int) -> bytes:
        self._owner.check()
        return self.inner.pread(length, offset)

    def pwrite(self, data: Buffer, offset: int) -> None:
        self._owner.check_room()
        self.inner.pwrite(data, offset)

    def truncate(self, size: int) -> None:
        self._owner.check()
        self.inner.truncate(size)

    def size(self) -> int:
        return self.inner.size()

    async def fsync(self) -> None:
        self._owner.check()
        await self.inner.fsync()

    def fsync_blocking(self) -> None:
        self._owner.check()
        self.inner.fsync_blocking()

    def close(self) -> None:
        if not self._owner.is_dead:
            self._owner.forget(self)
            self.inner.close()


class NodeLock:
    """A lock of one life."""

    __slots__ = ("_owner", "inner")

    def __init__(self, inner: Lock, owner: NodeFiles) -> None:
        self.inner = inner
        self._owner = owner

    def release(self) -> None:
        if not self._owner.is_dead:
            self._owner.unlocked(self)
            self.inner.release()

    def abandon(self) -> None:
        self.inner.abandon()
