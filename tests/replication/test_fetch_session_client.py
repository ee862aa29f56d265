"""FetchSessionHandler: the follower's side of fetch sessions (KIP-227)."""

from __future__ import annotations

import uuid

import pytest

from barnabas.errors import ErrorCode
from barnabas.replication import fetch_session_client
from barnabas.replication.fetch_session_client import FetchSessionHandler, SessionFetch, Wanted
from barnabas.types import TopicPartition

ID = uuid.UUID(int=77)


def wanted(offset: int = 0, topic_id: uuid.UUID = ID) -> Wanted:
    return Wanted(topic_id, 3, offset, -1, 0, 1000)


T0, T1 = TopicPartition("t", 0), TopicPartition("t", 1)


def established(*partitions: TopicPartition) -> FetchSessionHandler:
    client = FetchSessionHandler()
    for partition in partitions:
        client.want(partition, wanted())
    first = client.build()
    assert (first.session_id, first.epoch, first.full) == (0, 0, True)
    assert client.answered(first, error=ErrorCode.NONE, session_id=42)
    return client


def test_client_names_only_changes() -> None:
    client = established(T0, T1)
    request = client.build()
    assert (request.session_id, request.epoch, request.named) == (42, 1, ())
    client.want(T0, wanted())
    assert not client.has_changes, "an equal wish costs nothing"
    client.want(T0, wanted(5))
    client.forget(T1)
    request = client.build()
    assert request.epoch == 2
    assert [name for name, _ in request.named] == [T0]
    assert request.forgotten == ((ID, 1),)


def test_client_forgets_and_returns_in_one_step() -> None:
    client = established(T0)
    client.forget(T0)
    client.want(T0, wanted(3))
    request = client.build()
    assert [name for name, _ in request.named] == [T0]
    assert request.forgotten == ()
    other = uuid.UUID(int=5)
    client.want(T0, wanted(0, other))
    assert client.build().forgotten == ((ID, 0),), "a re-created topic is another one"


@pytest.mark.parametrize(
    ("error", "expected_id"),
    [
        (ErrorCode.FETCH_SESSION_ID_NOT_FOUND, 0),
        (ErrorCode.INVALID_FETCH_SESSION_EPOCH, 42),
        (ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR, 0),
    ],
)
def test_client_starts_anew_after_an_error(error: ErrorCode, expected_id: int) -> None:
    client = established(T0)
    request = client.build()
    assert not client.answered(request, error=error, session_id=0)
    again = client.build()
    assert (again.session_id, again.epoch) == (expected_id, 0)
    assert [name for name, _ in again.named] == [T0]


def test_client_pipelines_and_ignores_errors_of_an_older_generation() -> None:
    client = established(T0)
    first, second = client.build(), client.build()
    assert (first.epoch, second.epoch) == (1, 2)
    client.answered(first, error=ErrorCode.FETCH_SESSION_ID_NOT_FOUND, session_id=0)
    third = client.build()
    client.answered(second, error=ErrorCode.FETCH_SESSION_ID_NOT_FOUND, session_id=0)
    assert client.answered(third, error=ErrorCode.NONE, session_id=43)
    assert client.build().session_id == 43


def test_client_without_a_session_stays_full() -> None:
    client = FetchSessionHandler()
    client.want(T0, wanted())
    client.answered(client.build(), error=ErrorCode.NONE, session_id=0)
    assert client.build().full
    assert not client.established


def test_client_starts_anew_when_the_leader_closes_an_empty_session() -> None:
    client = established(T0)
    client.forget(T0)
    request = client.build()
    assert client.answered(request, error=ErrorCode.NONE, session_id=0)
    client.want(T0, wanted())
    assert client.build().full


def test_client_after_a_lost_connection() -> None:
    client = established(T0)
    client.lost()
    request = client.build()
    assert (request.session_id, request.epoch) == (0, 0)


def _numbers(request: SessionFetch) -> list[int]:
    return [name.partition for name, _ in request.named]


def test_client_names_very_many_in_several_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_session_client, "NAMED_MAX", 3)
    client = FetchSessionHandler()
    names = [TopicPartition("t", number) for number in range(7)]
    for name in names:
        client.want(name, wanted())
    first = client.build()
    assert (first.full, _numbers(first)) == (True, [0, 1, 2])
    assert client.has_changes
    assert client.is_current(first, names[0])
    assert not client.is_current(first, names[3])
    assert client.answered(first, error=ErrorCode.NONE, session_id=42)
    second = client.build()
    assert (second.epoch, _numbers(second)) == (1, [3, 4, 5])
    for name in names[:5]:
        client.forget(name)
    third = client.build()
    assert (_numbers(third), third.forgotten) == ([6], ((ID, 0), (ID, 1), (ID, 2)))
    assert client.has_changes
    client.want(names[3], wanted(8))
    fourth = client.build()
    assert (_numbers(fourth), fourth.forgotten) == ([3], ((ID, 4),))
    assert not client.has_changes
    client.lost()
    assert _numbers(client.build()) == [5, 6, 3]


def test_client_asks_for_all_in_turn_while_it_has_no_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetch_session_client, "NAMED_MAX", 3)
    client = FetchSessionHandler()
    for number in range(7):
        client.want(TopicPartition("t", number), wanted())
    asked = []
    for _ in range(5):
        request = client.build()
        assert request.full
        asked.append(_numbers(request))
        assert client.answered(request, error=ErrorCode.NONE, session_id=0)
        assert all(client.is_current(request, name) for name, _ in request.named)
    assert asked == [[0, 1, 2], [3, 4, 5], [6], [0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("before", range(5))
def test_client_names_all_to_a_session_that_is_granted_late(
    monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    monkeypatch.setattr(fetch_session_client, "NAMED_MAX", 3)
    client = FetchSessionHandler()
    for number in range(7):
        client.want(TopicPartition("t", number), wanted())
    for _ in range(before):
        client.answered(client.build(), error=ErrorCode.NONE, session_id=0)
    request = client.build()
    for number in range(2):
        client.forget(TopicPartition("t", number))
    client.want(TopicPartition("t", 1), wanted(1))
    client.want(TopicPartition("t", 8), wanted())
    client.answered(request, error=ErrorCode.NONE, session_id=42)
    named = set(_numbers(request)) - {0, 1}
    while client.has_changes:
        request = client.build()
        assert not request.full
        assert named.isdisjoint(_numbers(request)), "once is enough"
        named.update(_numbers(request))
    assert named == {1, 2, 3, 4, 5, 6, 8}


def test_client_without_a_session_names_those_without_news_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetch_session_client, "NAMED_MAX", 3)
    client = FetchSessionHandler()
    for number in range(10):
        client.want(TopicPartition("t", number), wanted())
    asked = []
    for offset in range(1, 21):
        request = client.build()
        asked.append(_numbers(request))
        client.answered(request, error=ErrorCode.NONE, session_id=0)
        for number in range(6):
            client.want(TopicPartition("t", number), wanted(offset))
    for first in range(0, 20, 4):
        assert {n for some in asked[first : first + 4] for n in some} == set(range(10))


def test_client_never_names_nothing_of_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_session_client, "NAMED_MAX", 3)
    client = FetchSessionHandler()
    for number in range(7):
        client.want(TopicPartition("t", number), wanted())
    client.answered(client.build(), error=ErrorCode.NONE, session_id=0)
    for number in range(3, 7):
        client.forget(TopicPartition("t", number))
        client.want(TopicPartition("t", number + 10), wanted())
    assert _numbers(client.build()) == [0, 1, 2], "all that was left of the turn is gone"
