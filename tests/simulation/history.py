"""What clients did and were told, as ``checker`` judges it.

Every produced value is unique. ``ok`` means acknowledged, ``fail`` means it definitely did not
happen, ``info`` means nobody knows: time-outs, lost connections and NOT_LEADER_OR_FOLLOWER are
``info``.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import Enum


class Outcome(Enum):
    """What the client knows of an operation."""

    OK = "ok"
    FAIL = "fail"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """One produced value; ``offset`` if the acknowledgement told it."""

    process: str
    key: str
    """The partition, by whatever name."""
    value: Hashable
    outcome: Outcome
    offset: int | None = None
    completed: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """What one poll returned, in order. A new position (assign, seek) begins a new segment."""

    process: str
    segment: int
    records: tuple[tuple[str, int, Hashable], ...]
    """(key, offset, value)"""
    assigned: bool = True
    """Positions move only when the client moves them (assign), not by rebalances (subscribe)."""
    group: str = ""
    """On whose behalf."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A group's offset committed."""

    group: str
    key: str
    offset: int
    outcome: Outcome
    invoked: float
    completed: float
    generation: int = -1
    """Of the member that committed; -1 if nobody was a member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """A group's offset read back; -1 if there was none."""

    group: str
    key: str
    offset: int
    invoked: float
    completed: float | None = None
    """If it is known, the offset counts as committed from then on: somebody has seen it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """A member was given its partitions of a generation."""

    group: str
    generation: int
    member: str
    keys: tuple[str, ...]
    completed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """A key of a compacted partition set to a value, which is unique unless it is None (deleted).
    One process at most writes a key, and numbers what it writes."""

    key: str
    """The partition."""
    name: str
    """The record's key."""
    version: int
    value: str | None
    outcome: Outcome
    offset: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A compacted partition read from its start to (not including) an offset."""

    process: str
    key: str
    end: int
    records: tuple[tuple[int, str, str | None], ...]
    """(offset, the record's key, value)"""
    final: bool = False
    """After quiet returned: every update that was acknowledged is below the end."""


@dataclass(slots=True)
class History:
    """All that clients did."""

    idempotent: bool = True
    """Producers are idempotent, or never retry: a duplicate is a fault."""
    ordered: bool = True
    """Producers are idempotent or keep one request in flight: their offsets grow."""
    drained: bool = False
    """Consumers have read everything after quiet returned: what is unseen now is lost."""
    sends: list[Send] = field(default_factory=list)
    polls: list[Poll] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)
    committed: list[Committed] = field(default_factory=list)
    assigned: list[Assigned] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    scans: list[Scan] = field(default_factory=list)
    starts: dict[str, int] = field(default_factory=dict)
    """Partition -> what retention has deleted below, as far as a reader was told."""
