"""What is in the logs of all replicas, read from the simulated disks behind the brokers' backs."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from tests.simulation.disk import Directory, Disk, Inode

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
    """One replica's batches; ``refresh`` reads what was appended since the last look."""

    def __init__(self, disk: Disk, path: str) -> None:
        self.batches: list[Batch] = []
        self.verified = 0
        """How many of them are known to be the committed ones."""
        self._disk = disk
        self._path = path
        self._segment = ""
        self._position = 0

    @property
    def end(self) -> int:
        """One past the last offset; 0 if empty."""
        return self.batches[-1].last + 1 if self.batches else 0

    def forget(self) -> None:
        """Read everything anew."""
        self.batches, self.verified = [], 0
        self._segment, self._position = "", 0

    def refresh(self, heard: Callable[[Batch], None]) -> None:
        """Read on; ``heard`` is told of each batch in turn."""
        directory = self._disk.find(self._path)
        if not isinstance(directory, Directory):
            self.forget()
            return
        names = sorted(name for name in directory.visible if name.endswith(".log"))
        segments = {name: directory.visible[name] for name in names}
        at = segments.get(self._segment)
        if self._segment and (not isinstance(at, Inode) or len(at.visible) < self._position):
            self.forget()
        for name in names:
            inode = segments[name]
            if name < self._segment or not isinstance(inode, Inode):
                continue
            if name != self._segment:
                self._segment, self._position = name, 0
            self._read(inode.visible, heard)

    def _read(self, content: bytearray, heard: Callable[[Batch], None]) -> None:
        position, size = self._position, len(content)
        while position + _HEADER.size <= size:
            base, length, epoch, _, crc, _, delta = _HEADER.unpack_from(content, position)
            if length <= 0 or position + _LENGTH_BYTES + length > size:
                break
            batch = Batch(base, base + delta, epoch, crc)
            self.batches.append(batch)
            heard(batch)
            position += _LENGTH_BYTES + length
        self._position = position


class Shadows:
    """The shadow logs of a cluster: broker and partition -> log, None while nobody can know."""

    def __init__(self) -> None:
        self._places: dict[int, tuple[Disk, str]] = {}
        self._logs: dict[tuple[int, TopicPartition], ShadowLog] = {}

    def add_broker(self, broker: int, disk: Disk, directory: str) -> None:
        """Where a broker keeps its logs."""
        self._places[broker] = disk, directory

    def restarted(self, broker: int) -> None:
        """Until it has a role again, what it holds is not known."""
        for key in [key for key in self._logs if key[0] == broker]:
            del self._logs[key]

    def opened(self, broker: int, tp: TopicPartition) -> ShadowLog:
        """It has a role, so its log is there to be read."""
        if (broker, tp) not in self._logs:
            disk, directory = self._places[broker]
            self._logs[broker, tp] = ShadowLog(disk, f"{directory}/{tp}")
        return self._logs[broker, tp]

    def get(self, broker: int, tp: TopicPartition) -> ShadowLog | None:
        """Its log, if it is known."""
        return self._logs.get((broker, tp))
