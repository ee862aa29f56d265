"""Positions: order of commits, transactions, expiry; and what a log adds up to."""

from __future__ import annotations

from tests.coordinator.group.offset_kit import T0, T1, at

from barnabas.coordinator.group.offsets import GroupOffsets


def test_the_record_order_decides_not_the_order_of_the_answers() -> None:
    offsets = GroupOffsets()
    early, late = at(5), at(3)
    offsets.stage([(T0, early)])
    offsets.stage([(T0, late)])
    assert offsets.is_unstable(T0)
    offsets.applied(T0, late, 11)
    assert offsets.is_unstable(T0)
    offsets.applied(T0, early, 10)
    assert not offsets.is_unstable(T0)
    assert offsets.get(T0) == late


def test_a_commit_that_is_refused_leaves_an_earlier_one_on_its_way() -> None:
    offsets = GroupOffsets()
    early, refused = at(5), at(6)
    offsets.stage([(T0, early)])
    offsets.stage([(T0, refused)])
    offsets.failed(T0, refused)
    offsets.applied(T0, early, 10)
    assert offsets.get(T0) == early


def test_what_was_removed_does_not_come_back_with_a_late_answer() -> None:
    """The tombstone follows the record of the commit in the log."""
    offsets = GroupOffsets()
    offsets.load(T0, at(4), 9)
    late, new = at(5), at(5)
    offsets.stage([(T0, late), (T1, late)])
    assert offsets.partitions() == [T0, T1]
    assert offsets.remove([T0, T1]) == [T0]
    offsets.stage([(T0, new)])
    offsets.applied(T0, late, 10)
    offsets.applied(T1, late, 11)
    assert offsets.get(T0) is offsets.get(T1) is None
    assert offsets.is_unstable(T0)
    offsets.applied(T0, new, 14)
    assert offsets.get(T0) == new


def test_a_commit_that_fails_does_not_count() -> None:
    offsets = GroupOffsets()
    value = at(5)
    offsets.stage([(T0, value)])
    assert offsets
    offsets.failed(T0, value)
    assert not offsets
    assert offsets.get(T0) is None


def test_a_transaction_counts_from_its_records_once_it_commits() -> None:
    offsets = GroupOffsets()
    offsets.stage_in_transaction(7, [T0, T1])
    offsets.applied_in_transaction(7, T0, at(50), 10)
    offsets.applied_in_transaction(7, T1, at(60), 11)
    assert offsets.is_unstable(T0)
    assert offsets.get(T0) is None
    offsets.load(T1, at(70), 12)  # a plain commit after it
    offsets.end_transaction(7, commit=True)
    assert (offsets.get(T0), offsets.get(T1)) == (at(50), at(70))
    offsets.stage_in_transaction(8, [T0])
    offsets.applied_in_transaction(8, T0, at(99), 20)
    offsets.end_transaction(8, commit=False)
    assert offsets.get(T0) == at(50)
    offsets.stage_in_transaction(9, [T0])
    offsets.failed_in_transaction(9, T0)
    assert not offsets.is_unstable(T0)
