"""The states of a member and of its group, and a member's moves: the one table (KIP-848)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from barnabas.coordinator.group.records.facts import MemberState


class ConsumerGroupState(Enum):
    """Values are the names that clients see."""

    EMPTY = "Empty"
    ASSIGNING = "Assigning"
    """Members have changed since the target was computed."""
    RECONCILING = "Reconciling"
    """Some members are not at the target yet."""
    STABLE = "Stable"
    DEAD = "Dead"


_STABLE = MemberState.STABLE
_UNREVOKED = MemberState.UNREVOKED_PARTITIONS
_UNRELEASED = MemberState.UNRELEASED_PARTITIONS

_GIVE_BACK = "the target lacks partitions that it has: they are to be revoked"
_NOTHING_MISSING = "everything that the target gives it is its own"
_WAIT = "nothing is to be revoked, but others still hold some of its target"

MEMBER_TRANSITIONS: Final[Mapping[tuple[MemberState, MemberState], str]] = MappingProxyType(
    {
        (_STABLE, _STABLE): f"a new target, and {_NOTHING_MISSING}",
        (_STABLE, _UNREVOKED): f"a new target, and {_GIVE_BACK}",
        (_STABLE, _UNRELEASED): f"a new target: {_WAIT}",
        (_UNREVOKED, _STABLE): f"the member no longer owns what it had to revoke, and"
        f" {_NOTHING_MISSING}",
        (_UNREVOKED, _UNREVOKED): "the same, but a newer target lacks yet more of what it has",
        (_UNREVOKED, _UNRELEASED): "the member no longer owns what it had to revoke; others still"
        " hold some of its target",
        (_UNRELEASED, _STABLE): "the others have released the rest",
        (_UNRELEASED, _UNREVOKED): f"a newer target, and {_GIVE_BACK}",
        (_UNRELEASED, _UNRELEASED): "the others have released some, or a newer target",
    }
)
"""(from, to): what causes it, on a heartbeat of the member. A member whose session times out is
removed from any state; one that does not revoke in time, from UNREVOKED_PARTITIONS."""


def member_transition_table() -> str:
    """The table for the documentation, in Markdown."""
    lines = ["| From | To | When |", "|---|---|---|"]
    lines += [f"| {a.name} | {b.name} | {why} |" for (a, b), why in MEMBER_TRANSITIONS.items()]
    return "\n".join(lines)
