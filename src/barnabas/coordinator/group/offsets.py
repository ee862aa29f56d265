"""GroupMetadata, positions: committed, on their way, and those of open transactions. Pure.

A commit is staged when it is appended and counts once it is replicated. Commits to one partition
are ordered by the offset of their record, so a late answer never undoes a later commit; a commit
inside a transaction counts from its record too, once the transaction commits (reference 8.7).
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
        """Those with a position, or one on its way, plain or in a transaction."""
        staged = [p for values in self._transactions.values() for p in values]
        return list(dict.fromkeys([*self.committed, *self._pending, *staged]))

    def is_unstable(self, partition: TopicPartition) -> bool:
        """Whether a commit to the partition, plain or in a transaction, is undecided."""
        return partition in self._pending or any(
            partition in staged for staged in self._transactions.values()
        )

    def __bool__(self) -> bool:
        """Whether the group must be kept for them."""
        return bool(self.committed or self._pending or self._transactions)

    # Plain commits

    def stage(self, values: Iterable[tuple[TopicPartition, CommittedOffset]]) -> None:
        """These are appended but not yet replicated."""
        for partition, value in values:
            self._pending.setdefault(partition, []).append(value)

    def applied(self, partition: TopicPartition, value: CommittedOffset, record: int) -> bool:
        """Its record, at offset ``record``, is replicated. False if the position has been removed
        meanwhile: a tombstone follows the record, which never counts."""
        staged = self._unstage(partition, value)
        if staged:
            self._advance(partition, Committed(record, value))
        return staged

    def failed(self, partition: TopicPartition, value: CommittedOffset) -> None:
        """Nobody knows whether it will be replicated; it does not count."""
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
        """Found in the log: the last one wins."""
        self.committed[partition] = Committed(record, value)

    def _advance(self, partition: TopicPartition, new: Committed) -> None:
        known = self.committed.get(partition)
        if known is None or known.record_offset < new.record_offset:
            self.committed[partition] = new

    # Commits in transactions

    def stage_in_transaction(self, producer_id: int, partitions: Iterable[TopicPartition]) -> None:
        """A transaction wants to commit these; nothing is replicated yet."""
        assert producer_id != NO_PRODUCER_ID
        staged = self._transactions.setdefault(producer_id, {})
        for partition in partitions:
            staged.setdefault(partition, None)

    def applied_in_transaction(
        self, producer_id: int, partition: TopicPartition, value: CommittedOffset, record: int
    ) -> None:
        """The record of such a commit is replicated (or was found in the log)."""
        staged = self._transactions.setdefault(producer_id, {})
        known = staged.get(partition)
        if known is None or known.record_offset < record:
            staged[partition] = Committed(record, value)

    def failed_in_transaction(self, producer_id: int, partition: TopicPartition) -> None:
        """Nobody knows whether such a commit will be replicated."""
        staged = self._transactions.get(producer_id)
        if staged is not None and staged.get(partition, ...) is None:
            del staged[partition]
            if not staged:
                del self._transactions[producer_id]

    def end_transaction(self, producer_id: int, *, commit: bool) -> None:
        """Its marker is written: what it committed counts, or never did."""
        staged = self._transactions.pop(producer_id, None) or {}
        for partition, found in staged.items():
            if commit and found is not None:
                self._advance(partition, found)

    # Removing

    def remove(self, partitions: Iterable[TopicPartition]) -> list[TopicPartition]:
        """Forget positions, with all commits to these partitions; those that there were."""
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
        """Forget everything; the positions that there were."""
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
        """Positions whose time is up, but none that is undecided or of a topic still wanted.

        ``since`` says from when a position ages unless it has an expiry of its own."""
        for partition, (_, value) in self.committed.items():
            if is_wanted(partition.topic) or self.is_unstable(partition):
                continue
            if value.expire_ms is not None:
                if now_ms >= value.expire_ms:
                    yield partition
            elif now_ms - since(value) >= retention_ms:
                yield partition
