"""LogCleaner: one task that compacts the dirtiest log, again and again (reference 6.8).

It works in slices of half a millisecond, so that a request seldom waits for more, and rests three
times as long as the loop took for its turns: at most a quarter of an idle processor, less of a busy
one. A log that is cut meanwhile, or deleted, or no longer compacted, is given up and taken again
later. What it writes is swapped in with the names that recovery knows; what the checkpoint says is
clean, is.

Different from Kafka: the map of keys takes 192 bytes for a key and not 24; a full disk ends the
pass and not the directory; the file times of cleaned segments are those of the cleaning; a segment
of which everything stays is not written again; any number of ``log.cleaner.threads`` is this task.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import TypeVar

from barnabas.errors import KafkaError
from barnabas.seams import Env
from barnabas.storage.cleaner.clean import CleaningAborted, CleaningPass
from barnabas.storage.cleaner.offset_map import ENTRY_BYTES
from barnabas.storage.cleaner.rules import (
    CleanableRange,
    SegmentFigures,
    cleanable_range,
    dirtiest,
)
from barnabas.storage.config import CleanerSettings
from barnabas.storage.index import CorruptIndex
from barnabas.storage.log import Log
from barnabas.types import TopicPartition

SLICE_S = 0.0005
"""Work between two turns of the loop, at the stopwatch."""
SLICE_COST_US = 2000
"""The same by the cost that steps tell. It matters in the simulator, whose stopwatch does not
move."""
REST_PER_WORK = 3
REST_SECONDS_MIN = 0.001
"""Timers of the loop do not know shorter ones: rests are saved up until they are as long."""

REST_SECONDS_MAX = 1.0
LOGS_PER_TURN = 50
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_EXPECTED = (CleaningAborted, KafkaError, CorruptIndex, OSError)

R = TypeVar("R")


class LogCleaner:
    """``run`` as a task. ``compacted()`` are the logs of compacted topics.
    ``make_durable(partition)`` must make a log durable and its recovery point on disk say so;
    ``checkpoint(partition)`` must do so with ``first_dirty``.

    The recovery point comes first: above it, recovery after a power cut takes the offsets that
    cleaning leaves out for a hole, and drops what follows."""

    def __init__(
        self,
        env: Env,
        settings: CleanerSettings,
        compacted: Callable[[], Sequence[Log]],
        *,
        make_durable: Callable[[TopicPartition], Awaitable[None]],
        checkpoint: Callable[[TopicPartition], Awaitable[None]],
    ) -> None:
        self._env = env
        self.settings = settings
        self._compacted = compacted
        self._make_durable = make_durable
        self._checkpoint = checkpoint
        self._turn_began = 0.0
        self._unrested = 0.0
        self._reconfigured = asyncio.Event()
        self.first_dirty: dict[TopicPartition, int] = {}
        """Where the last pass over a log ended; logs that were never cleaned are not in it."""
        self.uncleanable: dict[TopicPartition, str] = {}
        """Damaged logs, which are left alone, and why."""

    @property
    def capacity(self) -> int:
        """Keys that one pass can hold."""
        settings = self.settings
        share = settings.io_buffer_load_factor  # any number at all, and even none (NaN)
        room = settings.dedupe_buffer_size * min(share, 1.0) if share > 0 else 0
        return max(int(room) // ENTRY_BYTES, 1)

    def reconfigure(self, settings: CleanerSettings) -> None:
        """Obey other settings, at once: a pause that has begun ends."""
        if settings != self.settings:
            self.settings = settings
            self._reconfigured.set()

    def forget(self, topic_partition: TopicPartition) -> bool:
        """Treat the whole log as dirty; False if it is already. Before a cut this must become
        durable: a tombstone that counts as cleaned would be removed before the values that it
        deletes."""
        self.uncleanable.pop(topic_partition, None)
        return self.first_dirty.pop(topic_partition, None) is not None

    def log_cut(self, topic_partition: TopicPartition, offset: int) -> bool:
        """A log is about to be cut; whether its checkpoint is void with that."""
        if self.first_dirty.get(topic_partition, 0) <= offset:
            return False
        return self.forget(topic_partition)

    async def run(self) -> None:
        """Clean, until cancelled."""
        while self.settings.enable:
            if not await self.clean_dirtiest():
                await self._pause(max(self.settings.backoff_ms, 1) / 1000)

    async def _pause(self, seconds: float) -> None:
        self._reconfigured.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._reconfigured.wait()
        except TimeoutError:
            pass

    async def clean_dirtiest(self) -> bool:
        """One pass over the dirtiest log; False if none was due or the pass was given up."""
        candidates = []
        for number, log in enumerate(self._compacted()):
            if number % LOGS_PER_TURN == 0:
                await asyncio.sleep(0)
            if log.failure or not log.config.compacted or log.topic_partition in self.uncleanable:
                continue
            try:
                found = self.range_of(log)
            except _EXPECTED as error:
                self._gave_up(log, error)
                continue
            candidates.append((log, found, log.config.min_cleanable_dirty_ratio))
        try:
            log, chosen = dirtiest(candidates)
        except LookupError:
            return False
        return await self.clean(log, chosen)

    def range_of(self, log: Log) -> CleanableRange:
        """What a pass over a log would do now."""
        return cleanable_range(
            [SegmentFigures.of(segment) for segment in log.segments],
            log.config,
            checkpoint=self.first_dirty.get(log.topic_partition),
            log_start_offset=log.log_start_offset,
            log_end_offset=log.log_end_offset,
            last_stable_offset=log.last_stable_offset,
            now_ms=self._env.clock.wall_ms(),
        )

    async def clean(self, log: Log, chosen: CleanableRange) -> bool:
        """One pass over a log; False if it was given up."""
        cleaning = CleaningPass(
            self._env,
            log,
            chosen,
            capacity=self.capacity,
            write_bytes=max(self.settings.io_buffer_size // 2, 1),
            work=self._work,
        )
        try:
            await self._make_durable(log.topic_partition)
            cleaning.check()
            end = await cleaning.run()
        except _EXPECTED as error:
            self._gave_up(log, error)
            return False
        self.first_dirty[log.topic_partition] = end
        await self._checkpoint(log.topic_partition)
        return True

    def _gave_up(self, log: Log, error: Exception) -> None:
        """Handle what went wrong with one log, so that the task goes on with the others."""
        if isinstance(error, CleaningAborted) or log.failure is not None:
            return
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            if error.errno in _NO_SPACE:
                self._env.observer.note("log_not_cleaned", path=log.directory, reason=str(error))
            else:
                log.fence(error)
            return
        # A damaged batch, or one of an old format: what cannot be read cannot be judged.
        self.uncleanable[log.topic_partition] = str(error)
        self._env.observer.note("log_uncleanable", path=log.directory, reason=str(error))

    # Slices

    async def _work(self, cleaning: CleaningPass, steps: Generator[int, None, R]) -> R:
        stopwatch = self._env.stopwatch
        self._turn_began = ends = stopwatch()
        spent, paid = 0, cleaning.transferred
        while True:
            if spent >= SLICE_COST_US or stopwatch() >= ends:
                await self._rest(cleaning.transferred - paid)
                spent, paid = 0, cleaning.transferred
                cleaning.check()
                ends = self._turn_began + SLICE_S
            try:
                spent += next(steps)
            except StopIteration as done:
                result: R = done.value
                return result

    async def _rest(self, transferred: int) -> None:
        # A whole turn is measured, with all that others did in it.
        await asyncio.sleep(0)
        took = self._env.stopwatch() - self._turn_began
        pause = transferred / max(self.settings.io_max_bytes_per_second, 1.0)
        self._unrested += max(min(REST_PER_WORK * took, REST_SECONDS_MAX), pause)
        if self._unrested >= REST_SECONDS_MIN:
            rest, self._unrested = self._unrested, 0.0
            await asyncio.sleep(rest)
        self._turn_began = self._env.stopwatch()
