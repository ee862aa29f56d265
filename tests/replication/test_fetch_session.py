"""Fetch sessions, both sides: KIP-227, reference 5.10, trap 20."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass

import pytest

from barnabas.errors import ErrorCode
from barnabas.limits import PARTITIONS_AT_ONCE, REQUEST_PARTITIONS_MAX, SESSION_PARTITIONS_MAX
from barnabas.replication.fetch_session import (
    EPOCH_MAX,
    EVICTION_IDLE_MS,
    FetchSession,
    FetchSessionCache,
    Kind,
    SessionPartition,
    SessionStart,
    next_epoch,
)

ID = uuid.UUID(int=77)


def entry(partition: int, offset: int = 0, epoch: int = 3) -> SessionPartition:
    return SessionPartition(
        topic="t",
        topic_id=ID,
        partition=partition,
        fetch_offset=offset,
        max_bytes=1000,
        current_leader_epoch=epoch,
    )


@dataclass
class Answer:
    error: ErrorCode = ErrorCode.NONE
    high_watermark: int = 0
    log_start_offset: int = 0
    size: int = 0
    diverging: object = None
    preferred_read_replica: int = -1


class Server:
    def __init__(self, slots: int = 3) -> None:
        self.closed: list[int] = []
        self.now_ms = 0
        self.cache = FetchSessionCache(slots, random.Random(1), self._closed)

    def _closed(self, session: FetchSession) -> None:
        self.closed.append(session.id)

    def begin(
        self,
        session_id: int,
        epoch: int,
        wanted: list[SessionPartition],
        forgotten: tuple[int, ...] = (),
        *,
        follower: bool = False,
        ids: bool = True,
    ) -> SessionStart:
        return self.cache.begin(
            session_id=session_id,
            epoch=epoch,
            wanted=wanted,
            forgotten=[(ID, partition) for partition in forgotten],
            from_follower=follower,
            uses_topic_ids=ids,
            now_ms=self.now_ms,
        )

    def full(self, count: int = 1, *, follower: bool = False) -> FetchSession:
        start = self.begin(0, 0, [entry(p) for p in range(count)], follower=follower)
        assert start.kind is Kind.FULL
        assert start.session is not None
        return start.session


def test_epochs_wrap_to_one() -> None:
    assert next_epoch(0) == 1
    assert next_epoch(EPOCH_MAX) == 1
    assert next_epoch(-1) == -1


def test_full_then_incremental_then_forgotten_to_the_last() -> None:
    server = Server()
    session = server.full(2)
    start = server.begin(session.id, 1, [entry(0, offset=5, epoch=4), entry(7)])
    assert start.kind is Kind.INCREMENTAL
    assert [p.partition for p in start.named] == [0, 7]
    assert start.named[0].fetch_offset == 5
    assert start.named[0].current_leader_epoch == 4, "trap 20: the epoch is the request's"
    assert [p.partition for p in session.partitions.values()] == [0, 1, 7]
    start = server.begin(session.id, 2, [], (0, 1, 7))
    assert (start.kind, start.named) == (Kind.SESSIONLESS, ())
    assert start.session_id == 0
    assert server.closed == [session.id]


def test_errors_of_incremental_requests() -> None:
    server = Server()
    session = server.full()
    assert server.begin(99, 1, []).error is ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert server.begin(session.id, 2, []).error is ErrorCode.INVALID_FETCH_SESSION_EPOCH
    wrong = server.begin(session.id, 1, [], ids=False)
    assert wrong.error is ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR
    assert server.begin(session.id, 1, []).kind is Kind.INCREMENTAL


def test_final_epoch_closes_and_answers_in_full() -> None:
    server = Server()
    session = server.full()
    start = server.begin(session.id, -1, [entry(0)])
    assert start.kind is Kind.SESSIONLESS
    assert server.closed == [session.id]
    assert server.begin(0, -1, [entry(0)]).kind is Kind.SESSIONLESS
    assert len(server.cache) == 0


def test_epoch_zero_with_an_id_replaces_the_session() -> None:
    server = Server()
    session = server.full()
    start = server.begin(session.id, 0, [entry(0)])
    assert start.kind is Kind.FULL
    assert start.session_id != session.id
    assert server.closed == [session.id]


def test_incremental_answers_list_only_what_changed() -> None:
    server = Server()
    session = server.full(2)
    kept = session.partitions[ID, 0]
    assert session.must_send(kept, Answer(high_watermark=5))
    assert not session.must_send(kept, Answer(high_watermark=5))
    assert session.must_send(kept, Answer(high_watermark=5, log_start_offset=1))
    assert session.must_send(kept, Answer(error=ErrorCode.NOT_LEADER_OR_FOLLOWER))
    assert session.must_send(kept, Answer(high_watermark=5, log_start_offset=1)), "after an error"
    assert session.must_send(kept, Answer(high_watermark=5, log_start_offset=1, diverging=(1, 2)))
    rank = kept.rank
    assert session.must_send(kept, Answer(high_watermark=5, log_start_offset=1, size=10))
    assert kept.rank > max(rank, session.partitions[ID, 1].rank), "data moves it to the end"


def test_eviction_prefers_idle_then_consumers_for_followers() -> None:
    server = Server(slots=2)
    consumer = server.full(5)
    follower = server.full(1, follower=True)
    assert server.begin(0, 0, [entry(0)]).kind is Kind.SESSIONLESS, "nobody may be evicted"
    server.full(1, follower=True)
    assert server.closed == [consumer.id]
    server.now_ms = EVICTION_IDLE_MS + 1
    server.begin(follower.id, 1, [])
    server.full(1)
    assert follower.id not in server.closed, "only the idle one goes"


def test_no_slots_grants_nothing() -> None:
    assert Server(slots=0).begin(0, 0, [entry(0)], follower=True).kind is Kind.SESSIONLESS


def test_sessions_of_consumers_hold_so_many_partitions_together() -> None:
    server = Server(slots=100)
    for _ in range(SESSION_PARTITIONS_MAX // REQUEST_PARTITIONS_MAX):
        server.full(REQUEST_PARTITIONS_MAX)
    assert server.begin(0, 0, [entry(0)]).kind is Kind.SESSIONLESS
    assert server.begin(0, 0, [entry(0)], follower=True).kind is Kind.FULL


def _grow(server: Server, session: FetchSession, count: int, *, step: int) -> SessionStart:
    """Name more partitions until there are ``count``; the last answer, or the first refusal."""
    while True:
        held = len(session.partitions)
        more = [entry(p) for p in range(held, min(held + step, count))]
        start = server.begin(session.id, session.epoch, more)
        if start.kind is Kind.ERROR or len(session.partitions) == count:
            return start


@pytest.mark.parametrize("step", [PARTITIONS_AT_ONCE, 9_500])
def test_a_session_of_a_consumer_holds_so_many_partitions(step: int) -> None:
    server = Server()
    session = server.full(REQUEST_PARTITIONS_MAX)
    most = 2 * REQUEST_PARTITIONS_MAX
    assert _grow(server, session, most, step=step).kind is Kind.INCREMENTAL
    known = [entry(p, offset=5) for p in range(step)]
    start = server.begin(session.id, session.epoch, known)
    assert (start.kind, len(start.named)) == (Kind.INCREMENTAL, step)
    refused = _grow(server, session, most + step, step=step)
    assert refused.error is ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert server.closed == [session.id]


def test_partitions_of_a_session_named_anew_do_not_count_twice() -> None:
    server = Server()
    session = server.full(REQUEST_PARTITIONS_MAX)
    _grow(server, session, 31_000, step=9_500)
    known = [entry(p, offset=5) for p in range(9_500)]
    assert server.begin(session.id, session.epoch, known).kind is Kind.INCREMENTAL
    refused = _grow(server, session, 40_500, step=9_500)
    assert refused.error is ErrorCode.FETCH_SESSION_ID_NOT_FOUND


def test_consumers_cannot_exceed_their_bound_in_small_steps() -> None:
    server = Server(slots=100)
    session = server.full(1)
    for _ in range(SESSION_PARTITIONS_MAX // REQUEST_PARTITIONS_MAX - 1):
        server.full(REQUEST_PARTITIONS_MAX)
    most = REQUEST_PARTITIONS_MAX
    assert _grow(server, session, most, step=100).kind is Kind.INCREMENTAL
    assert server.begin(session.id, session.epoch, [entry(0)]).kind is Kind.INCREMENTAL
    refused = _grow(server, session, most + 1, step=100)
    assert refused.error is ErrorCode.FETCH_SESSION_ID_NOT_FOUND


def test_a_session_of_a_follower_holds_more_while_those_of_all_do_not_hold_too_many() -> None:
    server = Server(slots=100)
    held = 7 * REQUEST_PARTITIONS_MAX
    for _ in range(7):
        server.full(REQUEST_PARTITIONS_MAX, follower=True)
    session = server.full(1, follower=True)
    step = REQUEST_PARTITIONS_MAX // 2
    most = SESSION_PARTITIONS_MAX - held
    assert most > 2 * REQUEST_PARTITIONS_MAX
    assert _grow(server, session, most, step=step).kind is Kind.INCREMENTAL
    small = server.full(1, follower=True)
    second = _grow(server, small, 2 * REQUEST_PARTITIONS_MAX, step=step)
    assert second.kind is Kind.INCREMENTAL, "so many each may have"
    refused = _grow(server, session, most + 1, step=step)
    assert refused.error is ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert server.closed == [session.id]
