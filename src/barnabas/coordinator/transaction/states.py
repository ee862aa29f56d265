"""TransactionState: the states of a transactional id and their moves (reference 7.5). One table."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from barnabas.errors import FatalError


class TransactionState(IntEnum):
    """Values are the ids in ``__transaction_state``."""

    EMPTY = 0
    ONGOING = 1
    PREPARE_COMMIT = 2
    PREPARE_ABORT = 3
    COMPLETE_COMMIT = 4
    COMPLETE_ABORT = 5
    DEAD = 6
    PREPARE_EPOCH_FENCE = 7
    """In memory only."""

    @property
    def label(self) -> str:
        """The name that clients see: ``PrepareCommit``."""
        return self.name.title().replace("_", "")


_EMPTY = TransactionState.EMPTY
_ONGOING = TransactionState.ONGOING
_PREPARE_COMMIT = TransactionState.PREPARE_COMMIT
_PREPARE_ABORT = TransactionState.PREPARE_ABORT
_COMPLETE_COMMIT = TransactionState.COMPLETE_COMMIT
_COMPLETE_ABORT = TransactionState.COMPLETE_ABORT
_DEAD = TransactionState.DEAD
_FENCE = TransactionState.PREPARE_EPOCH_FENCE

_AGAIN = "InitProducerId: the producer begins anew, with a higher epoch or another id"
_FIRST = "the first partition or group is added"
_EXPIRED = "unused for transactional.id.expiration.ms"

TRANSITIONS: Final[Mapping[tuple[TransactionState, TransactionState], str]] = MappingProxyType(
    {
        (_EMPTY, _EMPTY): _AGAIN,
        (_EMPTY, _ONGOING): _FIRST,
        (_ONGOING, _ONGOING): "more partitions or groups are added",
        (_ONGOING, _PREPARE_COMMIT): "EndTxn with commit",
        (_ONGOING, _PREPARE_ABORT): "EndTxn with abort",
        (_ONGOING, _FENCE): "its time is up, or another producer takes the id: the epoch rises",
        (_FENCE, _PREPARE_ABORT): "at once, with the risen epoch",
        (_PREPARE_COMMIT, _COMPLETE_COMMIT): "every partition has its marker",
        (_PREPARE_ABORT, _COMPLETE_ABORT): "every partition has its marker",
        (_COMPLETE_COMMIT, _EMPTY): _AGAIN,
        (_COMPLETE_ABORT, _EMPTY): _AGAIN,
        (_COMPLETE_COMMIT, _ONGOING): _FIRST,
        (_COMPLETE_ABORT, _ONGOING): _FIRST,
        (_EMPTY, _DEAD): _EXPIRED,
        (_COMPLETE_COMMIT, _DEAD): _EXPIRED,
        (_COMPLETE_ABORT, _DEAD): _EXPIRED,
    }
)
"""(from, to): what causes it. No other change is possible."""


def check_transition(old: TransactionState, new: TransactionState) -> None:
    """Raises FatalError for a change that is not in the table, which is a bug."""
    if (old, new) not in TRANSITIONS:
        raise FatalError(f"a transaction cannot go from {old.label} to {new.label}")


def transition_table() -> str:
    """The table for the documentation, in Markdown."""
    lines = ["| From | To | When |", "|---|---|---|"]
    lines += [f"| {a.label} | {b.label} | {why} |" for (a, b), why in TRANSITIONS.items()]
    return "\n".join(lines)


BY_LABEL: Final[Mapping[str, TransactionState]] = MappingProxyType(
    {state.label: state for state in TransactionState}
)
"""States by the names that clients see."""
