"""ReplicaManager.fetchMessages: one read path, sessions and waits (reference 5.6, 5.10).

An incremental fetch looks at the partitions that it names and at those that changed since the last
look; everything else is known to be unchanged. A fetch that finds too little waits in its watch
(``delayed_fetch.py``); when it is answered, ``fetch_completion.py`` decides.
Followers' positions are noted at the first look only (KAFKA-8400). Differences from the original:
an answer carries the high watermark as it is after this fetch was counted, a leader epoch that
rises under a waiting fetch ends the wait at once, and a follower's request for a session does not
wait for records: nothing can follow it before its answer, so whatever that follower is told to copy
next would wait as long, and with it every produce to that partition (reference 14). A follower that
has heard of a new leader epoch before its leader has is not told so: it waits (``early``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator, Mapping

from barnabas.replication.delayed_fetch import DelayedFetch
from barnabas.replication.fetch_params import TOPIC_IDS_FROM_VERSION, FetchParams
from barnabas.replication.fetch_reader import FetchReader
from barnabas.replication.fetch_session import (
    FIRST_EPOCH,
    INITIAL_EPOCH,
    NO_SESSION,
    FetchSession,
    FetchSessionCache,
    Kind,
    SessionStart,
)
from barnabas.replication.partition import Partition
from barnabas.replication.purgatory import DeadlineWheel
from barnabas.replication.results import Fetched, FetchResult
from barnabas.replication.settings import ReplicationContext
from barnabas.replication.watches import EarlyFollowers, FetchWatch
from barnabas.types import UNKNOWN_BROKER_EPOCH, TopicPartition

EARLY_WAIT_MS = 100
"""How long a follower's request for a session waits for our own LeaderAndIsr at most."""


class FetchPath:
    """All fetches served by one broker."""

    def __init__(
        self,
        context: ReplicationContext,
        hosted: Mapping[TopicPartition, Partition],
        wheel: DeadlineWheel,
    ) -> None:
        self._context = context
        self._wheel = wheel
        self._reader = FetchReader(context, hosted)
        self._watches: dict[int, FetchWatch] = {}
        """By session id."""
        self.early = EarlyFollowers()
        self.sessions = FetchSessionCache(
            context.settings.max_incremental_fetch_session_cache_slots,
            context.env.random,
            self._session_closed,
        )

    def fetch(self, params: FetchParams) -> FetchResult | asyncio.Future[Fetched]:
        """The answer, or a future that completes within ``max_wait_ms``; cancel it where nobody
        waits for it any more."""
        now_ms = self._context.now_ms()
        start = self._begin(params, now_ms)
        if start.kind is Kind.ERROR:
            return FetchResult(error=start.error, session_id=0, partitions=[])
        watch = self._watch(params, start)
        fetch = DelayedFetch(self._reader, params, start, watch, self.early)
        fetch.look(first=True)
        return self._looked(fetch, params, start, watch, now_ms)

    def follower_fetches(self) -> Iterator[int]:
        """When each follower with a session has fetched last, by the loop's clock in ms."""
        return (w.last_fetch_ms for w in self._watches.values() if w.replica_id >= 0)

    def backlog(self, session_id: int) -> int:
        """How many partitions of a session its next fetch looks at beside those that it names."""
        watch = self._watches.get(session_id)
        return 0 if watch is None else len(watch.dirty)

    def fetch_in_steps(
        self, params: FetchParams
    ) -> Generator[int, None, FetchResult | asyncio.Future[Fetched]]:
        """``fetch`` for very many partitions, with pauses."""
        now_ms = self._context.now_ms()
        start = self._begin(params, now_ms)
        if start.kind is Kind.ERROR:
            return FetchResult(error=start.error, session_id=0, partitions=[])
        watch = self._watch(params, start)
        fetch = DelayedFetch(self._reader, params, start, watch, self.early)
        yield 1
        yield from fetch.look_in_steps()
        return self._looked(fetch, params, start, watch, now_ms)

    def _begin(self, params: FetchParams, now_ms: int) -> SessionStart:
        earlier = self._watches.get(params.session_id)
        if params.from_follower and params.session_epoch == INITIAL_EPOCH:
            self._end_given_up(params)
        start = self.sessions.begin(
            session_id=params.session_id,
            epoch=params.session_epoch,
            wanted=params.partitions,
            forgotten=params.forgotten,
            from_follower=params.from_follower,
            uses_topic_ids=params.version >= TOPIC_IDS_FROM_VERSION,
            now_ms=now_ms,
        )
        if earlier is not None:
            for gone in start.forgotten:
                earlier.drop(gone)
        return start

    def _end_given_up(self, params: FetchParams) -> None:
        """A follower asks for a session: those in which it has asked for the same partitions are
        given up. Nobody would end them, and each change would be noted for them too. What is not
        asked for now, because the follower puts it off, is not copied any more. A Java follower may
        have several sessions, but no partition is in two of them."""
        earlier = [n for n, w in self._watches.items() if w.replica_id == params.replica_id]
        if not earlier:
            return
        asked = {entry.key for entry in params.partitions}
        for session_id in earlier:
            session, watch = self.sessions.get(session_id), self._watches[session_id]
            if session is None:
                continue
            if session_id != params.session_id and asked.isdisjoint(session.partitions):
                continue
            for key, entry in session.partitions.items():
                if key not in asked:
                    watch.drop(entry)
            self.sessions.close(session_id)

    def _looked(
        self,
        fetch: DelayedFetch,
        params: FetchParams,
        start: SessionStart,
        watch: FetchWatch,
        now_ms: int,
    ) -> FetchResult | asyncio.Future[Fetched]:
        watch.last_fetch_ms = now_ms
        if (
            fetch.complete
            or params.max_wait_ms <= 0
            or not self._reader.may_wait(fetch_is_large=fetch.is_large)
        ):
            return fetch.result()
        wait_ms = params.max_wait_ms
        if params.from_follower and start.kind is Kind.FULL:
            wait_ms = min(wait_ms, EARLY_WAIT_MS)
        deadline_ms = now_ms + wait_ms
        if params.from_follower and start.kind is Kind.INCREMENTAL:
            # At a multiple of the wait: the waits of idle followers end together, as often as they
            # would apart, and wake this broker, and on one machine each other, once for all.
            deadline_ms -= deadline_ms % wait_ms
        return fetch.park(self._context.loop, self._wheel, deadline_ms)

    def unsent(self, result: FetchResult) -> int:
        """Nothing of an answer is sent, because its reader has to wait: what it would have told is
        news still. The session to answer with: one that was about to begin does not."""
        session = self.sessions.get(result.session_id)
        if session is None:
            return result.session_id
        if session.epoch == FIRST_EPOCH:
            self.sessions.close(session.id)
            return NO_SESSION
        watch = self._watches.get(session.id)
        for told in result.partitions:
            by = told.topic_id if told.topic_id is not None else told.topic
            entry = session.partitions.get((by, told.partition))
            if entry is not None:
                entry.sent_high_watermark = entry.sent_log_start = -1
                if watch is not None:
                    watch.dirty[entry] = None
        return session.id

    def _watch(self, params: FetchParams, start: SessionStart) -> FetchWatch:
        """The watch of the session, or one for this request; what is named counts as dirty."""
        session = start.session
        watch = None if session is None else self._watches.get(session.id)
        if session is None and params.from_follower:
            self._context.left_ms = self._context.now_ms()
        if watch is None:
            watch = FetchWatch(self._context.wakes, params.replica_id)
            watch.broker_epoch = params.broker_epoch
            if session is not None:
                self._watches[session.id] = watch
        elif watch.parked is not None:
            watch.parked.make_way()
        for entry in start.named:
            watch.dirty[entry] = None
        if session is not None and watch.broker_epoch != params.broker_epoch:
            # The replica has registered anew: every position must be noted under the new epoch.
            watch.broker_epoch = params.broker_epoch
            watch.dirty.update(dict.fromkeys(session.partitions.values()))
        if session is not None and watch.acl_generation != params.acl_generation:
            watch.dirty.update(dict.fromkeys(session.partitions.values()))
        watch.acl_generation = params.acl_generation
        if params.from_follower:
            highest = self._context.highest_broker_epochs
            known = highest.get(params.replica_id, UNKNOWN_BROKER_EPOCH)
            highest[params.replica_id] = max(known, params.broker_epoch)
        return watch

    def _session_closed(self, session: FetchSession) -> None:
        watch = self._watches.pop(session.id, None)
        if watch is None:
            return
        if watch.replica_id >= 0:
            self._context.left_ms = self._context.now_ms()
        if watch.parked is not None:
            watch.parked.finish()
        for entry in session.partitions.values():
            watch.forget(entry)
        self.early.drop(watch)
