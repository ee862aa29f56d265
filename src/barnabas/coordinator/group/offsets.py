"""GroupMetadata, positions: committed ones, those being written, and those in open transactions.
Pure.

A commit is staged when it is appended and counts once it is replicated. Commits to one partition
are ordered by the offset of their record, so a late answer never undoes a later commit. A commit in
a transaction counts once the transaction commits, also by the offset of its record (reference 8.7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from barnabas.coordinator.group.records.group_metadata import CommittedOffset
from barnabas.types import NO_PRODUCER_ID, TopicPartition


class Committed(NamedTuple):
    """A position and the offset of the record that holds it."""

    record_offset: int
    value: CommittedOffset


class GroupOffsets:
    """All positions of one group."""

    __slots__ = ("_pending", "_transactions", "committed")

    def __init__(self) -> None:
        self.committed: dict[TopicPartition, Committed] = {}
        self._pending: dict[TopicPartition, list[CommittedOffset]] = {}
        """Appended, and neither replicated nor removed since."""
        self._transactions: dict[int, dict[TopicPartition, Committed | None]] = {}

    # Looking

    def get(self, partition: TopicPartition) -> CommittedOffset | None:
        """The committed position."""
        found = self.committed.get(partition)
        return None if found is None else found.value

    def partitions(self) -> list[TopicPartition]:
        """Partitions with a position, or with a commit being written, plain or in a transaction."""
        staged = [p for values in self._transactions.values() for p in values]
        return list(dict.fromkeys([*self.committed, *self._pending, *staged]))

    def is_unstable(self, partition: TopicPartition) -> bool:
        """Whether the outcome of a commit to the partition is open, plain or in a transaction."""
        return partition in self._pending or any(
            partition in staged for staged in self._transactions.values()
        )

    def __bool__(self) -> bool:
        """Whether the group must be kept for them."""
        return bool(self.committed or self._pending or self._transactions)

    # Plain commits

    def stage(self, values: Iterable[tuple[TopicPartition, CommittedOffset]]) -> None:
        """These commits are appended and not replicated yet."""
        for partition, value in values:
            self._pending.setdefault(partition, []).append(value)

    def applied(self, partition: TopicPartition, value: CommittedOffset, record: int) -> bool:
        """The record of a commit, at offset ``record``, is replicated. False if the position has
        been deleted meanwhile: the tombstone follows the record in the log, so the commit never
        counts."""
        staged = self._unstage(partition, value)
        if staged:
            self._advance(partition, Committed(record, value))
        return staged

    def failed(self, partition: TopicPartition, value: CommittedOffset) -> None:
        """The outcome of a commit is unknown; it does not count."""
        self._unstage(partition, value)

    def _unstage(self, partition: TopicPartition, value: CommittedOffset) -> bool:
        staged = self._pending.get(partition, [])
        left = [other for other in staged if other is not value]
        if left:
            self._pending[partition] = left
        else:
            self._pending.pop(partition, None)
        return len(left) < len(staged)

    def load(self, partition: TopicPartition, value: CommittedOffset, record: int) -> None:
        """A commit found in the log; the last one counts."""
        self.committed[partition] = Committed(record, value)

    def _advance(self, partition: TopicPartition, new: Committed) -> None:
        known = self.committed.get(partition)
        if known is None or known.record_offset < new.record_offset:
            self.committed[partition] = new

    # Commits in transactions

    def stage_in_transaction(self, producer_id: int, partitions: Iterable[TopicPartition]) -> None:
        """These commits in a transaction are appended and not replicated yet."""
        assert producer_id != NO_PRODUCER_ID
        staged = self._transactions.setdefault(producer_id, {})
        for partition in partitions:
            staged.setdefault(partition, None)

    def applied_in_transaction(
        self, producer_id: int, partition: TopicPartition, value: CommittedOffset, record: int
    ) -> None:
        """The record of such a commit is replicated, or was found in the log."""
        staged = self._transactions.setdefault(producer_id, {})
        known = staged.get(partition)
        if known is None or known.record_offset < record:
            staged[partition] = Committed(record, value)

    def failed_in_transaction(self, producer_id: int, partition: TopicPartition) -> None:
        """The outcome of such a commit is unknown."""
        staged = self._transactions.get(producer_id)
        if staged is not None and staged.get(partition, ...) is None:
            del staged[partition]
            if not staged:
                del self._transactions[producer_id]

    def end_transaction(self, producer_id: int, *, commit: bool) -> None:
        """The transaction's marker is written: its commits count now, or are dropped."""
        staged = self._transactions.pop(producer_id, None) or {}
        for partition, found in staged.items():
            if commit and found is not None:
                self._advance(partition, found)

    # Removing

    def remove(self, partitions: Iterable[TopicPartition]) -> list[TopicPartition]:
        """Delete positions, and all commits to these partitions that are being written; those that
        existed."""
        given = list(partitions)
        removed = [p for p in given if self.committed.pop(p, None) is not None]
        for partition in given:
            self._pending.pop(partition, None)
        for producer_id, staged in list(self._transactions.items()):
            for partition in given:
                staged.pop(partition, None)
            if not staged:
                del self._transactions[producer_id]
        return removed

    def clear(self) -> list[TopicPartition]:
        """Delete everything; the positions that existed."""
        removed = list(self.committed)
        self.committed.clear()
        self._pending.clear()
        self._transactions.clear()
        return removed

    def expired(
        self,
        now_ms: int,
        retention_ms: int,
        since: Callable[[CommittedOffset], int],
        is_wanted: Callable[[str], bool],
    ) -> Iterator[TopicPartition]:
        """Positions that have expired, without those being written and those of topics still
        subscribed to. ``since`` is the time from which a position ages unless it has an expiry of
        its own."""
        for partition, (_, value) in self.committed.items():
            if is_wanted(partition.topic) or self.is_unstable(partition):
                continue
            if value.expire_ms is not None:
                if now_ms >= value.expire_ms:
                    yield partition
            elif now_ms - since(value) >= retention_ms:
                yield partition
