"""FetchSession, FetchSessionCache: a reader names its partitions once, then changes (KIP-227).

Pure: who may have a session, which partitions a request means, what an incremental answer must
contain. Reference 5.10. Constants: id 0 is "no session"; epoch 0 starts one, -1 ends it or asks to
do without; after 2^31 - 1 comes 1.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Hashable, Iterable
from enum import Enum, auto
from typing import NamedTuple, Protocol

from barnabas.errors import ErrorCode
from barnabas.limits import PARTITIONS_AT_ONCE, REQUEST_PARTITIONS_MAX, SESSION_PARTITIONS_MAX
from barnabas.types import TopicPartition

NO_SESSION = 0
INITIAL_EPOCH = 0
FIRST_EPOCH = 1
"""Of the first request after that which began the session."""
FINAL_EPOCH = -1
EPOCH_MAX = 2**31 - 1
EVICTION_IDLE_MS = 120_000
"""``min.incremental.fetch.session.eviction.ms``: an idle session older than this may go."""


def next_epoch(epoch: int) -> int:
    """The epoch after ``epoch``; -1 stays, the largest is followed by 1."""
    if epoch < 0:
        return FINAL_EPOCH
    return 1 if epoch == EPOCH_MAX else epoch + 1


class SessionPartition:
    """One partition of one reader: what it asks for, and what it has last been told.

    ``topic`` may be None while an id is not known to this broker. ``current_leader_epoch`` stays
    with the session, so incremental fetches are fenced too (KAFKA-9338).
    """

    __slots__ = (
        "current_leader_epoch",
        "fetch_offset",
        "last_fetched_epoch",
        "log_start_offset",
        "max_bytes",
        "partition",
        "rank",
        "sent_high_watermark",
        "sent_log_start",
        "topic",
        "topic_id",
    )

    def __init__(
        self,
        *,
        topic: str | None,
        topic_id: uuid.UUID | None,
        partition: int,
        fetch_offset: int,
        max_bytes: int,
        current_leader_epoch: int = -1,
        last_fetched_epoch: int = -1,
        log_start_offset: int = -1,
    ) -> None:
        self.topic = topic
        self.topic_id = topic_id
        self.partition = partition
        self.fetch_offset = fetch_offset
        self.max_bytes = max_bytes
        self.current_leader_epoch = current_leader_epoch
        self.last_fetched_epoch = last_fetched_epoch
        self.log_start_offset = log_start_offset
        self.sent_high_watermark = -1
        self.sent_log_start = -1
        self.rank = 0
        """Order in which answers list partitions; data moves one to the end."""

    @property
    def key(self) -> tuple[Hashable, int]:
        """Identity within a session: by id where the reader uses ids."""
        return (self.topic_id if self.topic_id is not None else self.topic, self.partition)

    @property
    def topic_partition(self) -> TopicPartition:
        """Its name; only meaningful once the topic is known."""
        return TopicPartition(self.topic or "", self.partition)

    def update(self, other: SessionPartition) -> None:
        """Take over what a newer request says."""
        self.fetch_offset = other.fetch_offset
        self.max_bytes = other.max_bytes
        self.current_leader_epoch = other.current_leader_epoch
        self.last_fetched_epoch = other.last_fetched_epoch
        self.log_start_offset = other.log_start_offset


class PartitionAnswer(Protocol):
    """What an answer says of one partition, as far as a session cares."""

    @property
    def error(self) -> ErrorCode: ...
    @property
    def high_watermark(self) -> int: ...
    @property
    def log_start_offset(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def diverging(self) -> object: ...
    @property
    def preferred_read_replica(self) -> int: ...


class FetchSession:
    """The remembered partitions of one reader, in answer order."""

    __slots__ = (
        "created_ms",
        "epoch",
        "id",
        "last_used_ms",
        "next_rank",
        "partitions",
        "privileged",
        "uses_topic_ids",
    )

    def __init__(
        self, session_id: int, *, privileged: bool, uses_topic_ids: bool, now_ms: int
    ) -> None:
        self.id = session_id
        self.privileged = privileged
        """A follower's: never evicted for a consumer."""
        self.uses_topic_ids = uses_topic_ids
        self.created_ms = now_ms
        self.last_used_ms = now_ms
        self.epoch = FIRST_EPOCH
        """The epoch that the next request must carry."""
        self.partitions: dict[tuple[Hashable, int], SessionPartition] = {}
        self.next_rank = 0

    def put(self, wanted: SessionPartition) -> SessionPartition:
        """Add or update one partition; the one that is kept."""
        known = self.partitions.get(wanted.key)
        if known is not None:
            known.update(wanted)
            return known
        wanted.rank = self.next_rank
        self.next_rank += 1
        self.partitions[wanted.key] = wanted
        return wanted

    def forget(self, key: tuple[Hashable, int]) -> SessionPartition | None:
        """Drop one partition; the one dropped, if it was there."""
        return self.partitions.pop(key, None)

    def must_send(self, kept: SessionPartition, answer: PartitionAnswer) -> bool:
        """Whether an incremental answer has to list this partition; remembers what is sent.

        After an error the watermark counts as unsent, so that recovery is reported.
        """
        changed = (
            answer.size > 0
            or answer.high_watermark != kept.sent_high_watermark
            or answer.log_start_offset != kept.sent_log_start
            or answer.error != ErrorCode.NONE
            or answer.diverging is not None
            or answer.preferred_read_replica >= 0
        )
        kept.sent_log_start = answer.log_start_offset
        kept.sent_high_watermark = answer.high_watermark if answer.error == ErrorCode.NONE else -1
        if answer.size > 0:
            kept.rank = self.next_rank
            self.next_rank += 1
        return changed


class Kind(Enum):
    """How a request is to be answered."""

    SESSIONLESS = auto()
    FULL = auto()
    """A session begins; everything is listed."""
    INCREMENTAL = auto()
    """Only what changed is listed."""
    ERROR = auto()


class SessionStart(NamedTuple):
    """What a request means: its kind, its session, and the partitions it names."""

    kind: Kind
    error: ErrorCode = ErrorCode.NONE
    session: FetchSession | None = None
    named: tuple[SessionPartition, ...] = ()
    forgotten: tuple[SessionPartition, ...] = ()

    @property
    def session_id(self) -> int:
        """The id to answer with."""
        return NO_SESSION if self.session is None else self.session.id


class FetchSessionCache:
    """All sessions of one broker, bounded by ``max.incremental.fetch.session.cache.slots``."""

    def __init__(
        self, slots: int, rng: random.Random, on_close: Callable[[FetchSession], None]
    ) -> None:
        self._slots = slots
        self._random = rng
        self._on_close = on_close
        self._sessions: dict[int, FetchSession] = {}
        self.evictions = 0
        """Sessions that made room for others."""

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def partition_count(self) -> int:
        """Of all sessions."""
        return sum(len(session.partitions) for session in self._sessions.values())

    def get(self, session_id: int) -> FetchSession | None:
        """The session with this id."""
        return self._sessions.get(session_id)

    def begin(
        self,
        *,
        session_id: int,
        epoch: int,
        wanted: Iterable[SessionPartition],
        forgotten: Iterable[tuple[Hashable, int]],
        from_follower: bool,
        uses_topic_ids: bool,
        now_ms: int,
    ) -> SessionStart:
        """Interpret one request. Full requests may be granted a session or not; both are legal."""
        if epoch in (INITIAL_EPOCH, FINAL_EPOCH):
            if session_id != NO_SESSION:
                self.close(session_id)
            unique = {entry.key: entry for entry in wanted}
            named = tuple(unique.values())
            if epoch == FINAL_EPOCH:
                return SessionStart(kind=Kind.SESSIONLESS, named=named)
            return self._full(named, from_follower, uses_topic_ids, now_ms)
        return self._incremental(session_id, epoch, wanted, forgotten, uses_topic_ids, now_ms)

    def close(self, session_id: int) -> None:
        """Forget a session, if it is there."""
        session = self._sessions.pop(session_id, None)
        if session is not None:
            self._on_close(session)

    def _full(
        self,
        named: tuple[SessionPartition, ...],
        privileged: bool,
        uses_topic_ids: bool,
        now_ms: int,
    ) -> SessionStart:
        # A follower may always have as many as a client's request can name.
        is_bounded = not privileged or len(named) > REQUEST_PARTITIONS_MAX
        if is_bounded and self._held(privileged=privileged) + len(named) > SESSION_PARTITIONS_MAX:
            return SessionStart(kind=Kind.SESSIONLESS, named=named)
        if not self._make_room(privileged, len(named), now_ms):
            return SessionStart(kind=Kind.SESSIONLESS, named=named)
        session = FetchSession(
            self._new_id(), privileged=privileged, uses_topic_ids=uses_topic_ids, now_ms=now_ms
        )
        kept = tuple(session.put(entry) for entry in named)
        self._sessions[session.id] = session
        return SessionStart(kind=Kind.FULL, session=session, named=kept)

    def _incremental(
        self,
        session_id: int,
        epoch: int,
        wanted: Iterable[SessionPartition],
        forgotten: Iterable[tuple[Hashable, int]],
        uses_topic_ids: bool,
        now_ms: int,
    ) -> SessionStart:
        session = self._sessions.get(session_id)
        if session is None:
            return SessionStart(kind=Kind.ERROR, error=ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
        if session.epoch != epoch:
            return SessionStart(kind=Kind.ERROR, error=ErrorCode.INVALID_FETCH_SESSION_EPOCH)
        if session.uses_topic_ids != uses_topic_ids:
            return SessionStart(kind=Kind.ERROR, error=ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
        asked = {entry.key: entry for entry in wanted}
        if len(asked) > PARTITIONS_AT_ONCE:
            more = sum(key not in session.partitions for key in asked)
            if more and self._is_too_much(session, more):
                return self._refuse(session_id)
        held = len(session.partitions)
        named = {key: session.put(entry) for key, entry in asked.items()}
        if len(session.partitions) > held and self._is_too_much(session, 0):
            return self._refuse(session_id)
        dropped = []
        for key in forgotten:
            gone = session.forget(key)
            named.pop(key, None)
            if gone is not None:
                dropped.append(gone)
        if not session.partitions:
            # What it named and forgot at once is served without a session.
            self.close(session_id)
            return SessionStart(
                kind=Kind.SESSIONLESS, named=tuple(asked.values()), forgotten=tuple(dropped)
            )
        session.epoch = next_epoch(epoch)
        session.last_used_ms = now_ms
        return SessionStart(
            kind=Kind.INCREMENTAL,
            session=session,
            named=tuple(named.values()),
            forgotten=tuple(dropped),
        )

    def _refuse(self, session_id: int) -> SessionStart:
        """Close a session that would have too many partitions: its reader begins anew."""
        self.close(session_id)
        return SessionStart(kind=Kind.ERROR, error=ErrorCode.FETCH_SESSION_ID_NOT_FOUND)

    def _held(self, *, privileged: bool) -> int:
        """Partitions in all sessions of followers, or of consumers."""
        sessions = self._sessions.values()
        return sum(len(s.partitions) for s in sessions if s.privileged == privileged)

    def _is_too_much(self, session: FetchSession, more: int) -> bool:
        """Whether a session may not have so many partitions more. A follower's always may have as
        many as a consumer's."""
        is_large = len(session.partitions) + more > 2 * REQUEST_PARTITIONS_MAX
        if session.privileged and not is_large:
            return False
        if is_large and not session.privileged:
            return True
        return self._held(privileged=session.privileged) + more > SESSION_PARTITIONS_MAX

    def _make_room(self, privileged: bool, size: int, now_ms: int) -> bool:
        """Whether a new session fits, evicting at most one: an idle one, else the least worthy."""
        if len(self._sessions) < self._slots:
            return True
        if not self._sessions:
            return False
        oldest = min(self._sessions.values(), key=lambda s: (s.last_used_ms, s.id))
        if now_ms - oldest.last_used_ms > EVICTION_IDLE_MS:
            self.evictions += 1
            self.close(oldest.id)
            return True
        evictable = [
            session
            for session in self._sessions.values()
            if (privileged and not session.privileged)
            or now_ms - session.created_ms > EVICTION_IDLE_MS
        ]
        if not evictable:
            return False
        least = min(evictable, key=lambda s: (s.privileged, len(s.partitions), s.id))
        if (privileged, size) < (least.privileged, len(least.partitions)):
            return False
        self.evictions += 1
        self.close(least.id)
        return True

    def _new_id(self) -> int:
        while True:
            candidate = self._random.randint(1, 2**31 - 1)
            if candidate not in self._sessions:
                return candidate
