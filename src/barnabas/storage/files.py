"""The edge to the file system: ``OperatingSystemFiles`` behind ``seams.Files``.

Reads and writes happen on the loop (they hit the page cache). A sync never does, nor does the
removal of what may be large. A sync runs in one worker thread, and whoever asks for a sync of a
file while one is running shares the next with everybody else who asks meanwhile (group commit).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from barnabas.types import Buffer

IOV_MAX = 1024
"""Buffers one ``pwritev`` takes on Linux."""

READ_CHUNK_BYTES = 1024 * 1024


class Worker:
    """Runs blocking calls one after the other in a thread of its own."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._executor: ThreadPoolExecutor | None = None

    def submit(self, work: Callable[[], None]) -> Future[None]:
        """Queue one call."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix=self._name)
        return self._executor.submit(work)

    def close(self) -> None:
        """Let queued calls finish and end the thread."""
        if self._executor is not None:
            self._executor.shutdown(wait=True)
            self._executor = None


class OperatingSystemFile:
    """One open file; the end of the file is tracked, so appending is a single system call."""

    __slots__ = ("_close_wanted", "_descriptor", "_end", "_syncer", "_syncing", "_waiters")

    def __init__(self, descriptor: int, syncer: Worker) -> None:
        self._descriptor = descriptor
        self._end = os.fstat(descriptor).st_size
        self._syncer = syncer
        self._syncing = False
        self._close_wanted = False
        self._waiters: list[asyncio.Future[None]] = []

    def append(self, buffers: Sequence[Buffer]) -> int:
        """Write all buffers at the end of the file as last known."""
        start = self._end
        if len(buffers) == 1:
            total = len(buffers[0])
            written = os.pwrite(self._descriptor, buffers[0], start)
        else:
            total = sum(map(len, buffers))
            written = os.pwritev(self._descriptor, buffers[:IOV_MAX], start)
        if written < total:
            self._append_rest(buffers, start, written)
        self._end = start + total
        return total

    def _append_rest(self, buffers: Sequence[Buffer], position: int, written: int) -> None:
        """Finish a write that the system cut short (a full disk, a signal, too many buffers)."""
        for buffer in buffers:
            skip = min(written, len(buffer))
            written -= skip
            position += skip
            if skip < len(buffer):
                self.pwrite(memoryview(buffer)[skip:], position)
                position += len(buffer) - skip

    def pread(self, length: int, offset: int) -> bytes:
        return os.pread(self._descriptor, length, offset)

    def pwrite(self, data: Buffer, offset: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, offset)
            view = view[written:]
            offset += written
        self._end = max(self._end, offset)

    def truncate(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)
        self._end = size

    def size(self) -> int:
        return self._end

    async def fsync(self) -> None:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.append(waiter)
        if not self._syncing:
            self._begin_sync(loop)
        await waiter

    def _begin_sync(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._waiters = self._waiters, []
        self._syncing = True
        work = self._syncer.submit(self.fsync_blocking)

        def done(job: Future[None]) -> None:
            # The loop may be gone when a process is torn down in the middle of a sync.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._end_sync, loop, batch, job.exception())

        work.add_done_callback(done)

    def _end_sync(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: list[asyncio.Future[None]],
        error: BaseException | None,
    ) -> None:
        self._syncing = False
        for waiter in batch:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)
        if self._waiters:
            self._begin_sync(loop)
        elif self._close_wanted:
            self._close_now()

    def fsync_blocking(self) -> None:
        # Length changes are covered by fdatasync; only access times are not.
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        # The number of a closed descriptor may be given to another file at once: wait for the sync.
        if self._syncing:
            self._close_wanted = True
        else:
            self._close_now()

    def _close_now(self) -> None:
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1


class OperatingSystemLock:
    """A lock on a file, in both of Unix's ways: ``lockf`` is the one Java takes, ``flock`` also
    keeps two brokers of one process apart."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise BlockingIOError(f"{path} is locked by another process") from None

    def release(self) -> None:
        if self._descriptor >= 0:
            with contextlib.suppress(FileNotFoundError):
                os.remove(self._path)
            self.abandon()

    def abandon(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class OperatingSystemFiles:
    """The real file system."""

    def __init__(self) -> None:
        self._syncer = Worker("barnabas-sync")
        self._remover = Worker("barnabas-remove")  # an acknowledgement may wait for a sync

    def close(self) -> None:
        """End the threads; files stay usable except for ``fsync`` and ``remove_aside``."""
        self._syncer.close()
        self._remover.close()

    def open(self, path: str, *, create: bool = False) -> OperatingSystemFile:
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        return OperatingSystemFile(os.open(path, flags, 0o644), self._syncer)

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def is_directory(self, path: str) -> bool:
        return os.path.isdir(path)

    def list(self, path: str) -> list[str]:
        return sorted(os.listdir(path))

    def make_directories(self, path: str) -> None:
        try:
            os.mkdir(path)  # a partition's: all above it is there
        except OSError:
            os.makedirs(path, exist_ok=True)

    def rename(self, source: str, target: str) -> None:
        os.replace(source, target)

    def remove(self, path: str) -> None:
        os.remove(path)

    def remove_tree(self, path: str) -> None:
        shutil.rmtree(path)

    async def remove_aside(self, path: str) -> None:
        remove = self.remove_tree if self.is_directory(path) else self.remove
        await asyncio.wrap_future(self._remover.submit(lambda: remove(path)))

    def size(self, path: str) -> int:
        return os.stat(path).st_size

    def modified_ms(self, path: str) -> int:
        return os.stat(path).st_mtime_ns // 1_000_000

    def read(self, path: str) -> bytes:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            pieces = []
            while piece := os.read(descriptor, READ_CHUNK_BYTES):
                pieces.append(piece)
            return b"".join(pieces)
        finally:
            os.close(descriptor)

    def sync_directory(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    async def fsync_directory(self, path: str) -> None:
        """``sync_directory`` in the worker thread."""
        await asyncio.wrap_future(self._syncer.submit(lambda: self.sync_directory(path)))

    async def sync_file_system(self, path: str) -> None:
        await asyncio.wrap_future(self._syncer.submit(lambda: _sync_file_system(path)))

    def lock(self, path: str) -> OperatingSystemLock:
        return OperatingSystemLock(path)

    def free_bytes(self, path: str) -> int:
        status = os.statvfs(path)
        return status.f_bavail * status.f_frsize

    def total_bytes(self, path: str) -> int:
        status = os.statvfs(path)
        return status.f_blocks * status.f_frsize


def _sync_file_system(path: str) -> None:
    """Linux's ``syncfs``, which Python does not offer; elsewhere all file systems."""
    try:
        syncfs = ctypes.CDLL(None).syncfs
    except (AttributeError, OSError):
        os.sync()
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        syncfs(descriptor)
    finally:
        os.close(descriptor)
