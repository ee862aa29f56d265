"""AddPartitionsToTxnManager: before a leader appends the first batch of a transaction, it asks the
coordinator whether the partition takes part (KIP-890 part 1, reference 7.3).

Each coordinator gets one AddPartitionsToTxn v5 (v4 on an older inter-broker protocol) with
``verify_only`` at a time, with all questions that wait for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from barnabas.coordinator.transaction.peers import Peers
from barnabas.coordinator.transaction.records import TRANSACTION_TOPIC, by_topic
from barnabas.errors import ErrorCode
from barnabas.metadata_cache import MetadataCache
from barnabas.protocol.api import ApiKey
from barnabas.protocol.inter_broker import CURRENT
from barnabas.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
)
from barnabas.replication.tasks import TaskOwner
from barnabas.types import TopicPartition

log = logging.getLogger(__name__)

OLDEST_VERSION = 4
Verdicts: TypeAlias = dict[TopicPartition, ErrorCode]


@dataclass(slots=True, kw_only=True)
class _Question:
    """Partitions to be verified for one transaction, and the requests that wait for the answer."""

    transactional_id: str
    producer_id: int
    epoch: int
    partitions: dict[TopicPartition, None] = field(default_factory=dict)
    askers: list[asyncio.Future[Verdicts]] = field(default_factory=list)

    def answer(self, verdicts: Verdicts) -> None:
        for asker in self.askers:
            if not asker.done():
                asker.set_result(verdicts)

    def fail(self, error: ErrorCode) -> None:
        self.answer(dict.fromkeys(self.partitions, error))


class Verifier:
    """Sends the questions of one broker. ``enabled``:
    ``transaction.partition.verification.enable``."""

    def __init__(
        self,
        metadata: MetadataCache,
        peers: Peers,
        tasks: TaskOwner,
        partition_of: Callable[[str], int],
        *,
        enabled: bool,
        version: int | None = CURRENT.verification,
    ) -> None:
        self.enabled = enabled
        self._version = version or OLDEST_VERSION
        self._metadata = metadata
        self._peers = peers
        self._tasks = tasks
        self._partition_of = partition_of
        self._waiting: dict[int, dict[str, _Question]] = {}
        self._busy: dict[int, None] = {}
        self._loop = asyncio.get_running_loop()

    def verify(
        self,
        transactional_id: str,
        producer_id: int,
        epoch: int,
        partitions: Iterable[TopicPartition],
    ) -> asyncio.Future[Verdicts]:
        """An error code for each partition, as the coordinator gives it, or
        COORDINATOR_NOT_AVAILABLE or NETWORK_EXCEPTION."""
        asker: asyncio.Future[Verdicts] = self._loop.create_future()
        asked = dict.fromkeys(partitions)
        place = TopicPartition(TRANSACTION_TOPIC, self._partition_of(transactional_id))
        known = self._metadata.partition(place)
        if known is None or not self._peers.knows(known.leader):
            asker.set_result(dict.fromkeys(asked, ErrorCode.COORDINATOR_NOT_AVAILABLE))
            return asker
        waiting = self._waiting.setdefault(known.leader, {})
        question = waiting.get(transactional_id)
        if question is not None and (question.producer_id, question.epoch) != (producer_id, epoch):
            # One request can ask about one producer of an id.
            if question.producer_id == producer_id and epoch < question.epoch:
                asker.set_result(dict.fromkeys(asked, ErrorCode.PRODUCER_FENCED))
                return asker
            question.fail(ErrorCode.NETWORK_EXCEPTION)
            question = None
        if question is None:
            question = waiting[transactional_id] = _Question(
                transactional_id=transactional_id, producer_id=producer_id, epoch=epoch
            )
        question.partitions.update(asked)
        question.askers.append(asker)
        if known.leader not in self._busy:
            self._busy[known.leader] = None
            self._tasks.spawn(self._work(known.leader), f"verification by {known.leader}")
        return asker

    async def _work(self, broker_id: int) -> None:
        questions: dict[str, _Question] = {}
        try:
            while questions := self._waiting.pop(broker_id, {}):
                await self._ask(broker_id, questions)
        finally:
            self._busy.pop(broker_id, None)
            for question in questions.values():
                question.fail(ErrorCode.NETWORK_EXCEPTION)

    async def _ask(self, broker_id: int, questions: dict[str, _Question]) -> None:
        request = AddPartitionsToTxnRequest(
            transactions=[_transaction(q) for q in questions.values()]
        )
        try:
            answer = await self._peers.send(
                broker_id, ApiKey.ADD_PARTITIONS_TO_TXN, self._version, request
            )
        except OSError as error:
            log.warning("verification by broker %d: %s", broker_id, error)
            for question in questions.values():
                question.fail(ErrorCode.NETWORK_EXCEPTION)
            return
        told = {str(r.transactional_id): _verdicts(r) for r in answer.results_by_transaction}
        for name, question in questions.items():
            missing = ErrorCode(answer.error_code) or ErrorCode.NETWORK_EXCEPTION
            verdicts = told.get(name, {})
            question.answer({p: verdicts.get(p, missing) for p in question.partitions})

    def close(self) -> None:
        """Close the connections."""
        self._peers.close()


def _transaction(question: _Question) -> AddPartitionsToTxnRequest.Transaction:
    return AddPartitionsToTxnRequest.Transaction(
        transactional_id=question.transactional_id,
        producer_id=question.producer_id,
        producer_epoch=question.epoch,
        verify_only=True,
        topics=[
            AddPartitionsToTxnRequest.Topic(name=topic, partitions=numbers)
            for topic, numbers in by_topic(tuple(question.partitions)).items()
        ],
    )


def _verdicts(result: AddPartitionsToTxnResponse.Result) -> Verdicts:
    return {
        TopicPartition(topic.name, p.partition_index): ErrorCode(p.partition_error_code)
        for topic in result.topic_results
        for p in topic.results_by_partition
    }


_UNDECIDED = (
    ErrorCode.CONCURRENT_TRANSACTIONS,
    ErrorCode.NETWORK_EXCEPTION,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_COORDINATOR,
)


def told_to_client(error: ErrorCode, *, abortable: bool) -> ErrorCode:
    """A verdict as the client is told it, which knows TRANSACTION_ABORTABLE or does not."""
    if error == ErrorCode.PRODUCER_FENCED:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    if error == ErrorCode.TRANSACTION_ABORTABLE and not abortable:
        return ErrorCode.INVALID_TXN_STATE
    return error


def told_to_producer(error: ErrorCode, *, abortable: bool) -> tuple[ErrorCode, str | None]:
    """A verdict as the answer to a Produce request. An open outcome becomes an error after which
    every client repeats the request without asking for metadata first."""
    if error in _UNDECIDED:
        return ErrorCode.NOT_ENOUGH_REPLICAS, (
            "Unable to verify the partition has been added to the transaction."
            f" Underlying error: {error.name}"
        )
    code = told_to_client(error, abortable=abortable)
    if code == ErrorCode.INVALID_TXN_STATE:
        return code, "Partition was not added to the transaction"
    return code, None
