"""What is in the logs of all replicas, read from the simulated disks behind the brokers' backs."""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Callable
from typing import NamedTuple

from tests.simulation.disk import Directory, Disk, Inode

from barnabas.records.batch import iterate_batches, iterate_records
from barnabas.types import TopicPartition

_HEADER = struct.Struct(
    ">qiibIhi"
)  # base offset, length, epoch, magic, crc, attributes, last delta
_LENGTH_BYTES = 12


class Batch(NamedTuple):
    """One record batch, as far as copies of it must agree."""

    base: int
    last: int
    epoch: int
    crc: int

    def __str__(self) -> str:
        return f"{self.base}-{self.last}@{self.epoch}#{self.crc:08x}"


class ShadowLog:
    """One replica's batches; ``refresh`` reads what was appended since the last look. What has been
    read is remembered when retention or the cleaner removes it, until ``forget``."""

    def __init__(self, disk: Disk, path: str) -> None:
        self.batches: list[Batch] = []
        self._ends: list[int] = []
        """Where each of them ends in its file."""
        self._all_durable = ""
        """Segments before this one are known to be durable as a whole."""
        self.verified = 0
        """How many of the committed ones are known to be among them."""
        self.start = 0
        """Nothing below was there when we began to read."""
        self.oldest = 0
        """Where the oldest segment begins now."""
        self._disk = disk
        self._path = path
        self._segment = ""
        self._inode: Inode | None = None
        self._position = 0
        self._bindings = -1
        """Of the disk, when the segments were looked up last."""

    @property
    def end(self) -> int:
        """One past the last offset."""
        return self.batches[-1].last + 1 if self.batches else self.start

    @property
    def active(self) -> int:
        """Where the newest segment begins, which the cleaner leaves alone."""
        return _base(self._segment) if self._segment else 0

    def forget(self) -> None:
        """Read everything anew."""
        self.batches, self._ends, self.verified = [], [], 0
        self._all_durable = ""
        self._segment, self._inode, self._position = "", None, 0

    def refresh(self, heard: Callable[[Batch], None]) -> None:
        """Read on; ``heard`` is told of each batch in turn."""
        last = self._inode
        if self._bindings == self._disk.bindings and last is not None:
            if len(last.visible) == self._position:
                return  # nothing has changed, as most times
            if len(last.visible) > self._position:
                self._read(last.visible, heard)
                return
        self._bindings = self._disk.bindings
        directory = self._disk.find(self._path)
        if not isinstance(directory, Directory):
            self.forget()
            return
        names = sorted(name for name in directory.visible if name.endswith(".log"))
        segments = {name: directory.visible[name] for name in names}
        at = segments.get(self._segment)
        if self._segment and (
            at is not self._inode or not isinstance(at, Inode) or len(at.visible) < self._position
        ):
            self.forget()
        if names:
            self.oldest = _base(names[0])
            self.start = self.start if self._segment else self.oldest
        for name in names:
            inode = segments[name]
            if name < self._segment or not isinstance(inode, Inode):
                continue
            if name != self._segment:
                self._segment, self._inode, self._position = name, inode, 0
            self._read(inode.visible, heard)

    def _read(self, content: bytearray, heard: Callable[[Batch], None]) -> None:
        position, size = self._position, len(content)
        while position + _HEADER.size <= size:
            base, length, epoch, _, crc, _, delta = _HEADER.unpack_from(content, position)
            if length <= 0 or position + _LENGTH_BYTES + length > size:
                break
            batch = Batch(base, base + delta, epoch, crc)
            self.batches.append(batch)
            position += _LENGTH_BYTES + length
            self._ends.append(position)
            heard(batch)
        self._position = position

    def is_durable(self, offset: int) -> bool:
        """Whether every batch below ``offset``, as far as it was read, would outlive a loss of
        power: its bytes, the name of its file, and those of the directories above."""
        at = bisect_left(self.batches, (offset,)) - 1
        if at < 0 or self._disk.find(self._path) is None:
            return True  # nothing was read, or the replica is deleted
        directory = self._disk.find_durable(self._path)
        if directory is None:
            return False
        last, end = self.batches[at].base, self._ends[at]
        holding = [n for n in directory.visible if n.endswith(".log") and _base(n) <= last]
        for name in sorted(name for name in holding if name >= self._all_durable):
            inode = directory.visible[name]
            if directory.durable.get(name) is not inode or not isinstance(inode, Inode):
                return False
            wanted = end if name == max(holding) else len(inode.visible)
            if inode.unsynced_from() < wanted:
                return False
            self._all_durable = name
        return True

    def latest(self) -> dict[bytes, tuple[int, bytes | None]]:
        """What the files say now: key -> (offset, value) of its newest record."""
        found: dict[bytes, tuple[int, bytes | None]] = {}
        directory = self._disk.find(self._path)
        names = sorted(directory.visible) if isinstance(directory, Directory) else []
        for name in names:
            inode = directory.visible[name] if isinstance(directory, Directory) else None
            if not name.endswith(".log") or not isinstance(inode, Inode):
                continue
            view = memoryview(bytes(inode.visible))
            for header, position, _ in iterate_batches(view):
                for record in () if header.is_control else iterate_records(view, position):
                    value = None if record.value is None else bytes(record.value)
                    found[bytes(record.key or b"")] = (record.offset, value)
        return found


def _base(segment: str) -> int:
    return int(segment.partition(".")[0])


class Shadows:
    """The shadow logs of a cluster: broker and partition -> log, None while nobody can know."""

    def __init__(self) -> None:
        self._places: dict[int, tuple[Disk, str]] = {}
        self._logs: dict[tuple[int, TopicPartition], ShadowLog] = {}
        self._cleanable: dict[TopicPartition, int] = {}

    def add_broker(self, broker: int, disk: Disk, directory: str) -> None:
        """Where a broker keeps its logs."""
        self._places[broker] = disk, directory

    def restarted(self, broker: int) -> None:
        """Until it has a role again, what it holds is not known."""
        for key in [key for key in self._logs if key[0] == broker]:
            self.cleanable(key[1])
            del self._logs[key]

    def opened(self, broker: int, tp: TopicPartition) -> ShadowLog:
        """It has a role, so its log is there to be read."""
        if (broker, tp) not in self._logs:
            disk, directory = self._places[broker]
            self._logs[broker, tp] = ShadowLog(disk, f"{directory}/{tp}")
        return self._logs[broker, tp]

    def cleanable(self, tp: TopicPartition) -> int:
        """Where the newest segment of any replica began: no cleaner has been past that. Not to be
        forgotten with a broker: others may have copied what its cleaner left."""
        known = [log.active for (_, other), log in self._logs.items() if other == tp]
        self._cleanable[tp] = max(self._cleanable.get(tp, 0), *known, 0)
        return self._cleanable[tp]

    def forget(self, tp: TopicPartition) -> None:
        """Its topic was deleted."""
        self._cleanable.pop(tp, None)
        for key in [key for key in self._logs if key[1] == tp]:
            del self._logs[key]

    def get(self, broker: int, tp: TopicPartition) -> ShadowLog | None:
        """Its log, if it is known."""
        return self._logs.get((broker, tp))
