"""ReplicaManager.appendRecords: append now, answer when it is safe enough for ``acks``
(reference 5.5).

Synchronous up to the parked answer, but for a request of very many partitions. acks=1 waits for
nothing, or with ``log.flush.before.ack`` for the flush; acks=all waits until the high watermark has
passed the batch. What was appended stays in the log even if the answer is an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator

from barnabas.config.broker_config import INTERNAL_TOPICS
from barnabas.errors import ErrorCode, KafkaError
from barnabas.pace import PromptFuture
from barnabas.records.rules import MalformedProduce
from barnabas.records.up_conversion import LEGACY_PRODUCE_VERSION_MAX, NothingWhole
from barnabas.replication.append_request import (
    ACKS_ALL,
    ACKS_LEADER,
    ACKS_NONE,
    AppendRequest,
    ProduceEntry,
)
from barnabas.replication.partition import Partition
from barnabas.replication.purgatory import DeadlineWheel, DelayedProduce
from barnabas.replication.results import NotLeader, ProduceResult
from barnabas.replication.settings import ReplicationContext
from barnabas.types import TopicPartition

_NOT_ALL_YET = -1
"""A part of a request that goes on being appended."""

_NO_RECORDS = memoryview(b"")

_LOG_START_UNTOLD = frozenset(
    {
        ErrorCode.CORRUPT_MESSAGE,
        ErrorCode.MESSAGE_TOO_LARGE,
        ErrorCode.RECORD_LIST_TOO_LARGE,
        ErrorCode.KAFKA_STORAGE_ERROR,
    }
)


class ProducePath:
    """All appends of one broker that come from clients or its own coordinators."""

    def __init__(
        self,
        context: ReplicationContext,
        host: Callable[[TopicPartition], Partition],
        wheel: DeadlineWheel,
    ) -> None:
        self._context = context
        self._host = host
        self._wheel = wheel

    def append(
        self, request: AppendRequest
    ) -> list[ProduceResult] | asyncio.Future[list[ProduceResult]]:
        """The results, or a future of them, in the order of the entries."""
        if request.acks not in (ACKS_ALL, ACKS_NONE, ACKS_LEADER):
            return [self._refused(entry) for entry in request.entries]
        results: list[ProduceResult] = []
        waiting: list[tuple[int, Partition, int]] = []
        for topic, number, records in request.entries:
            result = ProduceResult(topic, number)
            results.append(result)
            placed = self._append_if_allowed(topic, number, records, result, request)
            if placed is None:
                continue
            partition, required = placed
            if not self._is_safe(partition, required, request.acks, result):
                waiting.append((len(results) - 1, partition, required))
        if not waiting:
            return results
        return self._park(results, waiting, request)

    def append_in_steps(
        self, request: AppendRequest
    ) -> Generator[int, None, list[ProduceResult] | asyncio.Future[list[ProduceResult]]]:
        """``append`` for very many entries, with pauses. Each part waits from its append on, so
        that it is told if its partition changes roles in a pause."""
        if request.acks not in (ACKS_ALL, ACKS_NONE, ACKS_LEADER):
            return [self._refused(entry) for entry in request.entries]
        deadline_ms = self._context.now_ms() + max(request.timeout_ms, 0)
        results: list[ProduceResult] = []
        produce = DelayedProduce(results, PromptFuture(loop=self._context.loop), self._wheel)
        produce.wait(_NOT_ALL_YET)
        for topic, number, records in request.entries:
            yield 1
            result = ProduceResult(topic, number)
            results.append(result)
            placed = self._append_if_allowed(topic, number, records, result, request)
            if placed is not None and not self._is_safe(*placed, request.acks, result):
                self._wait(produce, len(results) - 1, *placed, request.acks)
        produce.decide(_NOT_ALL_YET, ErrorCode.NONE)
        if produce.future.done():
            return results
        self._wheel.add(produce, deadline_ms)
        return produce.future

    def _refuse_internal(self, result: ProduceResult) -> None:
        result.fail(
            ErrorCode.INVALID_TOPIC_EXCEPTION, f"Cannot append to internal topic {result.topic}"
        )

    def _exists(self, name: TopicPartition) -> bool:
        try:
            self._host(name)
        except KafkaError as error:
            return error.code != ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        return True

    def _refused(self, entry: ProduceEntry) -> ProduceResult:
        result = ProduceResult(entry[0], entry[1])
        result.fail(ErrorCode.INVALID_REQUIRED_ACKS)
        return result

    def _append_if_allowed(
        self,
        topic: str,
        number: int,
        records: memoryview | None,
        result: ProduceResult,
        request: AppendRequest,
    ) -> tuple[Partition, int] | None:
        """What ``_append_one`` says; None, with the error in ``result``, for a topic that this
        client may not write to."""
        if topic in request.denied:
            result.fail(ErrorCode.TOPIC_AUTHORIZATION_FAILED)
            return None
        name = TopicPartition(topic, number)
        if topic in INTERNAL_TOPICS and not request.internal_topics and self._exists(name):
            self._refuse_internal(result)
            return None
        return self._append_one(name, records, result, request)

    def _append_one(
        self,
        name: TopicPartition,
        records: memoryview | None,
        result: ProduceResult,
        request: AppendRequest,
    ) -> tuple[Partition, int] | None:
        """Append; the partition and the offset after the batch, or None after an error."""
        partition = None
        try:
            host = self._host(name)
            guard = None if request.transaction is None else request.transaction.guard(name)
            partition = host
            if not records and request.produce_version > LEGACY_PRODUCE_VERSION_MAX:
                raise MalformedProduce(ErrorCode.INVALID_RECORD, f"no records for {name}")
            info = partition.append_as_leader(records or _NO_RECORDS, request, guard)
        except NothingWhole:
            return None
        except NotLeader as error:
            _count_failure(partition)
            result.fail(error.code, leader=error.leader)
            return None
        except KafkaError as error:
            _count_failure(partition)
            result.fail(error.code, error.message or None)
            result.record_errors = list(getattr(error, "record_errors", None) or ())
            log = None if partition is None else partition.log
            if log is not None and _log_start_is_told(error):
                result.log_start_offset = log.log_start_offset
            return None
        result.base_offset = info.first_offset
        result.append_time_ms = info.append_time_ms
        result.log_start_offset = info.log_start_offset
        return partition, info.last_offset + 1

    def _is_safe(
        self, partition: Partition, required: int, acks: int, result: ProduceResult
    ) -> bool:
        """Whether the answer may be sent at once; then the result is set."""
        log = partition.log_or_raise()
        if acks == ACKS_NONE:
            return True
        if acks == ACKS_LEADER:
            flushed = not self._context.settings.log_flush_before_ack
            return flushed or log.flushed_offset >= required
        if log.high_watermark < required:
            return False
        leadership = partition.leadership
        assert leadership is not None
        if len(leadership.state.maximal) < partition.min_isr:
            result.fail(ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND)
        return True

    def _park(
        self,
        results: list[ProduceResult],
        waiting: list[tuple[int, Partition, int]],
        request: AppendRequest,
    ) -> asyncio.Future[list[ProduceResult]]:
        future: PromptFuture[list[ProduceResult]] = PromptFuture(loop=self._context.loop)
        produce = DelayedProduce(results, future, self._wheel)
        for index, partition, required in waiting:
            self._wait(produce, index, partition, required, request.acks)
        self._wheel.add(produce, self._context.now_ms() + max(request.timeout_ms, 0))
        return future

    def _wait(
        self, produce: DelayedProduce, index: int, partition: Partition, required: int, acks: int
    ) -> None:
        produce.wait(index)
        waiting = partition.waiting or partition.begin_waiting()
        queue = waiting.replication if acks == ACKS_ALL else waiting.flush
        queue.add(required, produce, index)


def _count_failure(partition: Partition | None) -> None:
    if partition is not None and partition.figures is not None:
        partition.figures.produces += 1
        partition.figures.failed_produces += 1


def _log_start_is_told(error: KafkaError) -> bool:
    """Whether a refusal carries the log's start (the original's ``appendToLocalLog``)."""
    return error.code not in _LOG_START_UNTOLD and not isinstance(error, MalformedProduce)
