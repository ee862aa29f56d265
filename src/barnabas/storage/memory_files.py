"""``MemoryFiles``: a file system that lives and dies with the process, for tests and for clusters
that keep nothing."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from barnabas.types import Buffer

CAPACITY_BYTES = 1 << 40


class MemoryFile:
    """An open file: a shared bytearray that outlives renames and removal, as on a real system."""

    __slots__ = ("content",)

    def __init__(self, content: bytearray) -> None:
        self.content = content

    def append(self, buffers: Sequence[Buffer]) -> int:
        before = len(self.content)
        for buffer in buffers:
            self.content += buffer
        return len(self.content) - before

    def pread(self, length: int, offset: int) -> bytes:
        return bytes(memoryview(self.content)[offset : offset + length])

    def pwrite(self, data: Buffer, offset: int) -> None:
        if offset > len(self.content):
            self.content += bytes(offset - len(self.content))
        self.content[offset : offset + len(data)] = data

    def truncate(self, size: int) -> None:
        if size < len(self.content):
            del self.content[size:]
        else:
            self.content += bytes(size - len(self.content))

    def size(self) -> int:
        return len(self.content)

    async def fsync(self) -> None:
        return

    def fsync_blocking(self) -> None:
        return

    def close(self) -> None:
        return


class MemoryLock:
    """A held lock file."""

    def __init__(self, files: MemoryFiles, path: str) -> None:
        self._files = files
        self._path = path

    def release(self) -> None:
        self.abandon()
        self._files.files.pop(self._path, None)

    def abandon(self) -> None:
        self._files.locked.pop(self._path, None)


class MemoryFiles:
    """Directories and files by absolute path; parents must exist, as on a real system."""

    def __init__(self, now_ms: int = 0) -> None:
        self.files: dict[str, bytearray] = {}
        self.directories: dict[str, None] = {"/": None}
        self.locked: dict[str, None] = {}
        self._now_ms = now_ms

    def open(self, path: str, *, create: bool = False) -> MemoryFile:
        content = self.files.get(path)
        if content is None:
            if not create or path.rpartition("/")[0] not in self.directories:
                raise FileNotFoundError(errno.ENOENT, "no such file", path)
            content = self.files[path] = bytearray()
        return MemoryFile(content)

    def exists(self, path: str) -> bool:
        return path in self.files or path in self.directories

    def is_directory(self, path: str) -> bool:
        return path in self.directories

    def list(self, path: str) -> list[str]:
        if path not in self.directories:
            raise FileNotFoundError(errno.ENOENT, "no such directory", path)
        prefix = path.rstrip("/") + "/"
        names = [*self.files, *self.directories]
        inside = (name[len(prefix) :] for name in names if name.startswith(prefix))
        return sorted(name for name in inside if name and "/" not in name)

    def make_directories(self, path: str) -> None:
        while path and path not in self.directories:
            self.directories[path] = None
            path = path.rpartition("/")[0]

    def rename(self, source: str, target: str) -> None:
        if source in self.files:
            self.files[target] = self.files.pop(source)
            return
        if source not in self.directories:
            raise FileNotFoundError(errno.ENOENT, "no such file", source)
        inside = source + "/"
        for name in [n for n in self.files if n.startswith(inside)]:
            self.files[target + name[len(source) :]] = self.files.pop(name)
        for name in [n for n in self.directories if n == source or n.startswith(inside)]:
            self.directories[target + name[len(source) :]] = self.directories.pop(name)

    def remove(self, path: str) -> None:
        if path not in self.files:
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        del self.files[path]

    def remove_tree(self, path: str) -> None:
        if path not in self.directories:
            raise FileNotFoundError(errno.ENOENT, "no such directory", path)
        for name in [n for n in self.files if n.startswith(path + "/")]:
            del self.files[name]
        for name in [n for n in self.directories if n == path or n.startswith(path + "/")]:
            del self.directories[name]

    async def remove_aside(self, path: str) -> None:
        if self.is_directory(path):
            self.remove_tree(path)
        else:
            self.remove(path)

    def size(self, path: str) -> int:
        return len(self._content(path))

    def modified_ms(self, path: str) -> int:
        self._content(path)
        return self._now_ms

    def read(self, path: str) -> bytes:
        return bytes(self._content(path))

    def _content(self, path: str) -> bytearray:
        content = self.files.get(path)
        if content is None:
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        return content

    def sync_directory(self, path: str) -> None:
        return

    async def fsync_directory(self, path: str) -> None:
        return

    async def sync_file_system(self, path: str) -> None:
        return

    def lock(self, path: str) -> MemoryLock:
        if path in self.locked:
            raise BlockingIOError(errno.EAGAIN, "locked", path)
        self.locked[path] = None
        self.files.setdefault(path, bytearray())
        return MemoryLock(self, path)

    def free_bytes(self, path: str) -> int:
        return CAPACITY_BYTES

    def total_bytes(self, path: str) -> int:
        return CAPACITY_BYTES
