"""TransactionMetadata: the state of a transactional id, and the step that is being written."""

from __future__ import annotations

from dataclasses import dataclass

from barnabas.coordinator.transaction.states import TransactionState, check_transition
from barnabas.errors import FatalError
from barnabas.types import NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_TIMESTAMP, TopicPartition

EPOCH_MAX = 2**15 - 1
"""An epoch that no producer gets: it fences the producer with the epoch before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionValue:
    """The replicated state of a transactional id. Times are wall ms."""

    producer_id: int
    producer_epoch: int
    timeout_ms: int
    state: TransactionState
    partitions: tuple[TopicPartition, ...] = ()
    """In the order in which they were added."""
    last_update_ms: int = NO_TIMESTAMP
    start_ms: int = NO_TIMESTAMP
    """Of the transaction; -1 in Empty."""
    last_producer_id: int = NO_PRODUCER_ID
    """The id before this one. Not written (KIP-360 needs a newer record for it)."""
    last_producer_epoch: int = NO_PRODUCER_EPOCH
    """The epoch before this one, if the producer raised it by itself. Not written."""


class Transaction:
    """A transactional id. ``value`` is what is replicated. ``pending`` is the state of the step
    that is being written; until its outcome is known no other step begins."""

    __slots__ = ("failed_fence", "id", "pending", "value")

    def __init__(self, transactional_id: str, value: TransactionValue) -> None:
        self.id = transactional_id
        self.value = value
        self.pending: TransactionState | None = None
        self.failed_fence = False
        """The epoch was raised in memory to fence a producer, and its write failed. The next
        attempt does not raise it again, since no producer was told of it."""

    @property
    def state(self) -> TransactionState:
        return self.value.state

    @property
    def is_epoch_exhausted(self) -> bool:
        """Whether the next producer needs a new producer id."""
        return is_exhausted(self.value.producer_epoch)

    def prepare(self, step: TransactionValue) -> TransactionValue:
        """Begin a step. Raises FatalError if it cannot follow, or if another is under way."""
        if self.pending is not None:
            raise FatalError(f"{self.id}: {step.state.label} while {self.pending.label} is written")
        check_transition(self.state, step.state)
        self.pending = step.state
        return step

    def complete(self, step: TransactionValue) -> None:
        """The step is replicated."""
        if self.pending is not step.state:
            raise FatalError(f"{self.id}: {step.state.label} was not prepared")
        self.pending = None
        self.value = step

    def give_up(self) -> None:
        """The step could not be written."""
        self.pending = None


def is_exhausted(epoch: int) -> bool:
    """Whether no higher epoch can be given to a producer with this one."""
    return epoch >= EPOCH_MAX - 1
