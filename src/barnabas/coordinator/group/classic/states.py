"""GroupState: the states of a group and the moves between them, the one table (reference 8.2)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from barnabas.errors import FatalError


class GroupState(Enum):
    """Values are the names that clients see."""

    EMPTY = "Empty"
    PREPARING_REBALANCE = "PreparingRebalance"
    COMPLETING_REBALANCE = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


_EMPTY = GroupState.EMPTY
_PREPARING = GroupState.PREPARING_REBALANCE
_COMPLETING = GroupState.COMPLETING_REBALANCE
_STABLE = GroupState.STABLE
_DEAD = GroupState.DEAD

TRANSITIONS: Final[Mapping[tuple[GroupState, GroupState], str]] = MappingProxyType(
    {
        (_EMPTY, _PREPARING): "a member joins",
        (_PREPARING, _COMPLETING): "every member has joined again, or the time for that is up",
        (_PREPARING, _EMPTY): "the time is up and no member is left",
        (_COMPLETING, _STABLE): "the leader's assignment is replicated",
        (_COMPLETING, _PREPARING): "a member joins, leaves, fails or never syncs; or the write of"
        " the assignment fails",
        (_STABLE, _PREPARING): "a member joins, leaves, fails or changes what it wants; or the"
        " leader joins again",
        (_EMPTY, _DEAD): "deleted; its last position gone with its topic, by OffsetDelete or by"
        " expiry; or moved to another coordinator",
        (_PREPARING, _DEAD): "moved to another coordinator",
        (_COMPLETING, _DEAD): "moved to another coordinator",
        (_STABLE, _DEAD): "moved to another coordinator",
    }
)
"""(from, to): what causes it. No other change is possible; Dead is final."""

CAN_REBALANCE: Final = tuple(old for old, new in TRANSITIONS if new is _PREPARING)
"""States in which a change of members starts a rebalance. In the others one is under way already.
"""


def check_transition(old: GroupState, new: GroupState) -> None:
    """Raises FatalError for a change that is not in the table, which is a bug."""
    if (old, new) not in TRANSITIONS:
        raise FatalError(f"a group cannot go from {old.value} to {new.value}")


def transition_table() -> str:
    """The table for the documentation, in Markdown."""
    lines = ["| From | To | When |", "|---|---|---|"]
    lines += [f"| {a.value} | {b.value} | {why} |" for (a, b), why in TRANSITIONS.items()]
    return "\n".join(lines)
