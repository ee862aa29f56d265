"""SnapshotFile: ``<offset>.snapshot`` in a partition's directory (reference 6.4)."""

from __future__ import annotations

from contextlib import suppress

from barnabas.seams import Files
from barnabas.storage.segment import SNAPSHOT_SUFFIX, file_name


class SnapshotFiles:
    """Knows which snapshots there are, so that nothing is listed twice."""

    __slots__ = ("_files", "directory", "offsets")

    def __init__(self, files: Files, directory: str, offsets: list[int]) -> None:
        self._files = files
        self.directory = directory
        self.offsets = tuple(sorted(offsets))

    @property
    def latest(self) -> int | None:
        """Offset of the newest snapshot."""
        return self.offsets[-1] if self.offsets else None

    def path(self, offset: int) -> str:
        """Where a snapshot is."""
        return f"{self.directory}/{file_name(offset, SNAPSHOT_SUFFIX)}"

    def read(self, offset: int) -> bytes:
        """A snapshot's content."""
        return self._files.read(self.path(offset))

    def write(self, offset: int, data: bytes) -> None:
        """Write a snapshot, not synced: it is flushed with its segment, and one that was lost or
        torn is detected by its checksum and replaced by replaying the log."""
        file = self._files.open(self.path(offset), create=True)
        try:
            file.truncate(0)
            file.pwrite(data, 0)
        finally:
            file.close()
        if offset not in self.offsets:
            self.offsets = tuple(sorted((*self.offsets, offset)))

    def remove(self, offset: int) -> None:
        """Remove one snapshot; no error if there is none."""
        if offset in self.offsets:
            self.offsets = tuple(each for each in self.offsets if each != offset)
            with suppress(FileNotFoundError):
                self._files.remove(self.path(offset))

    def remove_outside(self, above: int, to: int) -> None:
        """Keep only snapshots with above < offset <= to."""
        for offset in self.offsets:
            if not above < offset <= to:
                self.remove(offset)

    def remove_strays(self, bases: list[int]) -> None:
        """Keep snapshots at segment bases, and the newest other one if it is above all bases."""
        strays = [offset for offset in self.offsets if offset not in bases]
        keep = strays[-1] if strays and bases and strays[-1] > bases[-1] else None
        for offset in strays:
            if offset != keep:
                self.remove(offset)

    async def fsync(self, offset: int) -> None:
        """Make one snapshot durable, if it is there."""
        if offset not in self.offsets:
            return
        file = self._files.open(self.path(offset))
        try:
            await file.fsync()
        finally:
            file.close()
