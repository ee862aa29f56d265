"""Opening directories: the original's, and those of brokers that were interrupted."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from tests.defaults import log_config
from tests.places import GOLDEN
from tests.storage.support import (
    DIRECTORY,
    RECORDED_MS,
    append,
    batch,
    create,
    environment,
    image,
    memory_files,
    read_all,
    reopen,
    restored,
)

from barnabas.storage.config import LogConfig
from barnabas.storage.files import OperatingSystemFiles
from barnabas.storage.log import Log
from barnabas.storage.memory_files import MemoryFiles
from barnabas.storage.producers.snapshot_format import decode_snapshot

SMALL = log_config(segment_bytes=1000, index_interval_bytes=100)
RECORDED = log_config(segment_bytes=16384, index_interval_bytes=512)
"""Settings of the topics in golden/storage."""
PARTITIONS = {
    "rolled-0": RECORDED,
    "retained-0": RECORDED,
    "compacted-0": RECORDED,
    "__transaction_state-0": log_config(),
}
CLOSED = sorted((GOLDEN / "data").glob("broker-*/*-[0-9]"))


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


# The original's directories


@pytest.mark.parametrize("partition", PARTITIONS)
def test_recovery_leaves_what_the_original_leaves(partition: str, tmp_path: Path) -> None:
    target = tmp_path / partition
    shutil.copytree(GOLDEN / "storage/killed" / partition, target)
    env = environment(OperatingSystemFiles())
    log = reopen(env, PARTITIONS[partition], directory=str(target))
    asyncio.run(log.close_cleanly())
    ours, theirs = contents(target), contents(GOLDEN / "storage/recovered-and-stopped" / partition)
    assert list(ours) == list(theirs)
    for name, data in theirs.items():
        if name.endswith(".snapshot"):
            # The same producers; the original lists them in the order of its hash table.
            assert sorted(decode_snapshot(ours[name])) == sorted(decode_snapshot(data))
        else:
            assert ours[name] == data, name


@pytest.mark.parametrize("path", CLOSED, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_closed_directories_open_as_they_are(path: Path, tmp_path: Path) -> None:
    target = tmp_path / path.name
    shutil.copytree(path, target)
    env = environment(OperatingSystemFiles())
    log = reopen(env, directory=str(target), clean=True)
    assert log.flushed_offset == log.log_end_offset
    if log.log_end_offset > log.log_start_offset:
        assert read_all(log)[-1][1] == log.log_end_offset - 1
    asyncio.run(log.close_cleanly())
    assert contents(target) == contents(path)


@pytest.mark.parametrize("path", CLOSED, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_indexes_come_out_the_same_from_the_batches(path: Path, tmp_path: Path) -> None:
    target = tmp_path / path.name
    shutil.copytree(path, target)
    for index in target.glob("*index"):
        index.unlink()
    for snapshot in target.glob("*.snapshot"):
        snapshot.unlink()
    config = RECORDED if path.name.startswith("flights") else log_config()
    log = reopen(environment(OperatingSystemFiles()), config, directory=str(target))
    asyncio.run(log.close_cleanly())
    wanted = contents(path)
    for name, data in contents(target).items():
        if name.endswith(("index", ".log")):
            assert data == wanted[name], name


# Interrupted brokers


def written(batches: int = 30, config: LogConfig = SMALL) -> tuple[MemoryFiles, Log]:
    files = memory_files()
    log = create(environment(files), config)
    for number in range(batches):
        append(
            log,
            2,
            size=100,
            epoch=number // 10,
            producer_id=3,
            producer_epoch=0,
            base_sequence=2 * number,
        )
    return files, log


def last_log(files: MemoryFiles) -> str:
    return max(path for path in files.files if path.endswith(".log"))


@pytest.mark.parametrize("tail", [b"\x00", bytes(4096), b"garbage" * 100, bytes(batch(3))[:70]])
def test_a_torn_tail_is_cut(tail: bytes) -> None:
    files, log = written()
    left = restored(image(files))
    left.files[last_log(left)] += tail
    again = reopen(environment(left), SMALL)
    assert again.log_end_offset == 60
    assert read_all(again) == [(2 * n, 2 * n + 1) for n in range(30)]
    assert again.epochs.entries == log.epochs.entries
    assert again.producers.entries[3].last_sequence == 59
    assert append(again, epoch=3) == (60, 60)


def test_a_batch_that_was_cut_takes_itself_only() -> None:
    files, _ = written()
    left = restored(image(files))
    del left.files[last_log(left)][-10:]
    again = reopen(environment(left), SMALL)
    assert again.log_end_offset == 58
    assert again.producers.entries[3].last_sequence == 57


def test_damage_in_the_middle_drops_all_later_segments() -> None:
    files, log = written()
    left = restored(image(files))
    second = log.segments.bases[1]
    path = f"{DIRECTORY}/{second:020d}.log"
    left.files[path][-1] ^= 0xFF
    again = reopen(environment(left), SMALL)
    assert again.log_end_offset == log.segments.bases[2] - 2
    assert again.segment_count == 2
    assert any(name.endswith(".log.deleted") for name in left.files)


def test_damage_below_the_recovery_point_is_not_looked_for() -> None:
    files, log = written()
    left = restored(image(files))
    left.files[f"{DIRECTORY}/{0:020d}.log"][70] ^= 0xFF
    again = reopen(environment(left), SMALL, recovery_point=log.segments.bases[1])
    assert again.log_end_offset == 60


@pytest.mark.parametrize("spoil", ["remove", "garbage", "odd", "zeros"])
@pytest.mark.parametrize("clean", [True, False])
def test_indexes_are_rebuilt(spoil: str, clean: bool) -> None:
    files, log = written()
    asyncio.run(log.close_cleanly())
    wanted = image(files)
    left = restored(wanted)
    for path in list(left.files):
        if not path.endswith(".index"):
            continue
        if spoil == "remove":
            del left.files[path]
        else:
            junk = {"garbage": b"\xf3" * 64, "odd": b"abc", "zeros": bytes(1024)}[spoil]
            left.files[path][:] = junk
    again = reopen(environment(left), SMALL, clean=clean)
    assert read_all(again) == [(2 * n, 2 * n + 1) for n in range(30)]
    asyncio.run(again.close_cleanly())
    after = image(left)
    for path, data in wanted.items():
        if not path.endswith(".snapshot"):
            assert after[path] == data, path


def test_leftovers_go_and_finished_swaps_come_in() -> None:
    files, log = written()
    first, second, third = log.segments.bases[:3]
    left = restored(image(files))

    def name(offset: int, suffix: str) -> str:
        return f"{DIRECTORY}/{offset:020d}{suffix}"

    merged = left.files[name(first, ".log")] + left.files[name(second, ".log")]
    left.files[name(first, ".log.swap")] = merged
    left.files[name(third, ".log.cleaned")] = bytearray(b"half")
    left.files[name(third, ".index.cleaned")] = bytearray()
    left.files[name(third, ".log.swap")] = bytearray(b"also half")
    left.files[name(999, ".log.deleted")] = bytearray(b"old")
    left.files[name(777, ".index")] = bytearray(b"orphan")
    again = reopen(environment(left), SMALL)
    assert again.segments.bases == [first, *log.segments.bases[2:]]
    assert read_all(again) == [(2 * n, 2 * n + 1) for n in range(30)]
    suffixes = (".swap", ".cleaned", ".deleted")
    assert not [path for path in left.files if path.endswith(suffixes)]
    assert name(777, ".index") not in left.files


def test_a_checkpoint_ahead_of_the_data_empties_the_log() -> None:
    files, _ = written()
    left = restored(image(files))
    again = reopen(environment(left), SMALL, log_start_offset=100)
    assert (again.log_start_offset, again.log_end_offset) == (100, 100)
    assert not again.epochs
    assert append(again) == (100, 100)


@pytest.mark.parametrize("content", [b"", b"rubbish", b"0\n5\n1 1\n", b"\xff\xfe"])
def test_lost_epochs_come_back_from_the_batches(content: bytes) -> None:
    files, log = written()
    left = restored(image(files))
    left.files[f"{DIRECTORY}/leader-epoch-checkpoint"][:] = content
    again = reopen(environment(left), SMALL, recovery_point=60)
    assert again.epochs.entries == log.epochs.entries


def test_corrupt_snapshots_give_way_to_older_ones() -> None:
    files, log = written()
    asyncio.run(log.close_cleanly())
    left = restored(image(files))
    for path in left.files:
        if path.endswith(("60.snapshot", f"{log.segments.bases[-1]:020d}.snapshot")):
            left.files[path][-1] ^= 1
    again = reopen(environment(left), SMALL, clean=True)
    assert again.producers.entries[3].last_sequence == 59


def test_a_directory_without_a_log_begins_at_the_checkpoint() -> None:
    files = memory_files()
    again = reopen(environment(files), log_start_offset=12)
    assert append(again) == (12, 12)


@pytest.mark.parametrize("clean", [False, True])
@pytest.mark.parametrize("config", [log_config(), log_config(segment_bytes=300)])
def test_every_batch_in_flight_is_recognised_after_a_restart(
    clean: bool, config: LogConfig
) -> None:
    """A snapshot holds one batch a producer; the client may repeat five."""
    files = memory_files()
    log = create(environment(files), config)
    sequences = range(0, 24, 3)
    for sequence in sequences:
        append(log, 3, producer_id=7, producer_epoch=0, base_sequence=sequence)
        append(log, 1, producer_id=8, producer_epoch=0, base_sequence=sequence // 3)
    if clean:
        asyncio.run(log.close_cleanly())
    again = reopen(environment(restored(image(files))), config, clean=clean)
    assert [b.first_sequence for b in again.producers.entries[7].batches] == [9, 12, 15, 18, 21]
    assert [b.first_sequence for b in again.producers.entries[8].batches] == [3, 4, 5, 6, 7]
    for sequence in sequences[-5:]:
        info = again.append_as_leader(
            batch(3, producer_id=7, producer_epoch=0, base_sequence=sequence),
            1,
            now_ms=RECORDED_MS,
        )
        assert (info.duplicate, info.first_offset) == (True, sequence // 3 * 4)
    again.truncate_to(again.log_end_offset - 4)
    assert [b.first_sequence for b in again.producers.entries[7].batches] == [6, 9, 12, 15, 18]


def _holed(size: int) -> tuple[MemoryFiles, int, int]:
    """Files of a machine that died and kept ``size`` bytes of the second segment and all of the
    third; the bases of both."""
    files = memory_files()
    log = create(environment(files), SMALL)
    while log.segment_count < 3:
        append(log, 2, size=80)
    _, second, third = log.segments.bases
    after = restored(image(files))
    del after.files[f"{DIRECTORY}/{second:020}.log"][size:]
    return after, second, third


@pytest.mark.parametrize("batches", [0, 1, 3])
def test_what_follows_a_hole_is_dropped(batches: int) -> None:
    files, second, third = _holed(batches * len(bytes(batch(2, size=80))))
    log = reopen(environment(files), SMALL, lost_power=True)
    assert log.log_end_offset == second + 2 * batches < third
    assert [last for _, last in read_all(log)][-1] == log.log_end_offset - 1
    assert log.producers.end_offset == log.log_end_offset


@pytest.mark.parametrize("why", ["killed process", "flushed", "cleaned"])
def test_missing_offsets_that_are_no_hole_stay(why: str) -> None:
    """A process that dies loses nothing that it has written; cleaned segments are flushed."""
    files, _, third = _holed(len(bytes(batch(2, size=80))))
    log = reopen(
        environment(files),
        SMALL,
        lost_power=why != "killed process",
        recovery_point=third if why == "flushed" else 0,
        first_dirty=third if why == "cleaned" else 0,
    )
    assert log.log_end_offset > third


def test_a_segment_that_overlaps_is_dropped() -> None:
    """It was cut off once; the machine lost that, but not what was written in its place."""
    files, second, third = _holed(10**6)
    log = reopen(environment(files), SMALL)
    log.truncate_to(second + 2)
    append(log, third - second + 2, epoch=3, size=1)
    assert log.log_end_offset > third
    for kind in (".log", ".index", ".timeindex"):
        path = f"{DIRECTORY}/{third:020}{kind}"
        files.rename(f"{path}.deleted", path)
    again = reopen(environment(restored(image(files))), SMALL, lost_power=True)
    assert again.log_end_offset == log.log_end_offset
    assert read_all(again) == read_all(log)
