"""The original's cleaned segments against ours, made from what its producer had sent."""

from __future__ import annotations

import json
from pathlib import Path

from tests.defaults import log_config
from tests.places import GOLDEN
from tests.storage.cleaner.kit import clean, last_values, records_of
from tests.storage.support import DIRECTORY, create, environment, memory_files, reopen

from barnabas.records.batch import Record, build_batch, iterate_batches, iterate_records
from barnabas.seams import Env
from barnabas.storage.log import Log

RECORDED = GOLDEN / "storage" / "killed" / "compacted-0"
CLEANED_AT_MS = 1_795_398_420_145
CONFIG = log_config(
    cleanup_policy=("compact",),
    segment_bytes=8192,
    index_interval_bytes=1024,
    delete_retention_ms=3_600_000,
)
BATCH_RECORDS = 40


def recorded_logs() -> list[Path]:
    return sorted(RECORDED.glob("*.log"))


def sent() -> list[tuple[bytes, bytes | None]]:
    pairs = json.loads((GOLDEN / "storage" / "compacted-sent.json").read_text())
    return [(k.encode(), None if v is None else bytes.fromhex(v)) for k, v in pairs]


def recorded_records() -> dict[int, Record]:
    """What survived at the original, by offset."""
    found: dict[int, Record] = {}
    for path in recorded_logs():
        data = path.read_bytes()
        for _, position, _ in iterate_batches(data):
            found.update({r.offset: r for r in iterate_records(data, position)})
    return found


def recorded_bases() -> list[int]:
    """Base offsets of the batches that survived."""
    return [
        header.base_offset
        for path in recorded_logs()
        for header, _, _ in iterate_batches(path.read_bytes())
    ]


def dirty_log(env: Env) -> Log:
    """The log before it was cleaned: the records that went have some timestamp, and batches of
    which nothing is left have their usual size."""
    log = create(env, CONFIG)
    survivors, everything = recorded_records(), sent()
    bases = [int(path.stem) for path in recorded_logs()]
    known = sorted({*bases, *recorded_bases()})
    start = 0
    while start < len(everything):
        following = next((base for base in known if base > start), len(everything))
        stop = min(start + BATCH_RECORDS, following) if start else 1
        records = [
            Record(offset, 1_795_398_420_000, *everything[offset]) for offset in range(start, stop)
        ]
        records = [
            r._replace(timestamp=survivors[r.offset].timestamp) if r.offset in survivors else r
            for r in records
        ]
        if start in bases:
            log.roll()
        batch = build_batch(
            records,
            base_offset=start,
            producer_id=0,
            producer_epoch=0,
            base_sequence=start,
            leader_epoch=0,
        )
        log.append_as_follower(batch)
        start = stop
    log.set_high_watermark(log.log_end_offset)
    return log


def test_cleaned_segments_are_those_of_the_original() -> None:
    env = environment(memory_files(), now_ms=CLEANED_AT_MS)
    log = dirty_log(env)
    assert [s.base_offset for s in log.segments] == [int(p.stem) for p in recorded_logs()]

    assert clean(env, log)

    for path in recorded_logs()[:-1]:
        for kind in (".log", ".index", ".timeindex"):
            original = path.with_suffix(kind).read_bytes()
            ours = env.files.read(f"{DIRECTORY}/{path.stem}{kind}")
            assert ours == original, f"{path.stem}{kind}"
    names = env.files.list(DIRECTORY)
    assert not [name for name in names if name.endswith((".cleaned", ".swap"))]


def test_what_was_sent_last_is_what_is_left() -> None:
    env = environment(memory_files(), now_ms=CLEANED_AT_MS)
    log = dirty_log(env)
    expected = last_values([Record(key=k, value=v) for k, v in sent()])

    assert clean(env, log)
    assert last_values(records_of(log)) == expected

    again = reopen(env, CONFIG)
    assert last_values(records_of(again)) == expected
    assert again.log_end_offset == 3000
    # A later pass joins what the first left without data.
    again.set_high_watermark(3000)
    assert clean(env, again)
    assert last_values(records_of(again)) == expected
    assert again.segment_count < 4
