"""FetchSessionHandler: what a follower's next request must name (KIP-227).

Pure. The fetcher says what changed; nobody walks over all partitions to find out. Requests may be
pipelined (a second one while the first waits at the leader), so the epoch moves on when a request
is built, and an answer counts only for the generation that asked.
"""

from __future__ import annotations

import uuid
from itertools import islice
from typing import NamedTuple

from barnabas.errors import ErrorCode
from barnabas.limits import REQUEST_PARTITIONS_MAX
from barnabas.replication.fetch_session import (
    FINAL_EPOCH,
    INITIAL_EPOCH,
    NO_SESSION,
    next_epoch,
)
from barnabas.types import TopicPartition

NAMED_MAX = REQUEST_PARTITIONS_MAX // 2
"""Partitions that a request names or forgets; the next one has more. A leader refuses a request
with very many as a whole."""


class Wanted(NamedTuple):
    """What a follower asks of one partition."""

    topic_id: uuid.UUID
    current_leader_epoch: int
    fetch_offset: int
    last_fetched_epoch: int
    log_start_offset: int
    max_bytes: int


class SessionFetch(NamedTuple):
    """One request: session fields, partitions to name, partitions to forget."""

    generation: int
    sequence: int
    session_id: int
    epoch: int
    named: tuple[tuple[TopicPartition, Wanted], ...]
    forgotten: tuple[tuple[uuid.UUID, int], ...]

    @property
    def full(self) -> bool:
        """Whether it names everything and asks for a new session."""
        return self.epoch == INITIAL_EPOCH


class FetchSessionHandler:
    """The session with one leader."""

    def __init__(self) -> None:
        self._session_id = NO_SESSION
        self._epoch = INITIAL_EPOCH
        self._generation = 0
        self._wanted: dict[TopicPartition, Wanted] = {}
        self._changed: dict[TopicPartition, None] = {}
        self._turn: dict[TopicPartition, None] = {}
        """Not yet named since all were named last, while there is no session for too many."""
        self._forgotten: dict[tuple[uuid.UUID, int], None] = {}
        self._sequence = 0
        self._told: dict[TopicPartition, int] = {}

    @property
    def established(self) -> bool:
        """Whether the leader has granted a session: only then may requests be pipelined."""
        return self._session_id != NO_SESSION and self._epoch != INITIAL_EPOCH

    @property
    def has_changes(self) -> bool:
        """Whether the leader does not yet know everything we want."""
        return bool(self._changed or self._forgotten)

    def __len__(self) -> int:
        return len(self._wanted)

    def wanted(self, partition: TopicPartition) -> Wanted | None:
        """What was last asked of this partition."""
        return self._wanted.get(partition)

    def want(self, partition: TopicPartition, wanted: Wanted) -> None:
        """Ask this of a partition from the next request on; an equal wish costs nothing."""
        known = self._wanted.get(partition)
        if known == wanted:
            return
        if known is not None and known.topic_id != wanted.topic_id:
            self._forgotten[known.topic_id, partition.partition] = None
        self._forgotten.pop((wanted.topic_id, partition.partition), None)
        self._wanted[partition] = wanted
        self._changed[partition] = None

    def is_current(self, request: SessionFetch, partition: TopicPartition) -> bool:
        """Whether what ``request`` asked of a partition is what we want of it still: its answer may
        be used (KAFKA-7786)."""
        return (
            partition in self._wanted
            and partition not in self._changed
            and self._told[partition] <= request.sequence
        )

    def repeat(self, partition: TopicPartition) -> None:
        """Name a partition again although nothing changed (its answer was no use)."""
        if partition in self._wanted:
            self._changed[partition] = None

    def forget(self, partition: TopicPartition) -> None:
        """Stop asking for a partition."""
        known = self._wanted.pop(partition, None)
        self._changed.pop(partition, None)
        self._turn.pop(partition, None)
        self._told.pop(partition, None)
        if known is not None:
            self._forgotten[known.topic_id, partition.partition] = None

    def build(self) -> SessionFetch:
        """The next request; the wishes that it names count as told from here on."""
        if self._epoch in (INITIAL_EPOCH, FINAL_EPOCH):
            self._forgotten.clear()
            names = list(self._wanted) if len(self._wanted) <= NAMED_MAX else self._next_in_turn()
        else:
            names = list(islice(self._changed, NAMED_MAX))
        forgotten = tuple(islice(self._forgotten, NAMED_MAX))
        self._sequence += 1
        for name in names:
            self._told[name] = self._sequence
        request = SessionFetch(
            generation=self._generation,
            sequence=self._sequence,
            session_id=self._session_id,
            epoch=self._epoch,
            named=tuple((name, self._wanted[name]) for name in names),
            forgotten=forgotten,
        )
        for name in names:
            self._changed.pop(name, None)
        for key in forgotten:
            del self._forgotten[key]
        if self._epoch != INITIAL_EPOCH:
            self._epoch = next_epoch(self._epoch)
        return request

    def answered(self, request: SessionFetch, *, error: ErrorCode, session_id: int) -> bool:
        """Take an answer's session fields; whether its partitions may be used."""
        current = request.generation == self._generation
        if error != ErrorCode.NONE:
            if current:
                keep = error == ErrorCode.INVALID_FETCH_SESSION_EPOCH
                self._restart(self._session_id if keep else NO_SESSION)
            return False
        if not current:
            return True
        if request.full:
            self._session_id = session_id
            self._epoch = 1 if session_id != NO_SESSION else INITIAL_EPOCH
            if session_id != NO_SESSION:
                self._turn = {}
                # The session has what this request named; earlier ones had none.
                others = (n for n in self._wanted if self._told.get(n) != request.sequence)
                self._changed.update(dict.fromkeys(others))
        elif session_id == NO_SESSION:
            # The leader closed the session (it became empty): begin anew.
            self._restart(NO_SESSION)
        return True

    def lost(self) -> None:
        """The connection broke: the next request is full again."""
        self._restart(NO_SESSION)

    def _next_in_turn(self) -> list[TopicPartition]:
        """What a request without a session names of more than it may. All are named before one is
        named again."""
        if not self._turn:
            self._turn = dict.fromkeys(self._wanted)
        names = list(islice(self._turn, NAMED_MAX))
        for name in names:
            del self._turn[name]
        return names

    def _restart(self, session_id: int) -> None:
        self._generation += 1
        self._session_id = session_id
        self._epoch = INITIAL_EPOCH
        # A full request names everything: until it is built nothing counts as told.
        self._changed = dict.fromkeys(self._wanted)
        self._forgotten.clear()
