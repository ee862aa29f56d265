"""The follower against a scripted leader: reference 5.7; traps 9, 10, 12, 13; the wire form."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.replication.support import T0, TOPIC_ID, WALL_MS, Cluster, settle
from tests.virtual_time import run

from barnabas.errors import ErrorCode, KafkaError
from barnabas.pace import PromptFuture
from barnabas.records.batch import Record, build_batch
from barnabas.replication.fetch_session_client import SessionFetch, Wanted
from barnabas.replication.fetcher import FetchedData, FetchReply, ReplicaFetcher
from barnabas.replication.partition import Partition
from barnabas.replication.role_state import RoleState
from barnabas.replication.truncation import EpochEnd
from barnabas.storage.log import Log
from barnabas.types import Endpoint, TopicPartition


def batch(offset: int, *values: str, epoch: int = 0) -> bytes:
    made = [Record(timestamp=WALL_MS, value=v.encode()) for v in values]
    return bytes(build_batch(made, base_offset=offset, leader_epoch=epoch))


class FakeLeader:
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[SessionFetch, asyncio.Future[FetchReply]]] = []
        self.answered = 0
        self.offsets: dict[int, int] = {}
        self.offset_error: ErrorCode | None = None
        self.closed = False
        self.connections = 0

    async def connect(self, endpoint: Endpoint) -> FakeLeader:
        self.connections += 1
        self.closed = False
        return self

    def fetch(self, request: SessionFetch) -> asyncio.Future[FetchReply]:
        reply: PromptFuture[FetchReply] = PromptFuture(loop=asyncio.get_running_loop())
        self.asked.append((request, reply))
        return reply

    async def offset_for(self, partition: TopicPartition, epoch: int, timestamp: int) -> int:
        if self.offset_error is not None:
            raise KafkaError(self.offset_error)
        return self.offsets[timestamp]

    def close(self) -> None:
        self.closed = True

    async def answer(self, *data: FetchedData, error: ErrorCode = ErrorCode.NONE) -> None:
        _, reply = self.asked[self.answered]
        self.answered += 1
        if not reply.done():
            reply.set_result(FetchReply(error, 42 if error == ErrorCode.NONE else 0, list(data)))
        await settle(10)

    def last(self) -> dict[TopicPartition, Wanted]:
        return dict(self.asked[-1][0].named)


def data(records: bytes = b"", **fields: Any) -> FetchedData:
    values: dict[str, Any] = {
        "topic_id": TOPIC_ID,
        "partition": 0,
        "error": ErrorCode.NONE,
        "high_watermark": 0,
        "log_start_offset": 0,
        "diverging": None,
        "records": records,
    }
    return FetchedData(**{**values, **fields})


class Rig:
    """Broker 2 follows a scripted broker 1."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.node = cluster.nodes[2]
        self.leader = FakeLeader()
        self.node.metadata.apply(cluster.update_metadata())
        self.partition = self.host(0)
        self.fetcher = ReplicaFetcher(self.node.manager.context, 1, self.leader.connect)
        self.task = asyncio.create_task(self.fetcher.run())

    def host(self, number: int, epoch: int = 0) -> Partition:
        name = TopicPartition("t", number)
        partition = self.node.manager.partitions.get(name)
        if partition is None:
            partition = Partition(self.node.manager.context, name)
            self.node.manager.partitions[name] = partition
        self.follow(partition, epoch)
        return partition

    def follow(self, partition: Partition, epoch: int, isr: tuple[int, ...] = (1, 2)) -> None:
        log = self.node.logs.get_or_create(
            partition.topic_partition, TOPIC_ID, is_new=True, config=None
        )
        state = RoleState(
            leader=1,
            leader_epoch=epoch,
            isr=isr,
            partition_epoch=epoch,
            controller_epoch=1,
            replicas=(1, 2),
        )
        assert partition.make_follower(state, log)

    @property
    def log(self) -> Any:
        return self.partition.log

    async def start(self) -> None:
        self.fetcher.add(self.partition, TOPIC_ID)
        await settle(10)

    async def __aenter__(self) -> Rig:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def with_rig(body: Any, **settings: Any) -> None:
    async def main() -> None:
        async with Cluster(1, 2, **settings) as cluster, Rig(cluster) as rig:
            await body(rig)
            if rig.task.done():
                rig.task.result()

    run(main())


def test_copies_and_follows_the_watermark() -> None:
    async def body(rig: Rig) -> None:
        await rig.start()
        assert rig.leader.last() == {T0: Wanted(TOPIC_ID, 0, 0, -1, 0, 1_048_576)}
        await rig.leader.answer(data(batch(0, "a", "b"), high_watermark=9))
        assert (rig.log.log_end_offset, rig.log.high_watermark) == (2, 2), (
            "trap 10: no more than it has"
        )
        assert rig.leader.last()[T0].fetch_offset == 2
        assert rig.leader.last()[T0].last_fetched_epoch == 0
        await rig.leader.answer(data(high_watermark=1))
        assert rig.log.high_watermark == 1, "a follower's watermark may go down"

    with_rig(body)


def test_an_answer_is_used_in_the_turn_that_brings_it() -> None:
    async def body(rig: Rig) -> None:
        await rig.start()
        for number in range(3):
            asked, reply = rig.leader.asked[-1]
            reply.set_result(FetchReply(ErrorCode.NONE, 42, [data(batch(number, "a"))]))
            assert rig.log.log_end_offset == number + 1
            assert rig.leader.asked[-1][0] is not asked
            assert rig.leader.last()[T0].fetch_offset == number + 1

    with_rig(body)


def test_a_fault_in_the_turn_of_an_answer_ends_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(rig: Rig) -> None:
        await rig.start()
        monkeypatch.setattr(Partition, "append_as_follower", None)
        await rig.leader.answer(data(batch(0, "a")))
        assert isinstance(rig.task.exception(), TypeError)
        rig.task = asyncio.create_task(asyncio.sleep(0))

    with_rig(body)


def slow_flushes(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """No flush begins before this event."""
    gate, flush = asyncio.Event(), Log.flush

    async def slow(log: Log) -> None:
        await gate.wait()
        await flush(log)

    monkeypatch.setattr(Log, "flush", slow)
    return gate


def test_with_flush_before_ack_more_is_asked_for_when_all_is_on_the_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def body(rig: Rig) -> None:
        gate = slow_flushes(monkeypatch)
        await rig.start()
        await rig.leader.answer(data(batch(0, "a")))
        assert len(rig.leader.asked) == 1
        gate.set()
        await settle(10)
        assert rig.leader.last()[T0].fetch_offset == 1

    with_rig(body, log_flush_before_ack=True)


def test_what_an_earlier_life_left_is_flushed_before_the_first_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The question says that all before it is safe here, also across a power cut."""

    async def body(rig: Rig) -> None:
        rig.log.append_as_follower(memoryview(bytearray(batch(0, "a", "b"))))
        gate = slow_flushes(monkeypatch)
        await rig.start()
        assert not rig.leader.asked
        rig.follow(rig.partition, 1)  # a newer order meanwhile
        rig.fetcher.add(rig.partition, TOPIC_ID)
        await settle(10)
        assert not rig.leader.asked
        gate.set()
        await settle(10)
        assert rig.leader.last()[T0].fetch_offset == rig.log.flushed_offset == 2
        assert rig.leader.last()[T0].current_leader_epoch == 1

    with_rig(body, log_flush_before_ack=True)


def test_an_answer_for_an_older_epoch_is_ignored() -> None:
    """Trap 12 (KAFKA-7786): the epoch changed while the fetch was under way."""

    async def body(rig: Rig) -> None:
        await rig.start()
        rig.follow(rig.partition, 1)
        rig.fetcher.add(rig.partition, TOPIC_ID)
        await rig.leader.answer(data(batch(0, "old"), high_watermark=1))
        assert rig.log.log_end_offset == 0
        assert rig.leader.last()[T0].current_leader_epoch == 1

    with_rig(body)


def test_an_answer_after_a_change_of_role_is_ignored() -> None:
    """The role changed but the fetcher has not been told yet (trap 55)."""

    async def body(rig: Rig) -> None:
        await rig.start()
        rig.partition.leader_epoch = 5
        await rig.leader.answer(data(batch(0, "old"), high_watermark=1))
        assert rig.log.log_end_offset == 0

    with_rig(body)


def test_an_answer_after_removal_truncates_nothing() -> None:
    """Trap 13 (KAFKA-8012, KAFKA-13207): the fetcher has no say in a partition it lost."""

    async def body(rig: Rig) -> None:
        await rig.start()
        await rig.leader.answer(data(batch(0, "a", "b"), high_watermark=2))
        rig.fetcher.remove(T0)
        await rig.leader.answer(data(diverging=EpochEnd(0, 1)))
        assert rig.log.log_end_offset == 2

    with_rig(body)


def test_divergence_cuts_before_anything_else() -> None:
    """Trap 9 (KAFKA-14704): watermark and log start of a diverging answer are not used."""

    async def body(rig: Rig) -> None:
        await rig.start()
        await rig.leader.answer(data(batch(0, "a", "b", "c"), high_watermark=1))
        await rig.leader.answer(
            data(diverging=EpochEnd(0, 2), high_watermark=50, log_start_offset=40)
        )
        # The batch holds 0..2 and is dropped whole.
        assert rig.log.log_end_offset == 0
        assert rig.log.high_watermark == 0
        assert rig.log.log_start_offset == 0
        assert rig.leader.last()[T0].fetch_offset == 0

    with_rig(body)


def test_an_empty_epoch_at_the_end_is_dropped_by_divergence() -> None:
    """Trap 17 (KAFKA-10706): cutting at the end must still drop the epoch nobody wrote in."""

    async def body(rig: Rig) -> None:
        rig.log.append_as_follower(batch(0, "a"))
        rig.log.assign_epoch(4, 1)
        await rig.start()
        assert rig.leader.last()[T0].last_fetched_epoch == 4
        await rig.leader.answer(data(diverging=EpochEnd(0, 1)))
        assert rig.log.log_end_offset == 1
        assert rig.leader.last()[T0].last_fetched_epoch == 0

    with_rig(body)


def test_a_log_without_epochs_is_cut_to_its_watermark_first() -> None:
    async def body(rig: Rig) -> None:
        rig.log.append_as_follower(batch(0, "a", epoch=-1))
        rig.log.append_as_follower(batch(1, "b", epoch=-1))
        rig.log.set_high_watermark(1)
        await rig.start()
        assert rig.log.log_end_offset == 1
        assert rig.leader.last()[T0].fetch_offset == 1

    with_rig(body)


def test_a_batch_that_begins_before_an_empty_log() -> None:
    async def body(rig: Rig) -> None:
        rig.log.truncate_fully_and_start_at(5)
        await rig.start()
        await rig.leader.answer(
            data(batch(3, "a", "b", "c", "d"), high_watermark=7, log_start_offset=5)
        )
        assert (rig.log.log_start_offset, rig.log.log_end_offset) == (5, 7)

    with_rig(body)


@pytest.mark.parametrize(
    "error",
    [
        ErrorCode.UNKNOWN_LEADER_EPOCH,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.UNKNOWN_TOPIC_ID,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.INCONSISTENT_TOPIC_ID,
        ErrorCode.KAFKA_STORAGE_ERROR,
    ],
)
def test_errors_back_off_and_come_again(error: ErrorCode) -> None:
    async def body(rig: Rig) -> None:
        await rig.start()
        other = rig.host(1)
        rig.fetcher.add(other, TOPIC_ID)
        await rig.leader.answer(data(error=error))
        assert rig.leader.asked[-1][0].forgotten == ((TOPIC_ID, 0),) or (
            T0 not in rig.leader.last()
        )
        loop = asyncio.get_running_loop()
        before = loop.time()
        while T0 not in rig.leader.last():
            await rig.leader.answer()
            await asyncio.sleep(0.001)
        assert 0.015 <= loop.time() - before <= 0.1

    with_rig(body)


def test_back_off_grows_to_the_setting() -> None:
    async def body(rig: Rig) -> None:
        assert [rig.fetcher._backoff_ms(n) for n in range(8)] == [
            20,
            40,
            80,
            160,
            320,
            640,
            1000,
            1000,
        ]

    with_rig(body)


def test_fenced_means_wait_for_the_controller() -> None:
    async def body(rig: Rig) -> None:
        await rig.start()
        await rig.leader.answer(data(error=ErrorCode.FENCED_LEADER_EPOCH))
        assert T0 not in rig.fetcher
        rig.follow(rig.partition, 1)
        rig.fetcher.add(rig.partition, TOPIC_ID)
        await settle(10)
        assert rig.leader.last()[T0].current_leader_epoch == 1

    with_rig(body)


def test_corrupt_batches_are_asked_for_again() -> None:
    async def body(rig: Rig) -> None:
        await rig.start()
        damaged = bytearray(batch(0, "a"))
        damaged[-1] ^= 1
        await rig.leader.answer(data(bytes(damaged), high_watermark=1))
        assert rig.log.log_end_offset == 0
        await rig.leader.answer()  # of the request that forgets it
        await asyncio.sleep(0.05)
        assert rig.leader.last()[T0].fetch_offset == 0
        await rig.leader.answer(data(batch(0, "a"), high_watermark=1))
        assert rig.log.log_end_offset == 1

    with_rig(body)


def test_out_of_range_above_the_leaders_end() -> None:
    async def body(rig: Rig) -> None:
        rig.log.append_as_follower(batch(0, "a"))
        rig.log.append_as_follower(batch(1, "b"))
        await rig.start()
        rig.leader.offsets = {-1: 1}
        await rig.leader.answer(data(error=ErrorCode.OFFSET_OUT_OF_RANGE))
        assert rig.log.log_end_offset == 1
        assert rig.leader.last()[T0].fetch_offset == 1

    with_rig(body)


def test_out_of_range_below_the_leaders_start() -> None:
    async def body(rig: Rig) -> None:
        rig.log.append_as_follower(batch(0, "a"))
        await rig.start()
        rig.leader.offsets = {-1: 90, -2: 50}
        await rig.leader.answer(data(error=ErrorCode.OFFSET_OUT_OF_RANGE))
        log = rig.log
        assert (log.log_start_offset, log.log_end_offset, log.high_watermark) == (50, 50, 50)
        assert rig.leader.last()[T0].fetch_offset == 50

    with_rig(body)


def test_out_of_range_that_is_not_any_more() -> None:
    async def body(rig: Rig) -> None:
        rig.log.append_as_follower(batch(0, "a"))
        await rig.start()
        rig.leader.offsets = {-1: 9, -2: 0}
        await rig.leader.answer(data(error=ErrorCode.OFFSET_OUT_OF_RANGE))
        assert rig.log.log_end_offset == 1
        assert rig.leader.last()[T0].fetch_offset == 1
        rig.leader.offset_error = ErrorCode.NOT_LEADER_OR_FOLLOWER
        await rig.leader.answer(data(error=ErrorCode.OFFSET_OUT_OF_RANGE))
        await asyncio.sleep(0.1)
        assert rig.leader.last()[T0].fetch_offset == 1

    with_rig(body)


def test_additions_are_sent_while_a_fetch_waits() -> None:
    async def body(rig: Rig) -> None:
        await rig.start()
        await rig.leader.answer()
        assert len(rig.leader.asked) == 2
        rig.fetcher.add(rig.host(1), TOPIC_ID)
        await settle(10)
        assert len(rig.leader.asked) == 3, "pipelined behind the waiting one"
        assert list(rig.leader.last()) == [TopicPartition("t", 1)]
        rig.fetcher.add(rig.host(2), TOPIC_ID)
        await settle(10)
        assert len(rig.leader.asked) == 3, "but never more than two"
        # The waiting fetch brings records; the second asked from the same offset, so its copy of
        # them is not used, only its watermark.
        await rig.leader.answer(data(batch(0, "a"), high_watermark=0))
        await rig.leader.answer(data(batch(0, "a"), high_watermark=1))
        assert (rig.log.log_end_offset, rig.log.high_watermark) == (1, 1)

    with_rig(body)


def test_a_lost_connection_is_made_again_with_a_full_request() -> None:
    async def body(rig: Rig) -> None:
        await rig.start()
        await rig.leader.answer()
        rig.leader.asked[-1][1].set_exception(ConnectionError("gone"))
        rig.leader.answered += 1
        await asyncio.sleep(0.1)
        assert rig.leader.connections == 2
        request = rig.leader.asked[-1][0]
        assert (request.session_id, request.epoch) == (0, 0)
        assert T0 in rig.leader.last()

    with_rig(body)


def test_a_silent_leader_is_given_up() -> None:
    async def body(rig: Rig) -> None:
        await rig.start()
        await asyncio.sleep(31)
        assert rig.leader.connections == 2

    with_rig(body)


def test_session_errors_start_anew_without_delay() -> None:
    async def body(rig: Rig) -> None:
        await rig.start()
        await rig.leader.answer()
        await rig.leader.answer(error=ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
        request = rig.leader.asked[-1][0]
        assert (request.session_id, request.epoch) == (0, 0)
        assert rig.leader.connections == 1

    with_rig(body)


def test_a_failed_disk_ends_the_copying() -> None:
    async def body(rig: Rig) -> None:
        await rig.start()
        rig.log.fence(OSError("EIO"))
        await rig.leader.answer(data(batch(0, "a"), high_watermark=1))
        await asyncio.sleep(2)
        assert not rig.task.done()
        assert rig.log.log_end_offset == 0

    with_rig(body)
