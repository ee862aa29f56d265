"""A host's disk: what programs see (the page cache) and what survives a power loss, apart.

Every change is visible at once and durable later: bytes after ``fsync`` of their file, names after
``sync_directory`` of their directory. A killed process changes nothing here. ``power_loss`` throws
the visible state away and rebuilds it from the durable one, plus a seeded part of what was not yet
synced: all, none, a prefix, or pages of it in any order, the last one torn.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulation.kernel import MILLISECOND, SECOND, Kernel

if TYPE_CHECKING:
    from tests.simulation.loop import SimLoop

PAGE = 4096
WRITEBACK_NS = 30 * SECOND
TRACE_FSYNC, TRACE_POWER_LOSS, TRACE_WRITE = 10, 11, 12


@dataclass(slots=True)
class _Change:
    """One change of a file's content: bytes at an offset, or (data None) a new size."""

    number: int
    time_ns: int
    offset: int
    data: bytes | None

    def apply(self, content: bytearray) -> None:
        end = self.offset + (0 if self.data is None else len(self.data))
        if self.data is None and len(content) > self.offset:
            del content[self.offset :]
        if len(content) < end:
            content.extend(bytes(end - len(content)))
        if self.data is not None:
            content[self.offset : end] = self.data


class Inode:
    """A file's content, visible and durable."""

    def __init__(self) -> None:
        self.visible = bytearray()
        self.durable = bytearray()
        self.pending: list[_Change] = []
        self.modified_ms = 0

    def unsynced_from(self) -> int:
        """The first byte that a loss of power may change; the size if there is none."""
        return min((change.offset for change in self.pending), default=len(self.visible))

    def sync(self, up_to: int) -> None:
        """Make changes numbered below ``up_to`` durable. Only ever adds: a sync that completes
        late finds nothing of its own left to do."""
        kept = 0
        for change in self.pending:
            if change.number >= up_to:
                break
            change.apply(self.durable)
            kept += 1
        del self.pending[:kept]


class Directory:
    """Names, visible and durable."""

    def __init__(self) -> None:
        self.visible: dict[str, Inode | Directory] = {}
        self.durable: dict[str, Inode | Directory] = {}


Node = Inode | Directory
_Entry = tuple[Directory, str, Node | None]


@dataclass(slots=True)
class DiskFault:
    """An operation that fails: ``write``, ``fsync``, ``open`` or ``read``, under a path."""

    operation: str
    path: str = "/"
    errno: int = errno.EIO
    times: int = 1
    """How often; -1 until removed."""


@dataclass(slots=True, kw_only=True)
class DiskSettings:
    """The same for all disks."""

    fsync_ns: int = 2 * MILLISECOND
    fsync_jitter_ns: int = 6 * MILLISECOND
    slow_fsync_probability: float = 0.01
    slow_fsync_ns: int = 400 * MILLISECOND
    capacity_bytes: int = 1 << 30


@dataclass(slots=True)
class Disk:
    """One host's file system."""

    kernel: Kernel
    name: str
    index: int
    settings: DiskSettings = field(default_factory=DiskSettings)
    root: Directory = field(default_factory=Directory)
    faults: list[DiskFault] = field(default_factory=list)
    locks: dict[str, SimLoop] = field(default_factory=dict)
    used_bytes: int = 0
    capacity_bytes: int = 0
    generation: int = 0
    """Counts power losses: handles from before are dead."""
    bindings: int = 0
    """Counts changes of visible names: while it stays, a path leads to the same node."""
    _names: list[list[_Entry]] = field(default_factory=list)
    _number: int = 0
    stream: Any = None

    def __post_init__(self) -> None:
        self.stream = self.kernel.random(f"disk/{self.name}")
        self.capacity_bytes = self.settings.capacity_bytes

    # -- content ---------------------------------------------------------------------------------

    def change(self, inode: Inode, offset: int, data: bytes | None) -> None:
        """Write or truncate, visibly."""
        self._number += 1
        now = self.kernel.now_ns
        before = len(inode.visible)
        change = _Change(self._number, now, offset, data)
        change.apply(inode.visible)
        self.used_bytes += len(inode.visible) - before
        pending = inode.pending
        pending.append(change)
        if now - pending[0].time_ns > WRITEBACK_NS:  # the system writes old pages by itself
            old = next((c.number for c in pending if now - c.time_ns <= WRITEBACK_NS), 0)
            inode.sync(old or self._number + 1)

    def next_number(self) -> int:
        """Above every change made so far."""
        return self._number + 1

    def fsync_time_ns(self) -> int:
        """How long this one takes."""
        settings, drawn = self.settings, self.stream.random()
        if drawn < settings.slow_fsync_probability:
            return settings.slow_fsync_ns
        return settings.fsync_ns + int(drawn * settings.fsync_jitter_ns)

    def fault(self, operation: str, path: str) -> None:
        """Raise the OSError that is planned for this operation, if any."""
        for planned in self.faults:
            if planned.operation == operation and path.startswith(planned.path) and planned.times:
                planned.times -= 1
                raise OSError(planned.errno, errno.errorcode[planned.errno], path)

    # -- names -----------------------------------------------------------------------------------

    def find(self, path: str) -> Node | None:
        """The file or directory of a path, or None."""
        node: Node = self.root
        for part in _parts(path):
            if not isinstance(node, Directory):
                return None
            found = node.visible.get(part)
            if found is None:
                return None
            node = found
        return node

    def find_durable(self, path: str) -> Directory | None:
        """The directory of a path if all of its names are durable."""
        node: Node = self.root
        for part in _parts(path):
            if not isinstance(node, Directory):
                return None
            found = node.visible.get(part)
            if found is None or node.durable.get(part) is not found:
                return None
            node = found
        return node if isinstance(node, Directory) else None

    def parent(self, path: str) -> tuple[Directory, str]:
        """The directory that holds a path, and the name in it. Raises FileNotFoundError."""
        parts = _parts(path)
        node = self.find("/".join(parts[:-1]))
        if not parts or not isinstance(node, Directory):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return node, parts[-1]

    def bind(self, *entries: _Entry) -> None:
        """Change names, all or none; visible now, durable after a sync of their directories."""
        self.bindings += 1
        for directory, name, node in entries:
            if node is None:
                del directory.visible[name]
            else:
                directory.visible[name] = node
        self._names.append(list(entries))

    def sync_names(self, directory: Directory) -> None:
        """Make the changes of a directory durable, with the earlier ones that they rest on."""
        touched: list[Directory] = [directory]
        later: list[list[_Entry]] = []
        chosen: list[list[_Entry]] = []
        for change in reversed(self._names):
            if any(entry[0] is known for entry in change for known in touched):
                chosen.append(change)
                touched.extend(entry[0] for entry in change)
            else:
                later.append(change)
        self._names = later[::-1]
        for change in reversed(chosen):
            _make_durable(change)

    def pending_names(self) -> int:
        """How many changes of names are not durable."""
        return len(self._names)

    def sync_all(self, up_to: int, names: int) -> None:
        """Make all content changes below ``up_to`` durable, and the first ``names`` of names."""
        self._sync_content(self.root, up_to)
        for change in self._names[:names]:
            _make_durable(change)
        del self._names[:names]

    def _sync_content(self, directory: Directory, up_to: int) -> None:
        for name in sorted(directory.visible):
            node = directory.visible[name]
            if isinstance(node, Directory):
                self._sync_content(node, up_to)
            else:
                node.sync(up_to)

    # -- catastrophes ----------------------------------------------------------------------------

    def power_loss(self) -> None:
        """Keep what was durable and a seeded part of the rest."""
        stream = self.stream
        self.kernel.trace.add(TRACE_POWER_LOSS, self.index, len(self._names))
        self.generation += 1
        self.bindings += 1
        self.locks.clear()
        kept = stream.choice([0, len(self._names), stream.randint(0, len(self._names))])
        for change in self._names[:kept]:
            _make_durable(change)
        self._names.clear()
        self.used_bytes = 0
        self._revive(self.root)

    def _revive(self, directory: Directory) -> None:
        for name in sorted(directory.durable):
            node = directory.durable[name]
            if isinstance(node, Directory):
                self._revive(node)
            else:
                self._tear(node)
                self.used_bytes += len(node.visible)
        directory.visible = dict(directory.durable)

    def _tear(self, inode: Inode) -> None:
        """What of a file's unsynced changes reached the platter: nothing, everything, a prefix with
        the last change cut anywhere, or any of their pages."""
        stream, pending = self.stream, inode.pending
        if pending:
            mode = stream.choice(("none", "all", "prefix", "prefix", "pages"))
            if mode == "all":
                inode.sync(self.next_number())
            elif mode == "prefix":
                whole = stream.randrange(len(pending))
                for change in pending[:whole]:
                    change.apply(inode.durable)
                torn = pending[whole]
                if torn.data:
                    cut = torn.data[: stream.randrange(len(torn.data) + 1)]
                    _Change(0, 0, torn.offset, cut).apply(inode.durable)
            elif mode == "pages":
                self._tear_pages(inode)
        inode.pending.clear()
        inode.visible = bytearray(inode.durable)

    def _tear_pages(self, inode: Inode) -> None:
        for change in inode.pending:
            if change.data is None:
                continue
            for start in range(0, len(change.data), PAGE):
                if self.stream.random() < 0.5:
                    piece = change.data[start : start + PAGE]
                    _Change(0, 0, change.offset + start, piece).apply(inode.durable)

    def flip_bit(self, path: str) -> int:
        """Corrupt one bit of a file, on the platter and in the cache; where."""
        inode = self.find(path)
        if not isinstance(inode, Inode) or not inode.visible:
            return -1
        position = self.stream.randrange(len(inode.visible))
        mask = 1 << self.stream.randrange(8)
        inode.visible[position] ^= mask
        if position < len(inode.durable):
            inode.durable[position] ^= mask
        return int(position)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part and part != "."]


def _make_durable(change: list[_Entry]) -> None:
    for directory, name, node in change:
        if node is None:
            directory.durable.pop(name, None)
        else:
            directory.durable[name] = node


def no_space(path: str) -> OSError:
    """ENOSPC for a path."""
    return OSError(errno.ENOSPC, "No space left on device", path)


__all__ = ["Directory", "Disk", "DiskFault", "DiskSettings", "Inode", "no_space"]
