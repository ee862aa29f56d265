"""What a log of groups adds up to."""

from __future__ import annotations

from tests.coordinator.group.offset_kit import GOLDEN, NOW, T0, T1, at, offsets_batch

from barnabas.coordinator.group.classic.group import Group
from barnabas.coordinator.group.classic.states import GroupState
from barnabas.coordinator.group.loading import Loading
from barnabas.coordinator.group.writing import group_batch, tombstones_batch
from barnabas.records.batch import (
    ControlType,
    EndTransactionMarker,
    build_marker,
    parse_header,
    stamp,
)


def test_what_the_original_left_is_understood() -> None:
    for broker in (1, 2, 3):
        loading = Loading()
        data = (GOLDEN / f"broker-{broker}/__consumer_offsets-1/{0:020d}.log").read_bytes()
        assert loading.take(data) == 10
        (group,) = loading.groups(NOW).values()
        assert isinstance(group, Group)
        assert (group.id, group.state, group.generation) == ("golden-group", GroupState.EMPTY, 2)
        found = {p.partition: v.value.offset for p, v in group.offsets.committed.items()}
        assert found == {0: 7, 1: 100, 2: 100}  # the first one by a transaction


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
