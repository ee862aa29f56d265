"""SessionTrackerImpl: the sessions, and when each one expires. Pure: ``now`` is the loop's time in
seconds, given by the caller.

A session expires when its client sent nothing for the negotiated timeout. One that asked for fast
expiry also expires ``grace_ms`` after its connection closed without closeSession, unless the client
has connected again. While the connection is open, silence alone never shortens the timeout.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from barnabas.zookeeper.messages import FAST_EXPIRY_MAGIC, PASSWORD_BYTES
from barnabas.zookeeper.server.store import StoredSession

C = TypeVar("C")

_NUMBER_MASK = (1 << 56) - 1
_SERVER_ID = 1
"""The first byte of a session id. It differs from that of the owners of containers and of znodes
with a time to live."""


class Session(Generic[C]):
    """One client's session; ``connection`` is None while the client is away."""

    __slots__ = ("connection", "deadline", "grace_ms", "id", "password", "timeout_ms")

    def __init__(self, stored: StoredSession, deadline: float) -> None:
        self.id, self.password, self.timeout_ms, self.grace_ms = stored
        self.deadline = deadline
        self.connection: C | None = None

    def touch(self, now: float) -> None:
        """The client sent something: its timeout begins again."""
        self.deadline = now + self.timeout_ms / 1000

    def stored(self) -> StoredSession:
        return StoredSession(self.id, self.password, self.timeout_ms, self.grace_ms)


class Sessions(Generic[C]):
    """All sessions that have not ended, by id."""

    def __init__(self, *, epoch: int, timeout_min_ms: int, timeout_max_ms: int) -> None:
        self.live: dict[int, Session[C]] = {}
        self.changed: dict[int, None] = {}
        """Sessions begun, altered or ended since the caller last cleared it."""
        self._timeout_min_ms = timeout_min_ms
        self._timeout_max_ms = timeout_max_ms
        self._last_number = (epoch & 0xFFFFFF) << 32

    def negotiate(self, timeout_ms: int) -> int:
        return max(self._timeout_min_ms, min(timeout_ms, self._timeout_max_ms))

    def restore(self, stored: Iterable[StoredSession], now: float) -> None:
        """Take the sessions of before a restart: each has its full timeout, none expires fast."""
        for session in stored:
            self.live[session.id] = Session(session, now + session.timeout_ms / 1000)

    def begin(self, *, timeout_ms: int, grace_ms: int, password: bytes, now: float) -> Session[C]:
        id_ = self._next_id()
        timeout_ms = self.negotiate(timeout_ms)
        session: Session[C] = Session(
            StoredSession(id_, password, timeout_ms, min(grace_ms, timeout_ms)),
            now + timeout_ms / 1000,
        )
        self.live[session.id] = session
        self.changed[session.id] = None
        return session

    def _next_id(self) -> int:
        """A session id that is not 0, not of another server, and not in use."""
        while True:
            self._last_number = self._last_number + 1 & _NUMBER_MASK
            id_ = _SERVER_ID << 56 | self._last_number
            if id_ not in self.live:
                return id_

    def resume(
        self, id_: int, password: bytes | None, timeout_ms: int, now: float
    ) -> Session[C] | None:
        """The session of a client that connects again; None if it has ended or the password is
        wrong."""
        session = self.live.get(id_)
        if session is None or session.password != password:
            return None
        timeout_ms = self.negotiate(timeout_ms)
        if timeout_ms != session.timeout_ms:
            session.timeout_ms = timeout_ms
            self.changed[id_] = None
        session.touch(now)
        return session

    def end(self, session: Session[C]) -> None:
        del self.live[session.id]
        self.changed[session.id] = None

    def due(self, now: float) -> list[Session[C]]:
        """Sessions whose timeout has passed."""
        return [session for session in self.live.values() if session.deadline <= now]

    def next_deadline(self) -> float | None:
        return min((session.deadline for session in self.live.values()), default=None)

    def start_over(self, now: float) -> None:
        """Give every session its full timeout again, since the coordinator itself was stopped."""
        for session in self.live.values():
            session.touch(now)


def fast_expiry_ms(password: bytes | None) -> int:
    """The fast expiry in ms that a client asks for when it begins a session; 0 if it does not ask.

    It is in the password, which has no other use then: the magic, ms as i32, four zero bytes."""
    if password is None or len(password) != PASSWORD_BYTES:
        return 0
    if not password.startswith(FAST_EXPIRY_MAGIC) or any(password[12:]):
        return 0
    return max(0, int.from_bytes(password[8:12], "big", signed=True))
