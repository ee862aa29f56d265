"""Sessions, without a clock."""

from __future__ import annotations

import pytest
from tests.virtual_time import run
from tests.zookeeper.server.kit import connect, coordinator

from barnabas.zookeeper.messages import (
    INT_MAX,
)
from barnabas.zookeeper.server.sessions import Sessions, fast_expiry_ms


def fresh(epoch: int = 1) -> Sessions[str]:
    return Sessions(epoch=epoch, timeout_min_ms=4000, timeout_max_ms=40_000)


def test_a_session_is_due_when_nothing_was_heard_for_its_timeout() -> None:
    sessions = fresh()
    ann = sessions.begin(timeout_ms=5000, grace_ms=0, password=b"p", now=10.0)
    bob = sessions.begin(timeout_ms=9000, grace_ms=0, password=b"q", now=10.0)
    assert sessions.next_deadline() == 15.0
    ann.touch(12.0)
    assert sessions.due(16.9) == []
    assert sessions.due(17.0) == [ann]
    sessions.end(ann)
    assert sessions.due(19.0) == [bob]
    assert list(sessions.changed) == [ann.id, bob.id]


def test_ids_of_two_epochs_never_meet() -> None:
    first = [fresh(1).begin(timeout_ms=1, grace_ms=0, password=b"", now=0).id]
    later = fresh(2).begin(timeout_ms=1, grace_ms=0, password=b"", now=0).id
    assert later - first[0] == 1 << 32
    assert 0 < later < 1 << 57


def test_only_the_password_opens_a_session_again() -> None:
    sessions = fresh()
    ann = sessions.begin(timeout_ms=5000, grace_ms=0, password=b"secret", now=0.0)
    assert sessions.resume(ann.id, b"guess", 5000, 1.0) is None
    assert sessions.resume(ann.id, None, 5000, 1.0) is None
    assert sessions.resume(ann.id + 1, b"secret", 5000, 1.0) is None
    assert sessions.resume(ann.id, b"secret", 7000, 1.0) is ann
    assert (ann.timeout_ms, ann.deadline) == (7000, 8.0)


def test_restored_sessions_have_their_full_time() -> None:
    sessions = fresh()
    ann = sessions.begin(timeout_ms=5000, grace_ms=100, password=b"p", now=0.0)
    again = fresh(2)
    again.restore([ann.stored()], now=100.0)
    assert again.next_deadline() == 105.0
    assert again.live[ann.id].grace_ms == 100


@pytest.mark.parametrize(
    ("password", "grace_ms"),
    [
        (None, 0),
        (bytes(16), 0),
        (b"barnabas" + (250).to_bytes(4, "big") + bytes(4), 250),
        (b"barnabas" + (250).to_bytes(4, "big") + b"\0\0\0\1", 0),
        (b"barnabas" + b"\xff" * 4 + bytes(4), 0),
        (b"barnabas" + (250).to_bytes(4, "big"), 0),
    ],
)
def test_fast_expiry_is_asked_for_in_the_password(password: bytes | None, grace_ms: int) -> None:
    assert fast_expiry_ms(password) == grace_ms


def test_session_ids_wrap_within_their_server_and_pass_over_those_in_use() -> None:
    sessions: Sessions[None] = Sessions(epoch=0, timeout_min_ms=1, timeout_max_ms=10)

    def begin() -> int:
        return sessions.begin(timeout_ms=5, grace_ms=0, password=bytes(16), now=0.0).id

    first = begin()
    sessions._last_number = (1 << 56) - 2
    assert begin() == (1 << 57) - 1
    assert begin() == 1 << 56
    assert begin() == first + 1


def test_a_session_timeout_fits_its_field() -> None:
    async def main() -> None:
        async with coordinator(tick_ms=INT_MAX) as server:
            client = await connect(server, timeout_ms=INT_MAX)
            assert client.session.timeout_ms == INT_MAX

    run(main())
