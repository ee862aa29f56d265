"""A log against a model of it: a list of batches, through every operation in any order, clean
restarts, and kills that leave a torn tail."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.defaults import log_config
from tests.storage.support import (
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

from barnabas.storage.epochs import LeaderEpochCache


class Kept(NamedTuple):
    base: int
    last: int
    timestamp: int
    epoch: int


class LogMachine(RuleBasedStateMachine):
    """``kept`` are the batches that must be readable, ``below`` those below the log start whose
    segment is there still; the model's epochs are those of the real cache, driven by hand."""

    @initialize(interval=st.sampled_from([0, 60, 300, 4096]), segment=st.sampled_from([300, 1500]))
    def begin(self, interval: int, segment: int) -> None:
        self.config = log_config(
            segment_bytes=segment, index_interval_bytes=interval, retention_ms=1000
        )
        self.files = memory_files()
        self.log = create(environment(self.files), self.config)
        self.kept: list[Kept] = []
        self.below: list[Kept] = []
        self.epochs = LeaderEpochCache()
        self.start = self.end = self.high_watermark = self.epoch = 0
        self.now = RECORDED_MS
        self.sequence = 0

    def _add(self, count: int, base: int) -> None:
        self.kept.append(Kept(base, base + count - 1, self.now + count - 1, self.epoch))
        self.epochs.assign(self.epoch, base)
        self.end = base + count

    @rule(count=st.integers(1, 5), wait=st.integers(0, 300), new_epoch=st.booleans())
    def append_as_leader(self, count: int, wait: int, new_epoch: bool) -> None:
        self.now += wait
        self.epoch += new_epoch
        first, _ = append(self.log, count, epoch=self.epoch, timestamp=self.now)
        assert first == self.end
        self._add(count, first)

    @rule(counts=st.lists(st.integers(1, 3), min_size=1, max_size=4), gap=st.integers(0, 2))
    def append_as_follower(self, counts: list[int], gap: int) -> None:
        data = b""
        for count in counts:
            base = self.end + gap
            piece = bytes(
                batch(count, base_offset=base, leader_epoch=self.epoch, timestamp=self.now)
            )
            data += piece
            self._add(count, base)
        self.log.append_as_follower(data)

    @rule(back=st.integers(0, 12))
    def truncate(self, back: int) -> None:
        offset = max(self.end - back, self.log.segments.first.base_offset)
        self.log.truncate_to(offset)
        cut = next((b for b in self.below + self.kept if b.last >= offset), None)
        if cut is not None:
            self.end = min(offset, max(cut.base, self.log.segments.bases[-1]))
        elif offset < self.end:
            self.end = offset
        self.kept = [b for b in self.kept if b.last < offset]
        self.below = [b for b in self.below if b.last < offset]
        self.epochs.truncate_from_end(min(offset, self.end))
        self.start = min(self.start, self.end)
        self.high_watermark = min(self.high_watermark, self.end)

    @rule(ahead=st.integers(0, 50))
    def start_anew(self, ahead: int) -> None:
        self.end += ahead
        self.log.truncate_fully_and_start_at(self.end)
        self.kept.clear()
        self.below.clear()
        self.epochs.clear()
        self.start = self.high_watermark = self.end

    @rule()
    def roll(self) -> None:
        self.log.roll()

    @rule(back=st.integers(0, 6))
    def move_high_watermark(self, back: int) -> None:
        self.high_watermark = max(self.start, self.end - back)
        self.log.set_high_watermark(self.high_watermark)

    @rule(share=st.floats(0, 1))
    def delete_records(self, share: float) -> None:
        offset = self.start + int((self.high_watermark - self.start) * share)
        self.log.advance_log_start(offset)
        if offset > self.start:
            self._forget_below(offset)

    @rule(age=st.sampled_from([0, 500, 1500, 3000]))
    def retention(self, age: int) -> None:
        self.log.apply_retention(self.now + age)
        assert self.log.log_start_offset <= self.high_watermark
        young = [b for b in self.kept if self.now + age - b.timestamp <= 1000]
        if young:
            assert self.log.log_start_offset <= young[0].last
        if self.log.log_start_offset > self.start:
            self._forget_below(self.log.log_start_offset)

    def _forget_below(self, offset: int) -> None:
        self.start = offset
        there = self.log.segments.first.base_offset
        self.below = [b for b in self.below + self.kept if there <= b.base and b.last < offset]
        self.kept = [b for b in self.kept if b.last >= offset]
        self.epochs.truncate_from_start(offset)

    @rule()
    def flush(self) -> None:
        asyncio.run(self.log.flush())
        assert self.log.recovery_point == self.end

    @rule()
    def stop_and_start(self) -> None:
        asyncio.run(self.log.close_cleanly())
        self._reopen(clean=True)

    @rule(tail=st.binary(max_size=40), cut=st.booleans())
    def kill_and_start(self, tail: bytes, cut: bool) -> None:
        self.files = restored(image(self.files))
        active = self.log.segments.active
        path = f"{active.directory}/{active.base_offset:020d}.log"
        # A write that was under way: some bytes of a batch that nobody was told about.
        torn = bytes(batch(3, base_offset=self.end, leader_epoch=99))[: 30 if cut else 70] + tail
        if path in self.files.files:
            self.files.files[path] += torn
        self._reopen(clean=False)

    def _reopen(self, *, clean: bool) -> None:
        self.log = reopen(
            environment(self.files),
            self.config,
            clean=clean,
            recovery_point=self.log.recovery_point,
            log_start_offset=self.start,
        )
        # Offsets at the very end that no batch stands for are not kept over a restart.
        last = self.kept[-1].last if self.kept else self.start - 1
        assert last < self.log.log_end_offset <= self.end
        self.end = self.log.log_end_offset
        self.high_watermark = min(self.high_watermark, self.end)
        self.log.set_high_watermark(self.high_watermark)
        if not self.epochs:  # they are put together anew from all batches that there are
            for kept in self.below + self.kept:
                if kept.epoch > self.epochs.latest_epoch:
                    self.epochs.assign(kept.epoch, kept.base)
        self.epochs.truncate_from_end(self.end)
        self.epochs.truncate_from_start(self.start)

    @invariant()
    def offsets_agree(self) -> None:
        if not hasattr(self, "log"):
            return
        log = self.log
        assert (log.log_start_offset, log.log_end_offset) == (self.start, self.end)
        assert log.high_watermark == self.high_watermark
        assert log.recovery_point <= log.flushed_offset <= self.end
        assert log.epochs.entries == self.epochs.entries
        assert log.producers.end_offset == self.end

    @invariant()
    def batches_agree(self) -> None:
        if not hasattr(self, "log"):
            return
        wanted = [(b.base, b.last) for b in self.kept]
        assert read_all(self.log) == wanted
        for base, last in wanted:
            found = self.log.read(max(base, self.start), 1, up_to=last + 1, min_one=True)
            assert found.bytes, (base, last)
            assert not self.log.read(max(base, self.start), 1 << 20, up_to=last, min_one=True).bytes

    @invariant()
    def timestamps_agree(self) -> None:
        if not hasattr(self, "log") or not self.kept:
            return
        found = self.log.offset_for_timestamp(RECORDED_MS)
        assert found is not None
        assert found[1] == max(self.kept[0].base, self.start)
        assert self.log.offset_for_timestamp(self.now + 10) is None


TestLogMachine = LogMachine.TestCase
TestLogMachine.settings = settings(max_examples=30, stateful_step_count=20)
