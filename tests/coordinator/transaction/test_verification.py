"""Questions to coordinators: together, in order, and what is told to whom."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

import pytest
from tests.replication.support import settle
from tests.virtual_time import run

from barnabas.coordinator.transaction.peers import Peers
from barnabas.coordinator.transaction.verification import Verifier, told_to_client, told_to_producer
from barnabas.errors import ErrorCode
from barnabas.metadata_cache import MetadataCache
from barnabas.protocol.message import Message
from barnabas.replication.tasks import TaskOwner
from barnabas.types import TopicPartition

T0, T1 = TopicPartition("t", 0), TopicPartition("t", 1)


class Broker:
    """The coordinator, as far as it can be asked."""

    def __init__(self) -> None:
        self.requests: list[Message] = []
        self.waiting: list[asyncio.Future[Any]] = []

    def knows(self, broker_id: int) -> bool:
        return broker_id >= 0

    async def send(self, broker_id: int, api: int, version: int, message: Message) -> Any:
        self.requests.append(message)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        return await future

    def answer(self, *errors: ErrorCode) -> None:
        """The oldest request's, one error for each of its transactions."""
        asked = self.requests[len(self.requests) - len(self.waiting)]
        results = [
            Message(
                transactional_id=transaction.transactional_id,
                topic_results=[
                    Message(
                        name=topic.name,
                        results_by_partition=[
                            Message(partition_index=n, partition_error_code=error)
                            for n in topic.partitions
                        ],
                    )
                    for topic in transaction.topics
                ],
            )
            for transaction, error in zip(asked.transactions, errors, strict=True)
        ]
        self.waiting.pop(0).set_result(Message(error_code=0, results_by_transaction=results))

    def close(self) -> None:
        return


class Metadata:
    """One coordinator, or none."""

    leader = 2

    def partition(self, name: TopicPartition) -> Any:
        return Message(leader=self.leader)


def play(scenario: Any) -> None:
    async def main() -> None:
        broker, metadata = Broker(), Metadata()
        tasks = TaskOwner(asyncio.get_running_loop())
        verifier = Verifier(
            cast("MetadataCache", metadata),
            cast("Peers", broker),
            tasks,
            lambda name: 0,
            enabled=True,
        )
        await cast("Coroutine[Any, Any, None]", scenario(verifier, broker, metadata))
        await tasks.close()

    run(main())


def test_one_request_at_a_time_with_all_that_waits() -> None:
    async def scenario(verifier: Verifier, broker: Broker, metadata: Metadata) -> None:
        first = verifier.verify("x", 1, 0, [T0])
        await settle()
        later = verifier.verify("x", 1, 0, [T0]), verifier.verify("x", 1, 0, [T1])
        other = verifier.verify("y", 2, 0, [T0])
        await settle()
        assert len(broker.requests) == 1
        broker.answer(ErrorCode.NONE)
        await settle()
        assert first.result() == {T0: ErrorCode.NONE}
        asked = broker.requests[1].transactions
        assert [(t.transactional_id, t.verify_only) for t in asked] == [("x", True), ("y", True)]
        assert asked[0].topics[0].partitions == [0, 1]
        broker.answer(ErrorCode.TRANSACTION_ABORTABLE, ErrorCode.NONE)
        await settle()
        for one in later:
            assert one.result()[T0] is ErrorCode.TRANSACTION_ABORTABLE
        assert other.result() == {T0: ErrorCode.NONE}

    play(scenario)


def test_a_younger_producer_goes_before_an_older_one() -> None:
    async def scenario(verifier: Verifier, broker: Broker, metadata: Metadata) -> None:
        verifier.verify("busy", 9, 0, [T0])
        await settle()
        old = verifier.verify("x", 1, 0, [T0])
        new = verifier.verify("x", 1, 1, [T0])
        assert old.result() == {T0: ErrorCode.NETWORK_EXCEPTION}
        assert verifier.verify("x", 1, 0, [T0]).result() == {T0: ErrorCode.PRODUCER_FENCED}
        broker.answer(ErrorCode.NONE)
        await settle()
        assert [t.producer_epoch for t in broker.requests[1].transactions] == [1]
        broker.answer(ErrorCode.NONE)
        await settle()
        assert new.result() == {T0: ErrorCode.NONE}

    play(scenario)


def test_without_a_coordinator_or_its_answer() -> None:
    async def scenario(verifier: Verifier, broker: Broker, metadata: Metadata) -> None:
        lost = verifier.verify("x", 1, 0, [T0])
        await settle()
        broker.waiting.pop().set_exception(ConnectionResetError())
        await settle()
        assert lost.result() == {T0: ErrorCode.NETWORK_EXCEPTION}
        metadata.leader = -1
        nobody = verifier.verify("x", 1, 0, [T0])
        assert nobody.result() == {T0: ErrorCode.COORDINATOR_NOT_AVAILABLE}

    play(scenario)


@pytest.mark.parametrize(
    ("verdict", "old", "new"),
    [
        (ErrorCode.CONCURRENT_TRANSACTIONS, ErrorCode.NOT_ENOUGH_REPLICAS, None),
        (ErrorCode.NETWORK_EXCEPTION, ErrorCode.NOT_ENOUGH_REPLICAS, None),
        (ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.NOT_ENOUGH_REPLICAS, None),
        (ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.NOT_ENOUGH_REPLICAS, None),
        (ErrorCode.NOT_COORDINATOR, ErrorCode.NOT_ENOUGH_REPLICAS, None),
        (ErrorCode.PRODUCER_FENCED, ErrorCode.INVALID_PRODUCER_EPOCH, None),
        (ErrorCode.INVALID_PRODUCER_ID_MAPPING, ErrorCode.INVALID_PRODUCER_ID_MAPPING, None),
        (
            ErrorCode.TRANSACTION_ABORTABLE,
            ErrorCode.INVALID_TXN_STATE,
            ErrorCode.TRANSACTION_ABORTABLE,
        ),
    ],
)
def test_what_producers_are_told(verdict: ErrorCode, old: ErrorCode, new: ErrorCode | None) -> None:
    assert told_to_producer(verdict, abortable=False)[0] is old
    assert told_to_producer(verdict, abortable=True)[0] is (new or old)
    if old is not ErrorCode.NOT_ENOUGH_REPLICAS:
        assert told_to_client(verdict, abortable=False) is old
