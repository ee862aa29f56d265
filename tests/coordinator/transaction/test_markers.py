"""Delivering markers: together, again until it is done, and never for somebody else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from tests.replication.support import settle
from tests.virtual_time import run

from barnabas.coordinator.ownership import OwnedPartition
from barnabas.coordinator.transaction import decisions
from barnabas.coordinator.transaction.markers import RETRY_PAUSE_S, Delivery, MarkerSender
from barnabas.coordinator.transaction.peers import Peers
from barnabas.coordinator.transaction.transaction import Transaction
from barnabas.errors import ErrorCode
from barnabas.metadata_cache import MetadataCache
from barnabas.protocol.message import Message
from barnabas.replication.tasks import TaskOwner
from barnabas.types import TopicPartition

T0, T1, U0 = TopicPartition("t", 0), TopicPartition("t", 1), TopicPartition("u", 0)
Asked = tuple[int, list[tuple[int, int, bool, list[TopicPartition]]]]


class World:
    """Leaders, their answers, and what was asked of them."""

    def __init__(self) -> None:
        self.leaders = {T0: 1, T1: 2, U0: 1}
        self.dead: dict[int, None] = {}
        self.asked: list[Asked] = []
        self.waiting: list[tuple[Message, asyncio.Future[Any]]] = []
        self.done: list[str] = []
        self.ours = True
        self.sender = MarkerSender(
            cast("MetadataCache", self),
            cast("Peers", self),
            TaskOwner(asyncio.get_running_loop()),
            is_wanted=lambda delivery: self.ours,
            on_done=lambda delivery: self.done.append(delivery.transaction.id),
        )

    def partition(self, name: TopicPartition) -> Any:
        leader = self.leaders.get(name)
        return None if leader is None else Message(leader=leader)

    def knows(self, broker_id: int) -> bool:
        return broker_id >= 0 and broker_id not in self.dead

    async def send(self, broker_id: int, api: int, version: int, message: Message) -> Any:
        markers = [
            (
                m.producer_id,
                m.coordinator_epoch,
                m.transaction_result,
                [TopicPartition(t.name, n) for t in m.topics for n in t.partition_indexes],
            )
            for m in message.markers
        ]
        self.asked.append((broker_id, markers))
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.waiting.append((message, future))
        return await future

    async def answer(self, error: ErrorCode = ErrorCode.NONE) -> None:
        """The oldest request's, the same for every partition."""
        message, future = self.waiting.pop(0)
        markers = [
            Message(
                producer_id=m.producer_id,
                topics=[
                    Message(
                        name=t.name,
                        partitions=[
                            Message(partition_index=n, error_code=error)
                            for n in t.partition_indexes
                        ],
                    )
                    for t in m.topics
                ],
            )
            for m in message.markers
        ]
        future.set_result(Message(markers=markers))
        await settle()

    def end(self, name: str, producer_id: int, *partitions: TopicPartition) -> Transaction:
        """A transaction commits, and its markers are to be sent."""
        transaction = decisions.new_transaction(name, producer_id, 1000, 1)
        decisions.check_init(transaction, None)
        transaction.complete(decisions.begin_producer(transaction, 1000, None, 1, None))
        step = decisions.add_partitions(transaction, producer_id, 0, partitions, 1)
        assert step is not None
        transaction.complete(step)
        ending = decisions.end(transaction, producer_id, 0, commit=True, now_ms=1)
        assert ending is not None
        transaction.complete(ending)
        owned = cast("OwnedPartition[Transaction]", Message(partition=Message(leader_epoch=4)))
        self.sender.send(
            Delivery(
                owned=owned,
                transaction=transaction,
                completion=decisions.complete(transaction, 2),
                open=dict.fromkeys(partitions),
            )
        )
        return transaction


def play(scenario: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario(World())

    run(main())


async def pause() -> None:
    await asyncio.sleep(RETRY_PAUSE_S)
    await settle()


def test_every_leader_is_told_once_with_all_that_waits_for_it() -> None:
    async def scenario(world: World) -> None:
        world.end("a", 1, T0, T1, U0)
        await settle()
        world.end("b", 2, T0)
        world.end("c", 3, U0)
        await settle()
        assert world.asked == [(1, [(1, 4, True, [T0, U0])]), (2, [(1, 4, True, [T1])])]
        await world.answer()
        assert world.done == []
        assert world.asked[2:] == [(1, [(2, 4, True, [T0]), (3, 4, True, [U0])])]
        await world.answer()
        assert world.done == ["a"]
        await world.answer()
        assert world.done == ["a", "b", "c"]

    play(scenario)


@pytest.mark.parametrize(
    "error",
    [
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.NOT_ENOUGH_REPLICAS,
        ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        ErrorCode.REQUEST_TIMED_OUT,
        ErrorCode.KAFKA_STORAGE_ERROR,
    ],
)
def test_what_may_succeed_later_is_tried_again_where_the_leader_is_then(error: ErrorCode) -> None:
    async def scenario(world: World) -> None:
        world.end("a", 1, T0)
        await settle()
        await world.answer(error)
        world.leaders[T0] = 2
        await pause()
        assert [broker for broker, _ in world.asked] == [1, 2]
        assert world.done == []
        await world.answer()
        assert world.done == ["a"]

    play(scenario)


def test_a_lost_connection_and_a_leader_that_is_away() -> None:
    async def scenario(world: World) -> None:
        world.end("a", 1, T0)
        await settle()
        world.waiting.pop()[1].set_exception(ConnectionResetError())
        world.dead[1] = None
        await settle()
        for _ in range(3):
            await pause()
        assert len(world.asked) == 1
        world.dead.clear()
        await pause()
        assert len(world.asked) == 2
        await world.answer()
        assert world.done == ["a"]

    play(scenario)


def test_a_deleted_partition_counts_as_done() -> None:
    async def scenario(world: World) -> None:
        world.end("a", 1, T0, T1)
        await settle()
        del world.leaders[T0]
        await world.answer(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        await world.answer()
        await pause()
        assert world.done == ["a"]
        world.end("b", 2, T0)
        assert world.done == ["a", "b"]
        assert len(world.asked) == 2

    play(scenario)


@pytest.mark.parametrize(
    "error", [ErrorCode.TRANSACTION_COORDINATOR_FENCED, ErrorCode.INVALID_PRODUCER_EPOCH]
)
def test_a_fenced_coordinator_stops(error: ErrorCode) -> None:
    async def scenario(world: World) -> None:
        world.end("a", 1, T0, T1)
        await settle()
        await world.answer(error)
        await world.answer()
        await pause()
        assert world.done == []
        assert len(world.asked) == 2

    play(scenario)


def test_markers_of_ids_that_have_moved_away_are_dropped() -> None:
    async def scenario(world: World) -> None:
        world.end("a", 1, T0)
        await settle()
        world.end("b", 2, T0)
        world.ours = False
        await world.answer(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        await pause()
        assert len(world.asked) == 1
        assert world.done == []

    play(scenario)
