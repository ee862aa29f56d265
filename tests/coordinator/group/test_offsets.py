"""Positions: order of commits, transactions, expiry; and what a log adds up to."""

from __future__ import annotations

from tests import places

from barnabas.coordinator.group.classic.group import Group
from barnabas.coordinator.group.classic.states import GroupState
from barnabas.coordinator.group.clock import Now
from barnabas.coordinator.group.expiry import expired_offsets, is_unused
from barnabas.coordinator.group.loading import Loading
from barnabas.coordinator.group.offsets import GroupOffsets
from barnabas.coordinator.group.records.group_metadata import CommittedOffset
from barnabas.coordinator.group.writing import group_batch, offsets_batch, tombstones_batch
from barnabas.records.batch import (
    ControlType,
    EndTransactionMarker,
    build_marker,
    iterate_batches,
    iterate_records,
    parse_header,
    stamp,
)
from barnabas.types import TopicPartition

GOLDEN = places.GOLDEN / "data"
T0, T1 = TopicPartition("t", 0), TopicPartition("t", 1)
NOW = Now(5, 1_000_000)
DAY_MS = 86_400_000


def at(offset: int, commit_ms: int = 0, **fields: int) -> CommittedOffset:
    return CommittedOffset(offset, commit_ms=commit_ms, **fields)


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


def test_what_the_original_left_is_understood() -> None:
    for broker in (1, 2, 3):
        loading = Loading()
        data = (GOLDEN / f"broker-{broker}/__consumer_offsets-1/{0:020d}.log").read_bytes()
        assert loading.take(data) == 10
        (group,) = loading.groups(NOW).values()
        assert (group.id, group.state, group.generation) == ("golden-group", GroupState.EMPTY, 2)
        found = {p.partition: v.value.offset for p, v in group.offsets.committed.items()}
        assert found == {0: 7, 1: 100, 2: 100}  # the first one by a transaction


def test_we_write_the_batches_of_the_original_byte_for_byte() -> None:
    data = (GOLDEN / f"broker-1/__consumer_offsets-1/{0:020d}.log").read_bytes()
    loading = Loading()
    rewritten = 0
    for header, position, size in iterate_batches(data):
        original = data[position : position + size]
        if header.is_control:
            continue
        loading.take(original)
        group = loading.groups(NOW)["golden-group"]
        records = list(iterate_records(data, position))
        if header.base_sequence == -1:
            members = [(m.id, m.assignment) for m in group.members.values()]
            batch = group_batch(group.id, group.record(members), header.base_timestamp)
        else:
            partitions = [TopicPartition("flights", int(r.key[-1])) for r in records if r.key]
            if header.is_transactional:
                group.offsets.end_transaction(header.producer_id, commit=True)
            batch = offsets_batch(
                group.id,
                [(p, group.offsets.committed[p].value) for p in partitions],
                header.base_timestamp,
                producer_id=header.producer_id,
                producer_epoch=header.producer_epoch,
            )
        stamp(batch, 0, header.base_offset, header.partition_leader_epoch)
        assert bytes(batch) == original
        rewritten += 1
    assert rewritten == 5


def _log(*batches: bytearray) -> bytes:
    offset = 0
    for batch in batches:
        stamp(batch, 0, offset, 0)
        offset = parse_header(batch).last_offset + 1
    return b"".join(batches)


def test_tombstones_end_what_came_before_and_nothing_else() -> None:
    stored = Group("g")
    stored.generation = 3
    stored.protocol_type = "consumer"
    loading = Loading()
    loading.take(
        _log(
            offsets_batch("g", [(T0, at(1)), (T1, at(2))], 1),
            group_batch("g", stored.record(()), 1),
            tombstones_batch("g", [T0], 2, own_keys=stored.own_keys()),
            offsets_batch("h", [(T0, at(9))], 3),
            tombstones_batch("h", [T0], 4),
        )
    )
    groups = loading.groups(NOW)
    assert list(groups) == ["g"]
    assert list(groups["g"].offsets.committed) == [T1]
    assert groups["g"].protocol_type is None


def test_an_unreadable_record_does_not_hide_the_others() -> None:
    data = bytearray(
        _log(offsets_batch("g", [(T0, at(1))], 1), offsets_batch("g", [(T1, at(2))], 1))
    )
    first = parse_header(data).size
    data[first - 20] = 0xFF  # inside the first value
    data[63] = 0x7F
    loading = Loading()
    assert loading.take(data) == 2
    assert T1 in loading.groups(NOW)["g"].offsets.committed


def test_an_open_transaction_is_still_open_after_loading() -> None:
    open_batch = offsets_batch("g", [(T0, at(5))], 1, producer_id=4, producer_epoch=0)
    marker = build_marker(
        EndTransactionMarker(ControlType.COMMIT, 0),
        producer_id=4,
        producer_epoch=0,
        timestamp_ms=2,
    )
    loading = Loading()
    loading.take(_log(open_batch))
    assert loading.groups(NOW)["g"].offsets.is_unstable(T0)
    loading = Loading()
    loading.take(_log(open_batch, marker))
    group = loading.groups(NOW)["g"]
    assert not group.offsets.is_unstable(T0)
    assert group.offsets.get(T0) == at(5)


def _group(state: GroupState, protocol_type: str | None, since_ms: int | None) -> Group:
    group = Group("g", state)
    group.protocol_type = protocol_type
    group.state_since_ms = since_ms
    group.offsets.load(T0, at(1, commit_ms=10 * DAY_MS), 0)
    group.offsets.load(TopicPartition("u", 0), at(1, commit_ms=2 * DAY_MS), 1)
    return group


def test_expiry_by_the_state_of_the_group() -> None:
    def names(group: Group, day: int) -> list[str]:
        return [p.topic for p in expired_offsets(group, day * DAY_MS, 7 * DAY_MS)]

    simple = _group(GroupState.EMPTY, None, None)
    assert names(simple, 8) == []
    assert names(simple, 9) == ["u"]
    assert names(simple, 17) == ["t", "u"]
    empty = _group(GroupState.EMPTY, "consumer", 11 * DAY_MS)
    assert names(empty, 17) == []
    assert names(empty, 18) == ["t", "u"]
    old = _group(GroupState.EMPTY, "consumer", None)
    assert names(old, 9) == ["u"]
    stable = _group(GroupState.STABLE, "consumer", 0)
    stable.subscribed = frozenset({"t"})
    assert names(stable, 30) == ["u"]
    stable.subscribed = None
    assert names(stable, 30) == []
    assert names(_group(GroupState.STABLE, "connect", 0), 30) == []
    assert names(_group(GroupState.PREPARING_REBALANCE, "consumer", 0), 30) == []


def test_an_expiry_of_their_own_and_commits_on_their_way() -> None:
    group = Group("g")
    group.offsets.load(T0, at(1, expire_ms=50), 0)
    group.offsets.load(T1, at(1), 1)
    assert expired_offsets(group, 49, 10**9) == []
    assert expired_offsets(group, 50, 10**9) == [T0]
    group.offsets.stage([(T0, at(2))])
    assert expired_offsets(group, 50, 10**9) == []


def test_who_is_kept_for_positions_alone() -> None:
    group = Group("g")
    assert is_unused(group)
    group.pending["m"] = 5
    assert not is_unused(group), "its id was given to a member that may still join"
    assert not is_unused(_group(GroupState.PREPARING_REBALANCE, "consumer", 0))


def test_a_tombstone_reaches_into_an_open_transaction() -> None:
    """Else its marker would bring back a position of a topic that is gone."""
    open_batch = offsets_batch("g", [(T0, at(5)), (T1, at(6))], 1, producer_id=4, producer_epoch=0)
    gone = tombstones_batch("g", [T0], 2)
    marker = build_marker(
        EndTransactionMarker(ControlType.COMMIT, 0),
        producer_id=4,
        producer_epoch=0,
        timestamp_ms=3,
    )
    loading = Loading()
    loading.take(_log(open_batch, gone, marker))
    offsets = loading.groups(NOW)["g"].offsets
    assert (offsets.get(T0), offsets.get(T1)) == (None, at(6))
    again = offsets_batch("g", [(T0, at(7))], 3, producer_id=4, producer_epoch=0)
    loading = Loading()
    loading.take(_log(open_batch, gone, again, marker))
    assert loading.groups(NOW)["g"].offsets.get(T0) == at(7), "committed again since"
