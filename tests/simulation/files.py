"""``seams.Files`` on a simulated disk, for one process incarnation."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tests.simulation.disk import TRACE_FSYNC, Directory, Disk, Inode, no_space

from barnabas.types import Buffer

if TYPE_CHECKING:
    from tests.simulation.nodes import Host, Process


class SimFile:
    """An open file."""

    def __init__(self, files: SimFiles, path: str, inode: Inode) -> None:
        self._files = files
        self._disk = files.disk
        self._path = path
        self._inode = inode
        self._generation = files.disk.generation
        self._closed = False

    def append(self, buffers: Sequence[Buffer]) -> int:
        """Write all buffers at the end; a full disk takes a part of them."""
        data = b"".join(buffers)
        self._write(data, len(self._inode.visible))
        return len(data)

    def pwrite(self, data: Buffer, offset: int) -> None:
        self._write(bytes(data), offset)

    def _write(self, data: bytes, offset: int) -> None:
        self._check()
        disk = self._disk
        disk.fault("write", self._path)
        grown = offset + len(data) - len(self._inode.visible)
        space = disk.capacity_bytes - disk.used_bytes
        if grown > space:
            fitting = max(0, len(data) - (grown - space))
            if fitting:
                disk.change(self._inode, offset, data[:fitting])
            raise no_space(self._path)
        disk.change(self._inode, offset, data)
        self._inode.modified_ms = self._files.host.wall_ms()

    def pread(self, length: int, offset: int) -> bytes:
        self._check()
        self._disk.fault("read", self._path)
        return bytes(self._inode.visible[offset : offset + length])

    def truncate(self, size: int) -> None:
        self._check()
        self._disk.fault("write", self._path)
        self._disk.change(self._inode, size, None)

    def size(self) -> int:
        self._check()
        return len(self._inode.visible)

    async def fsync(self) -> None:
        """Takes its time; covers what was written before the call, whenever it completes."""
        self._check()
        future = asyncio.get_running_loop().create_future()
        disk, generation = self._disk, self._generation
        up_to = disk.next_number()

        def complete(_: None) -> None:
            disk.kernel.trace.add(TRACE_FSYNC, disk.index, len(self._inode.visible))
            if disk.generation != generation:
                return  # the machine lost power meanwhile
            try:
                self._sync(up_to)
            except OSError as error:
                if not future.done():
                    future.set_exception(error)
                return
            if not future.done():
                future.set_result(None)

        disk.kernel.after(disk.fsync_time_ns(), complete)
        await future

    def fsync_blocking(self) -> None:
        self._check()
        self._files.block()
        self._sync(self._disk.next_number())

    def _sync(self, up_to: int) -> None:
        """An fsync that fails forgets that the pages were dirty: the next one succeeds without
        them, as on Linux."""
        try:
            self._disk.fault("fsync", self._path)
        except OSError:
            pending = self._inode.pending
            self._inode.pending = [c for c in pending if c.number >= up_to]
            raise
        self._inode.sync(up_to)

    def close(self) -> None:
        self._closed = True

    def _check(self) -> None:
        if self._closed or self._disk.generation != self._generation:
            raise OSError(errno.EBADF, "Bad file descriptor", self._path)


class SimLock:
    """An exclusive lock; gone with its process."""

    def __init__(self, files: SimFiles, path: str) -> None:
        self._files = files
        self._path = path

    def release(self) -> None:
        """Unlock and remove the lock file."""
        if self._files.disk.locks.pop(self._path, None) is not None:
            self._files.remove(self._path)

    def abandon(self) -> None:
        """Unlock; the file stays."""
        self._files.disk.locks.pop(self._path, None)


class SimFiles:
    """``seams.Files`` of one process."""

    def __init__(self, process: Process) -> None:
        self.host: Host = process.host
        self.disk: Disk = process.host.disk
        self._process = process

    def block(self) -> None:
        """A blocking fsync holds its loop."""
        cost = self.disk.fsync_time_ns()
        if self._process.loop.cpu is not None:
            self._process.loop.occupy(cost)

    def open(self, path: str, *, create: bool = False) -> SimFile:
        self.disk.fault("open", path)
        node = self.disk.find(path)
        if isinstance(node, Directory):
            raise IsADirectoryError(errno.EISDIR, "Is a directory", path)
        if node is None:
            directory, name = self.disk.parent(path)
            if not create:
                raise _missing(path)
            node = Inode()
            node.modified_ms = self.host.wall_ms()
            self.disk.bind((directory, name, node))
        return SimFile(self, path, node)

    def exists(self, path: str) -> bool:
        return self.disk.find(path) is not None

    def is_directory(self, path: str) -> bool:
        return isinstance(self.disk.find(path), Directory)

    def list(self, path: str) -> list[str]:
        self.disk.fault("open", path)
        return sorted(self._directory(path).visible)

    def make_directories(self, path: str) -> None:
        self.disk.fault("open", path)
        directory = self.disk.root
        for part in [part for part in path.split("/") if part]:
            node = directory.visible.get(part)
            if node is None:
                node = Directory()
                self.disk.bind((directory, part, node))
            if not isinstance(node, Directory):
                raise FileExistsError(errno.EEXIST, "File exists", path)
            directory = node

    def rename(self, source: str, target: str) -> None:
        self.disk.fault("write", source)
        node = self._node(source)
        here, name = self.disk.parent(source)
        there, new_name = self.disk.parent(target)
        replaced = there.visible.get(new_name)
        if isinstance(replaced, Directory) and replaced.visible:
            raise OSError(errno.ENOTEMPTY, "Directory not empty", target)
        if replaced is node:
            return
        self._release_space(replaced)
        self.disk.bind((there, new_name, node), (here, name, None))

    def remove(self, path: str) -> None:
        self.disk.fault("write", path)
        node = self._node(path)
        if isinstance(node, Directory):
            raise IsADirectoryError(errno.EISDIR, "Is a directory", path)
        directory, name = self.disk.parent(path)
        self._release_space(node)
        self.disk.bind((directory, name, None))

    def remove_tree(self, path: str) -> None:
        node = self._directory(path)
        for name in sorted(node.visible):
            child = f"{path}/{name}"
            if self.is_directory(child):
                self.remove_tree(child)
            else:
                self.remove(child)
        directory, name = self.disk.parent(path)
        self.disk.bind((directory, name, None))

    async def remove_aside(self, path: str) -> None:
        if self.is_directory(path):
            self.remove_tree(path)
        else:
            self.remove(path)

    def size(self, path: str) -> int:
        return len(self._inode(path).visible)

    def modified_ms(self, path: str) -> int:
        return self._inode(path).modified_ms

    def read(self, path: str) -> bytes:
        self.disk.fault("read", path)
        return bytes(self._inode(path).visible)

    def sync_directory(self, path: str) -> None:
        self.disk.fault("fsync", path)
        self.block()
        self.disk.sync_names(self._directory(path))

    async def fsync_directory(self, path: str) -> None:
        """The same without blocking the loop."""
        directory, generation = self._directory(path), self.disk.generation
        await asyncio.sleep(self.disk.fsync_time_ns() / 1e9)
        if self.disk.generation == generation:
            self.disk.fault("fsync", path)
            self.disk.sync_names(directory)

    async def sync_file_system(self, path: str) -> None:
        """Everything on this disk that was written before the call."""
        disk, generation = self.disk, self.disk.generation
        up_to, names = disk.next_number(), disk.pending_names()
        await asyncio.sleep(disk.fsync_time_ns() / 1e9)
        if disk.generation == generation:
            disk.fault("fsync", path)
            disk.sync_all(up_to, names)

    def lock(self, path: str) -> SimLock:
        holder = self.disk.locks.get(path)
        if holder is not None and not holder.dead:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable", path)
        self.open(path, create=True).close()
        self.disk.locks[path] = self._process.loop
        return SimLock(self, path)

    def free_bytes(self, path: str) -> int:
        return max(0, self.disk.capacity_bytes - self.disk.used_bytes)

    def total_bytes(self, path: str) -> int:
        return self.disk.capacity_bytes

    def _node(self, path: str) -> Inode | Directory:
        node = self.disk.find(path)
        if node is None:
            raise _missing(path)
        return node

    def _directory(self, path: str) -> Directory:
        node = self._node(path)
        if not isinstance(node, Directory):
            raise NotADirectoryError(errno.ENOTDIR, "Not a directory", path)
        return node

    def _inode(self, path: str) -> Inode:
        node = self._node(path)
        if isinstance(node, Directory):
            raise IsADirectoryError(errno.EISDIR, "Is a directory", path)
        return node

    def _release_space(self, node: Inode | Directory | None) -> None:
        if isinstance(node, Inode):
            self.disk.used_bytes -= len(node.visible)


def _missing(path: str) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, "No such file or directory", path)
