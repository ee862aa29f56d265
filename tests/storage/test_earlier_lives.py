"""What a process that was killed left without a sync, its next life builds on: whatever that one
says is durable must outlast a power cut, and nothing that was taken away may come back.

On the simulated disk; a test is repeated, as a power cut keeps now more, now less."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.defaults import log_config, log_manager_settings
from tests.simulation.lives import play
from tests.storage.support import append, read_all

from barnabas.seams import Env, Files
from barnabas.storage.checkpoints import (
    CLEAN_SHUTDOWN,
    EPOCH_CHECKPOINT,
    RECOVERY_POINT_CHECKPOINT,
    decode_offsets,
)
from barnabas.storage.directories.log_dir import FLUSHED_FILE, LogDirectory
from barnabas.storage.directories.moves import MOVED_FILE, copy_some
from barnabas.storage.log import Log
from barnabas.storage.log_manager import LogManager
from barnabas.types import TopicPartition

A = TopicPartition("flights", 0)
HERE = f"/data/{A}"
SMALL = log_config(segment_bytes=600, index_interval_bytes=100)
INDEXES = (".index", ".timeindex")
REPEATS = 8

every_cut = pytest.mark.parametrize("seed", range(REPEATS))


async def opened(env: Env, *dirs: str, flush: bool = True) -> LogManager:
    settings = log_manager_settings(log_flush_before_ack=flush)
    manager = LogManager(env, dirs or ("/data",), SMALL, settings=settings)
    manager.open()
    await manager.load(broker_id=1, cluster_id="cluster")
    return manager


def log_in(manager: LogManager) -> Log:
    return manager.get_or_create(A, None, is_new=True)


async def filled(env: Env, *dirs: str, segments: int = 3) -> tuple[LogManager, Log]:
    """A log of some segments; nothing is synced yet, as the manager does not run."""
    manager = await opened(env, *dirs)
    log = log_in(manager)
    while log.segment_count < segments:
        append(log, size=80)
    return manager, log


async def flushed(manager: LogManager, log: Log) -> None:
    await log.flush()
    await manager.checkpoint()


def contents(files: Files, kinds: tuple[str, ...] = INDEXES) -> dict[str, bytes]:
    """Of the files of all segments but the active one."""
    names = [name for name in files.list(HERE) if name.endswith(kinds)]
    active = max(name[:20] for name in names)
    return {n: files.read(f"{HERE}/{n}") for n in names if not n.startswith(active)}


Life = Callable[[Env], Coroutine[Any, Any, None]]


@every_cut
def test_a_segment_that_an_earlier_life_began(seed: int) -> None:
    ends: list[int] = []

    async def first(env: Env) -> None:
        manager, log = await filled(env)
        await flushed(manager, log)
        append(log, size=400)
        assert log.segments.bases[-1] >= log.flushed_offset

    async def second(env: Env) -> None:
        log = log_in(await opened(env))
        append(log, size=10)
        await log.flush()
        ends.append(log.flushed_offset)

    async def third(env: Env) -> None:
        log = log_in(await opened(env))
        assert log.log_end_offset >= ends[0] == len(read_all(log))

    play(seed, first, "kill", second, "power", third)


@every_cut
@pytest.mark.parametrize("killed_between", [False, True])
def test_a_segment_that_was_cut_off_stays_away(seed: int, killed_between: bool) -> None:
    """Its name would be back behind the records that were written in its place."""

    async def cut(env: Env) -> None:
        manager, log = await filled(env, segments=4)
        await flushed(manager, log)
        log.truncate_to(log.segments.bases[1] + 1)
        if not killed_between:
            await write(log)

    async def write(log: Log) -> None:
        append(log, 30, epoch=5, size=1)
        assert log.segment_count == 2
        await log.flush()

    async def again(env: Env) -> None:
        await write(log_in(await opened(env)))

    async def last(env: Env) -> None:
        log = log_in(await opened(env))
        found = read_all(log)
        assert [first for first, _ in found] == sorted({first for first, _ in found})
        assert log.epochs.latest_epoch == 5
        assert log.epochs.entries[-1].start_offset < log.log_end_offset

    lives: list[Life | str] = [cut, "kill", again] if killed_between else [cut]
    play(seed, *lives, "power", last)


@every_cut
def test_indexes_that_recovery_has_rebuilt(seed: int) -> None:
    before: dict[str, bytes] = {}

    async def first(env: Env) -> None:
        await filled(env, segments=4)

    async def second(env: Env) -> None:
        manager = await opened(env)
        await flushed(manager, log_in(manager))
        before.update(contents(env.files))
        assert log_in(manager).recovery_point == log_in(manager).log_end_offset

    async def third(env: Env) -> None:
        await opened(env)
        assert contents(env.files) == before

    play(seed, first, "kill", second, "power", third)


@pytest.mark.parametrize("seed", range(10 * REPEATS))
@pytest.mark.parametrize("damaged", INDEXES)
def test_an_index_that_a_later_life_rebuilds(seed: int, damaged: str) -> None:
    """No start walks the segment again: whatever the rebuilding has left is believed."""
    before: dict[str, bytes] = {}

    async def first(env: Env) -> None:
        manager, log = await filled(env, segments=4)
        await manager.shutdown()
        before.update(contents(env.files))
        path = f"{HERE}/{log.segments.bases[1]:020}{damaged}"
        file = env.files.open(path)
        file.truncate(3)
        file.fsync_blocking()

    async def second(env: Env) -> None:
        await opened(env)
        assert contents(env.files) == before

    play(seed, first, "kill", second, "power", second)


@every_cut
def test_a_clean_marker_that_was_taken_away(seed: int) -> None:
    async def first(env: Env) -> None:
        manager, _ = await filled(env)
        await manager.shutdown()

    async def killed_while_starting(env: Env) -> None:
        env.files.remove(f"/data/{CLEAN_SHUTDOWN}")

    async def third(env: Env) -> None:
        append(log_in(await opened(env)), size=80)

    async def fourth(env: Env) -> None:
        directory = LogDirectory(env, "/data")
        directory.begin()
        assert not directory.was_clean

    play(seed, first, "kill", killed_while_starting, "kill", third, "power", fourth)


@every_cut
def test_a_promise_that_was_taken_back(seed: int) -> None:
    """``log.flush.before.ack`` has been switched off."""

    async def first(env: Env) -> None:
        manager, log = await filled(env)
        await flushed(manager, log)
        assert env.files.exists(f"/data/{FLUSHED_FILE}")

    async def killed_while_starting(env: Env) -> None:
        env.files.remove(f"/data/{FLUSHED_FILE}")

    async def third(env: Env) -> None:
        append(log_in(await opened(env, flush=False)), size=80)

    async def fourth(env: Env) -> None:
        assert (await opened(env, flush=False)).unclean_machine_start

    play(seed, first, "kill", killed_while_starting, "kill", third, "power", fourth)


@every_cut
def test_a_process_killed_in_the_midst_of_recovery(seed: int) -> None:
    """The logs that it has not looked through are still those of a machine that died."""

    async def first(env: Env) -> None:
        manager, log = await filled(env)
        await flushed(manager, log)

    async def killed_while_loading(env: Env) -> None:
        directory = LogDirectory(env, "/data")
        directory.open()
        directory.claim(1, "cluster")
        directory.begin(flush_before_ack=True)
        assert directory.lost_power

    async def third(env: Env) -> None:
        directory = LogDirectory(env, "/data")
        directory.begin(flush_before_ack=True)
        assert directory.lost_power
        assert not directory.in_doubt
        directory.loaded()

    async def fourth(env: Env) -> None:
        directory = LogDirectory(env, "/data")
        directory.begin(flush_before_ack=True)
        assert not directory.lost_power

    play(seed, first, "power", killed_while_loading, "kill", third, "kill", fourth)


def test_a_process_killed_after_a_clean_stop_of_the_machine() -> None:
    """Nothing was lost, and nothing may be in doubt."""

    async def first(env: Env) -> None:
        manager, _ = await filled(env)
        await manager.shutdown()

    async def killed_while_loading(env: Env) -> None:
        directory = LogDirectory(env, "/data")
        directory.begin()
        assert directory.was_clean

    async def third(env: Env) -> None:
        manager = await opened(env, flush=False)
        assert not manager.unclean_machine_start

    play(1, first, "power", killed_while_loading, "kill", third)


@every_cut
def test_a_checkpoint_above_the_data_is_lowered(seed: int) -> None:
    """The log was cut, and the process killed before the checkpoint said so."""

    async def first(env: Env) -> None:
        manager, log = await filled(env)
        await flushed(manager, log)
        log.truncate_to(2)

    async def second(env: Env) -> None:
        manager = await opened(env)
        assert log_in(manager).flushed_offset == 2
        await manager.empty_queue()

    async def third(env: Env) -> None:
        points = decode_offsets(env.files.read(f"/data/{RECOVERY_POINT_CHECKPOINT}"))
        assert points[A] <= 2

    play(seed, first, "kill", second, "power", third)


@every_cut
def test_a_log_that_has_just_moved(seed: int) -> None:
    """Whatever a power cut leaves of the names, a start finds the log once, or a mark."""
    dirs = ("/one", "/two")
    ends: list[int] = []

    async def first(env: Env) -> None:
        manager, log = await filled(env, *dirs)
        await log.flush()
        ends.append(log.log_end_offset)
        target = next(d for d in dirs if d != manager.directory_of(A))
        manager.place(A, target)
        move = manager.moves.under_way[A]
        while copy_some(log, move):
            pass
        await move.log.flush()
        assert manager.moves._swap(log, move)

    async def second(env: Env) -> None:
        log = log_in(await opened(env, *dirs))
        assert log.log_end_offset == ends[0] == len(read_all(log))
        assert not env.files.exists(f"{log.directory}/{MOVED_FILE}")

    play(seed, first, "power", second, "power", second)


def test_a_cut_epoch_file_is_not_believed() -> None:
    """``1 12`` for ``1 123``."""

    async def first(env: Env) -> None:
        manager, log = await filled(env, segments=5)
        assert log.log_end_offset >= 10
        log.assign_epoch(1, log.log_end_offset)
        append(log, epoch=1, size=80)
        await flushed(manager, log)
        file = env.files.open(f"{HERE}/{EPOCH_CHECKPOINT}")
        file.truncate(file.size() - 2)

    async def second(env: Env) -> None:
        log = log_in(await opened(env))
        assert [e.epoch for e in log.epochs.entries] == [0, 1]
        assert log.epochs.entries[-1].start_offset == log.log_end_offset - 1

    play(1, first, "kill", second)
