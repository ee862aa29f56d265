"""Producers of a partition: reference 7.1, 7.2 and 6.4."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.places import GOLDEN

from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.batch import (
    SEQUENCE_MAX,
    BatchHeader,
    ControlType,
    EndTransactionMarker,
    iterate_batches,
    read_marker,
)
from barnabas.storage.producers.snapshot_format import (
    SnapshotEntry,
    decode_snapshot,
    encode_snapshot,
)
from barnabas.storage.producers.state import (
    BATCHES_RETAINED,
    BatchMetadata,
    CompletedTransaction,
    Origin,
    ProducerState,
)
from barnabas.storage.producers.verification import NOT_NEEDED

PID = 1000
DAY_MS = 24 * 60 * 60 * 1000
COMMIT, ABORT = ControlType.COMMIT, ControlType.ABORT


def batch(
    sequence: int,
    count: int = 1,
    *,
    offset: int = 0,
    epoch: int = 0,
    pid: int = PID,
    timestamp: int = 0,
    transactional: bool = False,
    control: bool = False,
) -> BatchHeader:
    return BatchHeader(
        base_offset=offset,
        batch_length=49,
        partition_leader_epoch=0,
        magic=2,
        crc=0,
        attributes=(0x10 if transactional else 0) | (0x20 if control else 0),
        last_offset_delta=count - 1,
        base_timestamp=timestamp,
        max_timestamp=timestamp,
        producer_id=pid,
        producer_epoch=epoch,
        base_sequence=sequence,
        record_count=count,
    )


def unstable(state: ProducerState) -> int | None:
    """Anew at each call, whatever the type checker remembers."""
    return state.first_unstable_offset


class Partition:
    """A log that only counts: appends as ``storage.log`` does."""

    def __init__(self) -> None:
        self.state = ProducerState()
        self.end = 0
        self.index: list[tuple[CompletedTransaction, int]] = []

    def append(self, header: BatchHeader, origin: Origin = Origin.CLIENT) -> BatchMetadata | None:
        """The batch this one repeats, or None if it was appended."""
        header = header._replace(base_offset=self.end)
        if (duplicate := self.state.admit(header, origin, None, NOT_NEEDED)) is not None:
            return duplicate
        assert self.state.apply(header) is None
        self._advance(header)
        return None

    def end_transaction(
        self,
        kind: ControlType,
        *,
        pid: int = PID,
        epoch: int = 0,
        coordinator_epoch: int = 0,
        timestamp: int = 0,
        origin: Origin = Origin.COORDINATOR,
    ) -> None:
        marker = EndTransactionMarker(kind, coordinator_epoch)
        header = batch(-1, offset=self.end, epoch=epoch, pid=pid, control=True, transactional=True)
        header = header._replace(max_timestamp=timestamp)
        self.state.check(header, origin, marker)
        completed = self.state.apply(header, marker)
        self._advance(header)
        if completed is not None:
            self.index.append((completed, self.state.last_stable_offset(completed)))
            self.state.complete(completed)

    def refuses(self, header: BatchHeader, code: ErrorCode, origin: Origin = Origin.CLIENT) -> None:
        before = self.state.snapshot()
        with pytest.raises(KafkaError) as caught:
            self.append(header, origin)
        assert caught.value.code is code
        assert self.state.snapshot() == before

    def _advance(self, header: BatchHeader) -> None:
        self.end = header.next_offset
        self.state.advance_to(self.end)


def test_sequences_follow_one_another() -> None:
    log = Partition()
    log.append(batch(0, 3))
    log.append(batch(3, 2))
    log.refuses(batch(6), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    log.refuses(batch(4), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    log.append(batch(5))


def test_an_unknown_producer_may_begin_anywhere() -> None:
    log = Partition()
    log.append(batch(77))
    log.refuses(batch(79), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)


def test_sequences_wrap_to_zero() -> None:
    log = Partition()
    log.append(batch(SEQUENCE_MAX - 1, 2))
    log.refuses(batch(1), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    log.append(batch(0, 5))
    log.append(batch(5))
    log = Partition()
    log.append(batch(SEQUENCE_MAX, 3))
    entry = log.state.entries[PID]
    assert entry.last_sequence == 1
    assert entry.batches[0].first_sequence == SEQUENCE_MAX
    duplicate = log.append(batch(SEQUENCE_MAX, 3))
    assert duplicate is not None
    assert (duplicate.first_offset, duplicate.last_offset) == (0, 2)
    log.append(batch(2))


def test_repeats_are_found_among_the_last_five() -> None:
    log = Partition()
    for number in range(7):
        log.append(batch(number * 2, 2, timestamp=number))
    for number in range(2, 7):
        repeated = log.append(batch(number * 2, 2))
        assert repeated is not None
        assert repeated.first_offset == number * 2
        assert repeated.timestamp == number
    log.refuses(batch(2, 2), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    # Only exactly the same range is a repeat.
    log.refuses(batch(12, 1), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    assert log.end == 14


def test_a_repeat_is_recognised_before_anything_is_refused() -> None:
    """Trap 54: even a batch that could not be appended now."""
    log = Partition()
    log.append(batch(0))
    log.append(batch(1, transactional=True))
    assert log.append(batch(0)) is not None  # not transactional in an open transaction
    log.refuses(batch(2), ErrorCode.INVALID_TXN_STATE)


def test_a_repeat_counts_in_its_own_transaction_only() -> None:
    """librdkafka gives the sequence of an aborted record, which was written and not acknowledged,
    to the next transaction's first record."""
    log = Partition()
    log.append(batch(0, transactional=True))
    assert log.append(batch(0, transactional=True)) is not None
    log.end_transaction(ABORT)
    log.refuses(batch(0, transactional=True), ErrorCode.INVALID_TXN_STATE)
    log.append(batch(1, transactional=True))
    log.refuses(batch(0, transactional=True), ErrorCode.INVALID_TXN_STATE)
    repeated = log.append(batch(1, transactional=True))
    assert repeated is not None
    assert repeated.first_offset == 2
    log.end_transaction(COMMIT)
    log.refuses(batch(1, transactional=True), ErrorCode.INVALID_TXN_STATE)
    log.append(batch(2, transactional=True))


def test_epochs() -> None:
    log = Partition()
    log.append(batch(0, epoch=2))
    log.refuses(batch(1, epoch=1), ErrorCode.INVALID_PRODUCER_EPOCH)
    log.refuses(batch(0, epoch=1), ErrorCode.INVALID_PRODUCER_EPOCH)
    log.refuses(batch(1, epoch=3), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    log.append(batch(0, epoch=3))
    assert len(log.state.entries[PID].batches) == 1


def test_a_marker_of_a_higher_epoch_fences_and_resets() -> None:
    log = Partition()
    log.append(batch(0, transactional=True))
    log.end_transaction(ABORT, epoch=1)
    log.refuses(batch(1, transactional=True), ErrorCode.INVALID_PRODUCER_EPOCH)
    log.refuses(batch(1, epoch=1, transactional=True), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    log.append(batch(0, epoch=1, transactional=True))
    with pytest.raises(KafkaError, match="INVALID_PRODUCER_EPOCH"):
        log.end_transaction(ABORT, epoch=0)


def test_a_zombie_coordinator_is_fenced() -> None:
    log = Partition()
    log.append(batch(0, transactional=True))
    log.end_transaction(COMMIT, coordinator_epoch=5)
    with pytest.raises(KafkaError, match="TRANSACTION_COORDINATOR_FENCED"):
        log.end_transaction(COMMIT, coordinator_epoch=4)
    log.end_transaction(COMMIT, coordinator_epoch=5)
    log.end_transaction(COMMIT, coordinator_epoch=3, origin=Origin.REPLICATION)
    assert log.state.entries[PID].coordinator_epoch == 3


def test_origins() -> None:
    log = Partition()
    log.append(batch(0, epoch=4))
    log.append(batch(-1, epoch=4), Origin.COORDINATOR)
    log.refuses(batch(-1, epoch=3), ErrorCode.INVALID_PRODUCER_EPOCH, Origin.COORDINATOR)
    log.append(batch(99, epoch=3), Origin.REPLICATION)
    assert log.state.entries[PID].epoch == 3
    log.append(batch(0, pid=-1))
    assert list(log.state.entries) == [PID]


def test_transactions_hold_the_last_stable_offset() -> None:
    log = Partition()
    state = log.state
    log.append(batch(0, 10, pid=-1))
    assert unstable(state) is None
    log.append(batch(0, 5, pid=1, transactional=True))  # 10-14
    log.append(batch(0, 5, pid=2, transactional=True))  # 15-19
    log.append(batch(5, 5, pid=1, transactional=True))  # 20-24
    assert unstable(state) == state.first_undecided_offset == 10
    log.end_transaction(ABORT, pid=1)  # 25
    assert log.index == [(CompletedTransaction(1, 10, 25, True), 15)]
    assert [state.first_undecided_offset] == [15]
    assert unstable(state) == 10
    log.end_transaction(ABORT, pid=2)  # 26
    assert log.index[1] == (CompletedTransaction(2, 15, 26, True), 27)
    assert [state.first_undecided_offset] == [None]
    state.on_high_watermark(25)
    assert unstable(state) == 10
    state.on_high_watermark(26)
    assert unstable(state) == 15
    state.on_high_watermark(27)
    assert unstable(state) is None


def test_a_marker_without_a_transaction_completes_nothing() -> None:
    log = Partition()
    log.end_transaction(ABORT)
    assert log.index == []
    assert log.state.entries[PID].coordinator_epoch == 0
    emptied = batch(-1, control=True, transactional=True)
    assert log.state.apply(emptied._replace(record_count=0, producer_id=5)) is None
    assert 5 not in log.state.entries


def test_idle_producers_expire_unless_a_transaction_is_open() -> None:
    log = Partition()
    log.append(batch(0, pid=1, timestamp=0))
    log.append(batch(0, pid=2, timestamp=0, transactional=True))
    log.append(batch(0, pid=3, timestamp=1))
    assert log.state.remove_expired(DAY_MS - 1) == 0
    assert log.state.remove_expired(DAY_MS) == 1
    assert list(log.state.entries) == [2, 3]
    assert log.state.first_undecided_offset == 1
    assert [log.state.oldest_transaction_timestamp] == [0]
    log.append(batch(50, pid=1))  # unknown again
    log.end_transaction(COMMIT, pid=2, timestamp=DAY_MS)
    assert [log.state.oldest_transaction_timestamp] == [None]
    assert log.state.remove_expired(DAY_MS + 5) == 2
    assert list(log.state.entries) == [2]


def test_snapshots_keep_the_last_batch_and_the_open_transaction() -> None:
    log = Partition()
    log.append(batch(0, 3, pid=1, timestamp=5))
    log.append(batch(3, 2, pid=1, timestamp=6))
    log.append(batch(0, 4, pid=2, timestamp=7, transactional=True))
    log.append(batch(0, pid=3, timestamp=8, transactional=True))
    log.end_transaction(COMMIT, pid=3, timestamp=9, coordinator_epoch=2)
    data = log.state.snapshot()
    assert decode_snapshot(data) == [
        SnapshotEntry(1, 0, 4, 4, 1, 6, -1, -1),
        SnapshotEntry(2, 0, 3, 8, 3, 7, -1, 5),
        SnapshotEntry(3, 0, 0, 9, 0, 9, 2, -1),
    ]
    again = Partition()
    again.state.load(decode_snapshot(data), log.end, 10)
    again.end = log.end
    assert again.state.snapshot() == data
    assert again.state.end_offset == log.end
    assert again.state.first_unstable_offset == 5
    assert again.append(batch(3, 2, pid=1)) is not None
    again.refuses(batch(0, 3, pid=1), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    again.end_transaction(ABORT, pid=2)
    assert again.index == [(CompletedTransaction(2, 5, 11, True), 12)]


def test_loading_forgets_what_was_there_and_what_is_old() -> None:
    state = ProducerState()
    state.apply(batch(0, pid=9, transactional=True))
    entries = [
        SnapshotEntry(1, 0, 4, 4, 1, 0, -1, -1),
        SnapshotEntry(2, 0, 4, 9, 1, 0, -1, 8),
        SnapshotEntry(3, 1, -1, -1, 0, 5, 2, 3),
    ]
    state.load(entries, 20, DAY_MS)
    assert list(state.entries) == [2, 3]
    assert not state.entries[3].batches
    assert unstable(state) == 3
    state.on_log_start(25)
    assert state.end_offset == 25
    state.clear(7)
    assert (state.end_offset, len(state.entries), unstable(state)) == (7, 0, None)
    assert state.snapshot() == encode_snapshot([])
    assert len(encode_snapshot([])) == 10


@pytest.mark.parametrize("name", ["rolled-0", "retained-0"])
def test_replaying_a_recorded_log_gives_its_snapshots(name: str) -> None:
    directory = GOLDEN / "storage" / "recovered-and-stopped" / name
    snapshots = {int(path.stem): path.read_bytes() for path in directory.glob("*.snapshot")}
    segments = sorted(directory.glob("*.log"))
    state = ProducerState()
    start = int(segments[0].stem)
    state.load(decode_snapshot(snapshots.get(start, encode_snapshot([]))), start, 0)
    compared = 0
    for segment in segments:
        offset = int(segment.stem)
        if offset in snapshots:
            _same_producers(state.snapshot(), snapshots.pop(offset))
            compared += 1
        _replay(state, segment.read_bytes())
    (last,) = snapshots
    assert last == state.end_offset
    _same_producers(state.snapshot(), snapshots[last])
    assert compared > 2


def _replay(state: ProducerState, data: bytes) -> None:
    for header, pos, _ in iterate_batches(data):
        marker = read_marker(data, pos, header) if header.is_control else None
        origin = Origin.COORDINATOR if header.is_control else Origin.CLIENT
        state.check(header, origin, marker, NOT_NEEDED)
        completed = state.apply(header, marker)
        if completed is not None:
            state.complete(completed)
        state.advance_to(header.next_offset)


def _same_producers(ours: bytes, theirs: bytes) -> None:
    """Equal but for the order, which is that of Java's hash table."""
    assert sorted(decode_snapshot(ours)) == sorted(decode_snapshot(theirs))


@given(
    st.integers(0, SEQUENCE_MAX),
    st.lists(st.tuples(st.integers(-6, 3), st.integers(1, 1000)), max_size=30),
)
def test_against_a_model_of_sequences(begin: int, attempts: list[tuple[int, int]]) -> None:
    """Whatever is tried, exactly the next batch is appended and exactly the last five repeat."""
    log = Partition()
    sent: deque[tuple[int, int, int]] = deque(maxlen=BATCHES_RETAINED)
    position = begin
    for which, count in [(0, 1), *attempts]:
        if which < 0 and -which <= len(sent):
            first, size, offset = sent[which]
            repeated = log.append(batch(first, size))
            assert repeated is not None
            assert (repeated.first_offset, repeated.last_offset) == (offset, offset + size - 1)
            continue
        if which <= 0:
            first = position % (SEQUENCE_MAX + 1)
            offset = log.end
            assert log.append(batch(first, count)) is None
            sent.append((first, count, offset))
            position += count
        else:
            beyond = (position + which) % (SEQUENCE_MAX + 1)
            log.refuses(batch(beyond, count), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)


@given(
    st.lists(
        st.tuples(st.sampled_from(["data", "commit", "abort", "hw"]), st.integers(1, 3)),
        max_size=40,
    )
)
def test_against_a_model_of_transactions(steps: list[tuple[str, int]]) -> None:
    log = Partition()
    state = log.state
    opened: dict[int, int] = {}
    ended: list[tuple[int, int]] = []
    high_watermark = 0
    sequences = dict.fromkeys(range(4), 0)
    for step, pid in steps:
        if step == "data":
            opened.setdefault(pid, log.end)
            log.append(batch(sequences[pid], pid=pid, transactional=True))
            sequences[pid] += 1
        elif step == "hw":
            high_watermark = min(log.end, high_watermark + pid * 2)
            state.on_high_watermark(high_watermark)
        else:
            if pid in opened:
                ended.append((opened.pop(pid), log.end))
            log.end_transaction(COMMIT if step == "commit" else ABORT, pid=pid)
        waiting = [first for first, marker in ended if marker >= high_watermark]
        assert state.first_undecided_offset == min(opened.values(), default=None)
        assert unstable(state) == min([*opened.values(), *waiting], default=None)
        reloaded = ProducerState()
        reloaded.load(decode_snapshot(state.snapshot()), log.end, 0)
        assert reloaded.first_undecided_offset == state.first_undecided_offset
        assert reloaded.snapshot() == state.snapshot()
