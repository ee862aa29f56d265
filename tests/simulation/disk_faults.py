"""Faults of disks, which need to know the files of a broker."""

from __future__ import annotations

import errno
from dataclasses import replace

from tests.simulation.disk import Directory, Disk, DiskFault
from tests.simulation.kernel import MILLISECOND
from tests.simulation.nemesis import Fault, Nemesis
from tests.simulation.nodes import Process

DERIVED = (".index", ".timeindex", ".snapshot")
"""Files that can be made again from a partition's records. Not the epochs: they have no checksum,
as in the original, and a flipped digit is believed."""


async def _disk_error(nemesis: Nemesis) -> None:
    """EIO. Not of fsync where power fails too: a broker started again cannot know that pages which
    it reads will never be written, and neither can any program."""
    process, stream = nemesis.target(), nemesis.stream
    operations = ["write", "open", "read"]
    if not any(kind.startswith("power") for kind in nemesis.options.kinds):
        operations.append("fsync")
    fault = DiskFault(
        stream.choice(operations),
        _data(process),
        errno.EIO,
        stream.choice((1, 1, 3, -1)),
    )
    nemesis.simulation.life("disk_error", f"{process.name} {fault.operation} x{fault.times}")
    process.host.disk.faults.append(fault)
    await nemesis.last()
    if fault in process.host.disk.faults:
        process.host.disk.faults.remove(fault)
    nemesis.simulation.life("disk_mended", process.host.disk.name)


async def _disk_full(nemesis: Nemesis) -> None:
    """ENOSPC after a little more."""
    disk: Disk = nemesis.target().host.disk
    nemesis.simulation.life("disk_full", disk.name)
    disk.capacity_bytes = disk.used_bytes + nemesis.stream.randrange(3000)
    await nemesis.last()
    disk.capacity_bytes = disk.settings.capacity_bytes
    nemesis.simulation.life("disk_mended", disk.name)


async def _slow_disk(nemesis: Nemesis) -> None:
    """Every fsync takes long, until the first of several such faults ends."""
    disk = nemesis.target().host.disk
    usual = nemesis.simulation.disk_settings
    nemesis.simulation.life("slow_disk", disk.name)
    slow_ns = nemesis.stream.choice((50, 200, 600)) * MILLISECOND
    disk.settings = replace(usual, fsync_ns=slow_ns)
    await nemesis.last()
    disk.settings = usual
    nemesis.simulation.life("disk_mended", disk.name)


async def _bit_flip(nemesis: Nemesis) -> None:
    """Bits rot while a broker is down, in files that its records can rebuild."""
    process, stream = nemesis.target(), nemesis.stream
    disk = process.host.disk
    process.kill()
    await nemesis.last()
    if process.alive:
        return  # another fault has ended: an open index is read without asking how it is
    base = _data(process)
    candidates = []
    for name, node in _entries(disk, base):
        for file, _ in _entries(disk, f"{base}/{name}") if isinstance(node, Directory) else []:
            if file.endswith(DERIVED):
                candidates.append(f"{base}/{name}/{file}")
    for path in stream.sample(candidates, min(len(candidates), stream.randint(1, 3))):
        nemesis.simulation.life("bit_flip", f"{path} at {disk.flip_bit(path)}")
    if process.host.up:
        nemesis.revive(process)


def _entries(disk: Disk, path: str) -> list[tuple[str, object]]:
    directory = disk.find(path)
    if not isinstance(directory, Directory):
        return []
    return [(name, directory.visible[name]) for name in sorted(directory.visible)]


def _data(process: Process) -> str:
    return f"/data/{process.name[1:]}"


DISK_FAULTS: dict[str, Fault] = {
    "disk_error": _disk_error,
    "disk_full": _disk_full,
    "slow_disk": _slow_disk,
    "bit_flip": _bit_flip,
}
