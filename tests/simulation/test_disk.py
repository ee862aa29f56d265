"""The disk: visible at once, durable after a sync, and what a power loss leaves."""

from __future__ import annotations

import asyncio
import errno

import pytest
from tests.simulation.disk import DiskFault, DiskSettings
from tests.simulation.lives import play
from tests.simulation.nodes import Simulation

from barnabas.seams import Env, Files, Lock


def seam(files: Files) -> Files:
    """For the type checker: what we pass is a ``seams.Files``."""
    return files


async def prepare(env: Env) -> None:
    """A durable directory with a durable file of 1,000 bytes."""
    files = seam(env.files)
    files.make_directories("/d")
    file = files.open("/d/f", create=True)
    file.append([b"a" * 500, b"b" * 500])
    await file.fsync()
    files.sync_directory("/")
    await files.fsync_directory("/d")


def content(env: Env, path: str = "/d/f") -> bytes:
    return env.files.read(path)


def test_a_kill_keeps_everything() -> None:
    async def write(env: Env) -> None:
        env.files.make_directories("/d")
        file = env.files.open("/d/f", create=True)
        file.append([b"never synced"])

    async def look(env: Env) -> None:
        assert content(env) == b"never synced"

    play(1, write, "kill", look)


def test_synced_survives_and_the_rest_is_lost_or_torn() -> None:
    lengths: dict[int, None] = {}

    async def append(env: Env) -> None:
        await prepare(env)
        file = env.files.open("/d/f")
        for _ in range(4):
            file.append([b"c" * 6000])

    async def look(env: Env) -> None:
        after = content(env)
        assert after[:1000] == b"a" * 500 + b"b" * 500
        assert not after[1000:].strip(b"c\0")
        assert len(after) <= 25_000
        lengths[len(after)] = None

    for seed in range(40):
        play(seed, append, "power", look)
    assert 1000 in lengths
    assert 25_000 in lengths
    assert len(lengths) > 8


def test_names_are_durable_after_their_directory() -> None:
    outcomes: dict[tuple[bool, ...], None] = {}

    async def change(env: Env) -> None:
        await prepare(env)
        new = env.files.open("/d/new", create=True)
        new.append([b"x"])
        await new.fsync()
        env.files.rename("/d/f", "/d/renamed")

    async def look(env: Env) -> None:
        names = env.files.list("/d")
        assert ("f" in names) != ("renamed" in names)
        outcomes[tuple(name in names for name in ("new", "renamed"))] = None

    for seed in range(30):
        play(seed, change, "power", look)
    assert sorted(outcomes) == [(False, False), (True, False), (True, True)]


def test_an_unsynced_file_behind_a_rename_may_be_empty() -> None:
    sizes: dict[int, None] = {}

    async def replace(env: Env) -> None:
        await prepare(env)
        file = env.files.open("/d/f.tmp", create=True)
        file.append([b"n" * 10])
        env.files.rename("/d/f.tmp", "/d/f")
        env.files.sync_directory("/d")

    async def look(env: Env) -> None:
        assert env.files.list("/d") == ["f"]
        sizes[env.files.size("/d/f")] = None

    for seed in range(20):
        play(seed, replace, "power", look)
    assert 0 in sizes
    assert 10 in sizes


def test_overlapping_syncs_never_take_durability_back() -> None:
    async def write(env: Env) -> None:
        await prepare(env)
        file = env.files.open("/d/f")
        syncs = []
        for number in range(20):
            file.append([bytes([number]) * 10])
            syncs.append(asyncio.ensure_future(file.fsync()))
            await asyncio.sleep(0)
        await asyncio.gather(*syncs)

    async def look(env: Env) -> None:
        assert content(env)[1000:] == b"".join(bytes([n]) * 10 for n in range(20))

    for seed in range(10):
        play(seed, write, "power", look)


def test_fsync_covers_what_was_written_before_the_call() -> None:
    kept: dict[int, None] = {}

    async def write(env: Env) -> None:
        await prepare(env)
        file = env.files.open("/d/f")
        file.append([b"before"])
        sync = asyncio.ensure_future(file.fsync())
        await asyncio.sleep(0)
        file.append([b"after"])
        await sync

    async def look(env: Env) -> None:
        assert content(env)[1000:1006] == b"before"
        kept[len(content(env))] = None

    for seed in range(30):
        play(seed, write, "power", look)
    assert {1006, 1011} <= set(kept)


def test_truncation_is_undone_unless_synced() -> None:
    async def cut(env: Env) -> None:
        await prepare(env)
        file = env.files.open("/d/f")
        file.truncate(100)
        await file.fsync()
        file.truncate(10)
        assert file.size() == 10

    async def look(env: Env) -> None:
        assert env.files.size("/d/f") in (10, 100)

    for seed in range(10):
        play(seed, cut, "power", look)


def test_a_failed_fsync_forgets_the_pages() -> None:
    simulation = Simulation(1)

    async def main(env: Env) -> None:
        await prepare(env)
        disk = simulation.hosts["n"].disk
        file = env.files.open("/d/f")
        file.append([b"doomed"])
        disk.faults.append(DiskFault("fsync", "/d/"))
        with pytest.raises(OSError, match="EIO"):
            await file.fsync()
        await file.fsync()  # succeeds, and that is the trap
        assert content(env)[1000:] == b"doomed"
        disk.power_loss()
        assert content(env)[1000:] == b""

    async def scenario() -> None:
        simulation.start("n", main)
        await asyncio.sleep(60)

    simulation.run(scenario)


def test_faults_on_write_read_and_open_and_a_full_disk() -> None:
    simulation = Simulation(1, disk=DiskSettings(capacity_bytes=1500))

    async def main(env: Env) -> None:
        await prepare(env)
        disk = simulation.hosts["n"].disk
        file = env.files.open("/d/f")
        assert env.files.free_bytes("/d") == 500
        with pytest.raises(OSError, match="No space") as full:
            file.append([b"x" * 400, b"y" * 400])
        assert full.value.errno == errno.ENOSPC
        assert file.size() == 1500
        file.truncate(1000)
        file.append([b"z" * 500])
        env.files.remove("/d/f")
        assert env.files.free_bytes("/d") == 1500
        assert file.pread(3, 1000) == b"zzz"  # an open file outlives its name
        disk.faults.extend(DiskFault(kind, "/d", times=-1) for kind in ("write", "read", "open"))
        for attempt in (
            lambda: file.append([b"."]),
            lambda: file.pread(1, 0),
            lambda: env.files.open("/d/g", create=True),
        ):
            with pytest.raises(OSError, match="EIO"):
                attempt()
        disk.faults.clear()
        file.close()
        with pytest.raises(OSError, match="Bad file"):
            file.size()

    async def scenario() -> None:
        simulation.start("n", main)
        await asyncio.sleep(60)

    simulation.run(scenario)


def test_directories_locks_and_errors() -> None:
    simulation = Simulation(1)
    locks: list[Lock] = []

    async def main(env: Env) -> None:
        files = env.files
        files.make_directories("/l")
        files.make_directories("/d/e/f")
        files.make_directories("/d/e")
        files.open("/d/e/x", create=True).append([b"1"])
        files.rename("/d/e", "/d/moved")
        assert files.list("/d") == ["moved"]
        assert files.read("/d/moved/x") == b"1"
        assert files.is_directory("/d/moved/f")
        assert not files.is_directory("/d/moved/x")
        files.remove_tree("/d/moved")
        assert files.list("/d") == []
        for call, error in (
            (lambda: files.open("/d/none"), FileNotFoundError),
            (lambda: files.open("/none/x", create=True), FileNotFoundError),
            (lambda: files.open("/d"), IsADirectoryError),
            (lambda: files.remove("/d/none"), FileNotFoundError),
            (lambda: files.rename("/d/none", "/d/x"), FileNotFoundError),
            (lambda: files.list("/none"), FileNotFoundError),
        ):
            with pytest.raises(error):
                call()
        locks.append(files.lock("/l/.lock"))
        with pytest.raises(BlockingIOError):
            files.lock("/l/.lock")
        if len(locks) == 1:
            await asyncio.sleep(1000)
        locks[-1].release()
        assert not files.exists("/l/.lock")

    async def scenario() -> None:
        process = simulation.start("n", main)
        await asyncio.sleep(1)
        process.restart()  # the lock of a killed process is void
        await simulation.ended(process)

    simulation.run(scenario)
    assert len(locks) == 2


def test_flipping_a_bit_changes_one_bit_for_good() -> None:
    simulation = Simulation(1)

    async def main(env: Env) -> None:
        await prepare(env)
        before = content(env)
        disk = simulation.hosts["n"].disk
        at = disk.flip_bit("/d/f")
        disk.power_loss()
        after = content(env)
        assert [i for i in range(1000) if before[i] != after[i]] == [at]

    async def scenario() -> None:
        await simulation.ended(simulation.start("n", main))

    simulation.run(scenario)


def test_syncing_the_file_system_covers_names_and_content() -> None:
    async def write(env: Env) -> None:
        env.files.make_directories("/d/e")
        env.files.open("/d/e/f", create=True).append([b"kept"])
        await env.files.sync_file_system("/d")
        env.files.open("/d/e/f").append([b"perhaps"])

    async def look(env: Env) -> None:
        assert content(env, "/d/e/f").startswith(b"kept")

    for seed in range(10):
        play(seed, write, "power", look)
