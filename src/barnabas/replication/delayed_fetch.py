"""DelayedFetch: one fetch request that looks, perhaps waits and looks again, and is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Generator

from barnabas.errors import ErrorCode, KafkaError
from barnabas.limits import FETCH_BYTES_AT_ONCE, LOOKS_AT_ONCE, PARTITIONS_AT_ONCE
from barnabas.pace import PromptFuture
from barnabas.replication.fetch_completion import Tally
from barnabas.replication.fetch_params import FetchParams, PreReadError
from barnabas.replication.fetch_reader import FetchReader
from barnabas.replication.fetch_session import Kind, SessionPartition, SessionStart
from barnabas.replication.partition import Partition
from barnabas.replication.purgatory import DeadlineWheel
from barnabas.replication.results import Fetched, FetchedPartition, FetchResult
from barnabas.replication.watches import EarlyFollowers, FetchWatch


class DelayedFetch:
    """One fetch request from its first look to its answer."""

    def __init__(
        self,
        reader: FetchReader,
        params: FetchParams,
        start: SessionStart,
        watch: FetchWatch,
        early: EarlyFollowers,
    ) -> None:
        self.bucket = DeadlineWheel.NOWHERE
        self._max_bytes = min(params.max_bytes, reader.fetch_max_bytes)
        self.min_bytes = min(params.min_bytes, self._max_bytes)
        self._reader = reader
        self._early = early
        self._params = params
        self._start = start
        self._watch = watch
        session = start.session
        asked = start.named if session is None else session.partitions
        self._tally = Tally(
            self.min_bytes,
            len(asked),
            params.from_follower,
            begins=params.from_follower and start.kind is Kind.FULL,
        )
        self._room = 0
        self._answers: dict[SessionPartition, FetchedPartition] = {}
        self._future: PromptFuture[Fetched] | None = None
        self._wheel: DeadlineWheel | None = None
        self._expired = False
        self._aside: dict[SessionPartition, None] = {}
        """Of a fetch of very many partitions that waits: those that nobody would tell of."""
        self._is_looking = False
        self._woken = False

    @property
    def is_large(self) -> bool:
        """Whether it has looked at very many partitions."""
        return len(self._answers) > PARTITIONS_AT_ONCE

    @property
    def complete(self) -> bool:
        """Whether waiting longer has no point."""
        return self._tally.is_complete and not self._is_starved

    @property
    def _is_starved(self) -> bool:
        """Whether there is something to read, and no memory for any of it."""
        return self._room < 0 and not self._tally.read and self._tally.ahead > 0

    @property
    def is_ahead(self) -> bool:
        """Whether a follower knows of something that this broker's next LeaderAndIsr will bring."""
        return self._params.from_follower and (self._tally.refused > 0 or bool(self._watch.early))

    def look(self, *, first: bool = False) -> None:
        """Read what is named or has changed."""
        dirty, tally = self._watch.dirty, self._tally
        entries = list(dirty)
        if self._start.session is not None:
            entries.sort(key=_rank)
        dirty.clear()
        for entry in entries:
            known = self._answers.get(entry)
            if known is not None:
                tally.remove(known)
        self._room = self._reader.room(self._params)
        for entry in entries:
            answer = self._look_at(entry, first)
            self._answers[entry] = answer
            tally.add(answer)
        self._watch.bytes_seen = max(tally.read, tally.ahead)

    def look_in_steps(self) -> Generator[int, None, None]:
        """The first look where there is much to look at, with pauses. What is not looked at yet
        stays dirty: the fetch may be given up in a pause. What was forgotten in one, with its
        session, is not dirty any more."""
        watch = self._watch
        watch.parked, watch.bytes_seen = self, 0  # to hear of what changes in the pauses
        try:
            yield from self._look_at_each(list(watch.dirty), first=True)
        finally:
            if watch.parked is self:
                watch.parked = None
        self._reader.holds(self._tally.read)
        watch.bytes_seen += max(self._tally.read, self._tally.ahead)

    def _look_at_each(
        self, entries: list[SessionPartition], *, first: bool
    ) -> Generator[int, None, None]:
        dirty, tally = self._watch.dirty, self._tally
        session = self._start.session
        if session is not None:
            entries.sort(key=_rank)
        for entry in entries:
            known = self._answers.get(entry)
            if known is not None:
                tally.remove(known)
        self._is_looking = True
        counted = 0
        try:
            for entry in entries:
                if entry in dirty or session is None:
                    self._room = self._room_beside(counted)
                    answer = self._look_at(entry, first)
                    self._answers[entry] = answer
                    tally.add(answer)
                    self._reader.count(answer.size)
                    counted += answer.size
                yield 1
        finally:
            self._reader.count(-counted)
            self._is_looking = False

    def _room_beside(self, counted: int) -> int:
        """What there is room for now, with what this fetch has taken of it."""
        room = self._reader.room(self._params)
        if counted:
            return min(counted + max(room, 0), FETCH_BYTES_AT_ONCE)
        return room

    def _look_at(self, entry: SessionPartition, first: bool) -> FetchedPartition:
        reader, params, watch = self._reader, self._params, self._watch
        known = self._answers.get(entry)
        if watch.early.pop(entry, None) is not None or (known is not None and known.refused):
            first = True  # not counted yet
        try:
            if params.may_read is not None:
                reader.check_allowed(entry, params.may_read)
            partition = reader.partition_for(entry, watch.places.get(entry))
            self._place(entry, partition)
            reader.check(partition, entry, params)
            elsewhere = (
                None if params.choice is None else reader.preferred(partition, entry, params)
            )
            if elsewhere is not None:
                watch.dirty[entry] = None
                return elsewhere
            answer = reader.read(
                partition,
                entry,
                params,
                first=first,
                max_bytes=self._budget(),
                min_one=self._tally.read == 0 and self._room >= 0 and params.may_exceed,
                throttled=self._tally.throttled,
            )
            if reader.is_up_to_date(partition, entry, params, answer):
                watch.dirty.pop(entry, None)
            else:
                watch.dirty[entry] = None
            return answer
        except KafkaError as error:
            answer = reader.failed(entry, error)
            is_unknown = isinstance(error, PreReadError)
            # What was known at the first look and no longer is was deleted meanwhile.
            answer.refused = first if is_unknown else self._is_early(error)
            answer.ends_wait = not answer.refused
            if answer.refused and params.from_follower and self._start.session is not None:
                watch.early[entry] = not is_unknown
                self._early.add(watch)
            else:
                watch.dirty[entry] = None
            return answer
        except OSError as error:
            reader.storage_failed(partition, error)
            watch.dirty[entry] = None
            answer = reader.failed(entry, KafkaError(ErrorCode.KAFKA_STORAGE_ERROR))
            answer.ends_wait = True
            return answer

    def _is_early(self, error: KafkaError) -> bool:
        """A follower's leader epoch is newer than ours: our LeaderAndIsr is on its way."""
        return self._params.from_follower and error.code == ErrorCode.UNKNOWN_LEADER_EPOCH

    def _budget(self) -> int:
        """Bytes that may still be read; 0 once the limit or the memory is used up. As in the
        original, a limit below zero is an error of the first partition and none for the others."""
        limit = min(self._max_bytes, max(self._room, 0))
        return max(limit - self._tally.read, 0) if self._answers else limit

    def _place(self, entry: SessionPartition, partition: Partition) -> None:
        """Register a session's entry where its partition lives now. A fetch without session does
        so only when it waits."""
        if self._start.session is None and self._future is None:
            return
        watch = self._watch
        if watch.places.get(entry) is not partition:
            watch.move(entry, partition, to_log_end=self._params.to_log_end)

    # Waiting

    def park(
        self, loop: asyncio.AbstractEventLoop, wheel: DeadlineWheel, deadline_ms: int
    ) -> asyncio.Future[Fetched]:
        """Wait for changes until ``deadline_ms``."""
        self._let_go()
        future: PromptFuture[Fetched] = PromptFuture(loop=loop)
        self._future = future
        future.given_up = self._given_up
        self._wheel = wheel
        self._watch.parked = self
        wheel.add(self, deadline_ms)
        if self.is_ahead:
            self._early.add(self._watch)
        if self._start.session is None:
            for entry in self._start.named:
                if entry in self._answers and self._answers[entry].refused:
                    continue
                try:
                    self._place(
                        entry, self._reader.partition_for(entry, self._watch.places.get(entry))
                    )
                except KafkaError:
                    continue
        if self._woken:
            self._watch.wake(force=True)
        return future

    def _given_up(self) -> None:
        """Who asked is not there any more."""
        if self._future is not None:
            self._future = None
            if self.is_large:
                self._reader.soon(self._left)
            else:
                self._left()

    def _left(self) -> None:
        self._leave()
        self._unwatch()

    def _leave(self) -> None:
        """Wait no longer."""
        if self._wheel is not None:
            self._wheel.discard(self)
        if self._watch.parked is self:
            self._watch.parked = None
        self._early.fetch_ended(self._watch)
        self._reader.no_longer_waits(self)
        self.look_at_all()

    def _unwatch(self) -> None:
        if self._start.session is None:
            for entry in self._start.named:
                self._watch.forget(entry)

    def look_at_all(self) -> None:
        """At the next look, also at what was put aside."""
        self._watch.dirty.update(self._aside)
        self._aside.clear()

    def wake(self) -> None:
        """A watched partition changed: look again, answer if that is enough."""
        if self._is_looking:
            self._woken = True
            return
        self.look_again()

    def look_again(self) -> None:
        """Answer if what there is to be read now is enough. A follower is answered anyhow if there
        is very much to look at: that is done in steps, and it asks again at once."""
        is_next = self._params.from_follower and self._start.kind is Kind.INCREMENTAL
        if is_next and len(self._watch.dirty) > LOOKS_AT_ONCE:
            self.finish()
            return
        self.look()
        if self.complete:
            self.finish(looked=True)
        else:
            self._let_go()

    def _let_go(self) -> None:
        """Hold no records while waiting: what has some is looked at again at the end. So is what
        this broker does not know, if that is much."""
        if self._is_starved:
            self._reader.wait_for_room(self)
        if self._tally.read:
            for answer in self._answers.values():
                answer.records = []
        if self._tally.refused > PARTITIONS_AT_ONCE and not self._watch.early:
            for entry, answer in self._answers.items():
                if answer.refused:
                    self._watch.dirty.pop(entry, None)
                    self._aside[entry] = None

    def expire(self) -> None:
        """``max_wait_ms`` is over: answer with what there is, and with what is refused unless our
        LeaderAndIsr is just being carried out."""
        if not self._early.roles_change:
            self._expired = True
            self._watch.look_at_early()
        self.finish()

    def make_way(self) -> None:
        """The reader has sent its session's next fetch, and wants this one's answer now. If there
        is very much to look at, that is left to the next."""
        if len(self._watch.dirty) <= LOOKS_AT_ONCE:
            self.finish()
            return
        for entry in self._watch.dirty:
            self._answers.pop(entry, None)
        self.finish(looked=True)

    def finish(self, *, looked: bool = False) -> None:
        """Answer now."""
        future, self._future = self._future, None
        if future is None or self._wheel is None:
            return
        self._leave()
        if not looked and (self.is_large or len(self._watch.dirty) > LOOKS_AT_ONCE):
            entries = list(self._watch.dirty)
            self._unwatch()
            if not future.done():
                future.set_result(self._finish_in_steps(entries))
            return
        if not looked:
            self.look()
        self._unwatch()
        if not future.done():
            future.set_result(self.result())
            self._reader.holds(self._tally.read)

    def _finish_in_steps(
        self, entries: list[SessionPartition]
    ) -> Generator[int, None, FetchResult]:
        yield from self._look_at_each(entries, first=False)
        self._reader.holds(self._tally.read)
        return self.result()

    def result(self) -> FetchResult:
        """The answer; an incremental one lists only what its session does not know yet. Refusals
        come last. A follower gets a refusal only after its whole wait: an error would cost it its
        back-off, so until then its next fetch looks again."""
        session = self._start.session
        if session is None:
            chosen = [self._answers[e] for e in self._start.named if e in self._answers]
            if self._tally.refused:
                chosen.sort(key=_is_refused)
            self._reader.count_sent(chosen, self._params)
            return FetchResult(error=ErrorCode.NONE, session_id=0, partitions=chosen)
        chosen = []
        is_patient = self._params.from_follower and self._start.kind is Kind.INCREMENTAL
        is_patient = is_patient and self._params.max_wait_ms > 0 and not self._expired
        for entry in sorted(self._answers, key=_rank):
            answer = self._answers[entry]
            if answer.refused and is_patient:
                continue
            changed = session.must_send(entry, answer)
            if changed or self._start.kind is Kind.FULL:
                chosen.append(answer)
        if self._tally.refused:
            chosen.sort(key=_is_refused)
        self._reader.count_sent(chosen, self._params)
        return FetchResult(error=ErrorCode.NONE, session_id=session.id, partitions=chosen)


def _rank(entry: SessionPartition) -> int:
    return entry.rank


def _is_refused(answer: FetchedPartition) -> bool:
    return answer.refused
