"""Random histories of keyed updates, tombstones, idempotent producers and transactions, cleaned any
number of times: what a reader ends up knowing never changes, and neither do offsets."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.defaults import log_config
from tests.storage.cleaner.kit import clean, cleaner_of, committed, last_values, later
from tests.storage.support import DIRECTORY, create, environment, memory_files, reopen

from barnabas.records.batch import (
    ControlType,
    EndTransactionMarker,
    Record,
    build_batch,
    build_marker,
)
from barnabas.storage.cleaner.log_cleaner import LogCleaner
from barnabas.storage.cleaner.offset_map import ENTRY_BYTES
from barnabas.storage.producers.state import Origin
from barnabas.storage.producers.verification import NOT_NEEDED

RETENTION_MS = 1000
CONFIG = log_config(
    cleanup_policy=("compact",),
    segment_bytes=1500,
    index_interval_bytes=200,
    delete_retention_ms=RETENTION_MS,
)
PLAIN, IDEMPOTENT, TRANSACTIONAL = 0, 1, 2

batches = st.tuples(
    st.just("append"),
    st.sampled_from([(PLAIN, -1), (IDEMPOTENT, 1), (IDEMPOTENT, 2), (TRANSACTIONAL, 10)]),
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=4),
    st.sampled_from([0, 0, 1, 3]),
)
steps = st.one_of(
    batches,
    batches,
    st.tuples(
        st.just("append"), st.just((TRANSACTIONAL, 11)), batches.map(lambda b: b[2]), st.just(0)
    ),
    st.tuples(st.just("end"), st.sampled_from([10, 11]), st.booleans()),
    st.just(("roll",)),
    st.just(("roll",)),
    st.tuples(st.just("clean"), st.sampled_from([0, RETENTION_MS, 5 * RETENTION_MS])),
    st.just(("restart",)),
)


@dataclass
class History:
    """What was written, and what became of it."""

    records: dict[int, Record] = field(default_factory=dict)
    aborted: dict[int, None] = field(default_factory=dict)
    open: dict[int, list[int]] = field(default_factory=dict)
    sequences: dict[int, int] = field(default_factory=dict)

    def values(self, up_to: int) -> dict[bytes | None, bytes]:
        return last_values(
            [r for r in self.records.values() if r.offset < up_to and r.offset not in self.aborted]
        )


class Machine:
    """A log, its history and its cleaner."""

    def __init__(self, capacity: int) -> None:
        self.files = memory_files()
        self.env = environment(self.files)
        self.history = History()
        self.capacity = capacity
        self.log = create(self.env, CONFIG)
        self.cleaner = self.new_cleaner()

    def new_cleaner(self) -> LogCleaner:
        size = self.capacity * ENTRY_BYTES
        return cleaner_of(self.env, self.log, dedupe_buffer_size=size, io_buffer_load_factor=1.0)

    def append(
        self, producer: tuple[int, int], updates: list[tuple[int, bool]], codec: int
    ) -> None:
        kind, producer_id = producer
        history, first = self.history, self.log.log_end_offset
        records = [
            Record(
                first + i,
                self.env.clock.wall_ms(),
                b"key-%d" % key if key else b"a key that is longer than its digest",
                b"value of %d" % (first + i) if has_value else None,
            )
            for i, (key, has_value) in enumerate(updates)
        ]
        batch = build_batch(
            records,
            codec=codec,
            producer_id=producer_id,
            producer_epoch=0 if kind else -1,
            base_sequence=history.sequences.get(producer_id, 0) if kind else -1,
            transactional=kind == TRANSACTIONAL,
        )
        self.log.append_as_leader(
            memoryview(batch), 0, now_ms=self.env.clock.wall_ms(), guard=NOT_NEEDED
        )
        history.records.update({r.offset: r for r in records})
        if kind:
            history.sequences[producer_id] = history.sequences.get(producer_id, 0) + len(records)
        if kind == TRANSACTIONAL:
            history.open.setdefault(producer_id, []).extend(r.offset for r in records)

    def end(self, producer_id: int, commit: bool) -> None:
        offsets = self.history.open.pop(producer_id, None)
        if offsets is None:
            return
        kind = ControlType.COMMIT if commit else ControlType.ABORT
        marker = build_marker(
            EndTransactionMarker(kind, 0),
            producer_id=producer_id,
            producer_epoch=0,
            timestamp_ms=self.env.clock.wall_ms(),
        )
        self.log.append_as_leader(
            memoryview(marker), 0, now_ms=self.env.clock.wall_ms(), origin=Origin.COORDINATOR
        )
        if not commit:
            self.history.aborted.update(dict.fromkeys(offsets))

    def roll(self) -> None:
        self.log.set_high_watermark(self.log.log_end_offset)
        self.log.roll()

    def clean(self, milliseconds: int) -> None:
        later(self.env, milliseconds)
        self.log.set_high_watermark(self.log.log_end_offset)
        chosen = self.cleaner.range_of(self.log)
        assert clean(self.env, self.log, self.cleaner)
        end = self.cleaner.first_dirty[self.log.topic_partition]
        assert chosen.first_dirty <= end <= max(chosen.first_uncleanable, chosen.first_dirty)
        if chosen.first_dirty < chosen.first_uncleanable:
            assert end > chosen.first_dirty, "a pass gets on, however small the map"
        keys = [r.key for r in committed(self.log) if r.offset < end]
        assert len(keys) == len(dict.fromkeys(keys)), "one record for each key"

    def restart(self) -> None:
        """Killed, and its snapshots lost: all that is known comes from the cleaned batches."""
        self.log.set_high_watermark(self.log.log_end_offset)
        before = {
            pid: (entry.epoch, entry.last_sequence, entry.current_txn_first_offset)
            for pid, entry in self.log.producers.entries.items()
        }
        stable, end = self.log.last_stable_offset, self.log.log_end_offset
        for name in self.files.list(DIRECTORY):
            if name.endswith(".snapshot"):
                self.files.remove(f"{DIRECTORY}/{name}")
        first_dirty = self.cleaner.first_dirty
        self.log = reopen(self.env, CONFIG)
        self.log.set_high_watermark(self.log.log_end_offset)
        self.cleaner = self.new_cleaner()
        self.cleaner.first_dirty.update(first_dirty)
        after = {
            pid: (entry.epoch, entry.last_sequence, entry.current_txn_first_offset)
            for pid, entry in self.log.producers.entries.items()
        }
        assert self.log.log_end_offset == end
        assert self.log.last_stable_offset == stable
        for pid, known in before.items():
            assert after.get(pid) == known, f"producer {pid}"

    def check(self) -> None:
        self.log.set_high_watermark(self.log.log_end_offset)
        records = committed(self.log)
        assert last_values(records) == self.history.values(self.log.last_stable_offset)
        for record in records:
            assert record == self.history.records[record.offset]


@settings(max_examples=60)
@given(st.lists(steps, min_size=12, max_size=40), st.sampled_from([1000, 2, 1]))
def test_readers_end_up_knowing_the_same(history: list[tuple[object, ...]], capacity: int) -> None:
    machine = Machine(capacity)
    for name, *arguments in history:
        getattr(machine, str(name))(*arguments)
        if name in ("clean", "restart"):
            machine.check()
    for wait in (0, 0, RETENTION_MS, RETENTION_MS):
        machine.roll()
        machine.clean(wait)
        machine.check()
    machine.restart()
    machine.check()
