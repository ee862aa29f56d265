"""TransactionMarkerChannelManager: tells leaders how a transaction ended (reference 7.6).

Each broker gets one WriteTxnMarkers at a time, with the markers of all transactions that wait for
it. A partition is tried again until its leader has replicated the marker; a deleted one counts as
done. Before every request it is checked that this broker still coordinates the transaction.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from barnabas.coordinator.ownership import OwnedPartition
from barnabas.coordinator.transaction.peers import Peers
from barnabas.coordinator.transaction.records import by_topic
from barnabas.coordinator.transaction.states import TransactionState
from barnabas.coordinator.transaction.transaction import Transaction, TransactionValue
from barnabas.errors import ErrorCode
from barnabas.metadata_cache import MetadataCache
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.write_txn_markers import (
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)
from barnabas.replication.tasks import TaskOwner
from barnabas.types import TopicPartition

log = logging.getLogger(__name__)

WRITE_TXN_MARKERS_VERSION = 1
RETRY_PAUSE_S = 0.05

_DONE = (
    ErrorCode.NONE,
    ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT,
    ErrorCode.UNSUPPORTED_VERSION,
)
_FENCED = (ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.TRANSACTION_COORDINATOR_FENCED)
_RETRIABLE = (
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode.NOT_LEADER_OR_FOLLOWER,
    ErrorCode.FENCED_LEADER_EPOCH,
    ErrorCode.NOT_ENOUGH_REPLICAS,
    ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    ErrorCode.REQUEST_TIMED_OUT,
    ErrorCode.KAFKA_STORAGE_ERROR,
)


@dataclass(slots=True, eq=False, kw_only=True)
class Delivery:
    """The markers of one transaction. ``completion`` is the step that follows them."""

    owned: OwnedPartition[Transaction]
    transaction: Transaction
    completion: TransactionValue
    open: dict[TopicPartition, None] = field(default_factory=dict)
    """Partitions without their marker yet."""
    fenced: bool = False

    @property
    def commit(self) -> bool:
        return self.completion.state is TransactionState.COMPLETE_COMMIT


class MarkerSender:
    """``on_done`` is called once every partition has its marker."""

    def __init__(
        self,
        metadata: MetadataCache,
        peers: Peers,
        tasks: TaskOwner,
        *,
        is_wanted: Callable[[Delivery], bool],
        on_done: Callable[[Delivery], None],
    ) -> None:
        self._metadata = metadata
        self._peers = peers
        self._tasks = tasks
        self._is_ours = is_wanted
        self._on_done = on_done
        self._waiting: dict[int, dict[Delivery, list[TopicPartition]]] = {}
        self._busy: dict[int, None] = {}

    def _is_wanted(self, delivery: Delivery) -> bool:
        return not delivery.fenced and self._is_ours(delivery)

    def send(self, delivery: Delivery) -> None:
        """Queue markers for every partition that lacks one; returns at once."""
        self._place(delivery, list(delivery.open))

    def _place(self, delivery: Delivery, partitions: list[TopicPartition]) -> None:
        """Put markers into the queues of the present leaders."""
        homeless: list[TopicPartition] = []
        for partition in partitions:
            known = self._metadata.partition(partition)
            if known is None:
                log.info("%s is gone; %s ends without it", partition, delivery.transaction.id)
                delivery.open.pop(partition, None)
            elif not self._peers.knows(known.leader):
                homeless.append(partition)
            else:
                queue = self._waiting.setdefault(known.leader, {})
                queue.setdefault(delivery, []).append(partition)
                self._start(known.leader)
        if homeless:
            self._retry(delivery, homeless)
        self._finish_if_done(delivery)

    def _finish_if_done(self, delivery: Delivery) -> None:
        if not delivery.open and self._is_wanted(delivery):
            self._on_done(delivery)

    def _retry(self, delivery: Delivery, partitions: list[TopicPartition]) -> None:
        async def later() -> None:
            await asyncio.sleep(RETRY_PAUSE_S)
            if self._is_wanted(delivery):
                self._place(delivery, partitions)

        self._tasks.spawn(later(), f"markers of {delivery.transaction.id}")

    # One broker

    def _start(self, broker_id: int) -> None:
        if broker_id not in self._busy:
            self._busy[broker_id] = None
            self._tasks.spawn(self._work(broker_id), f"markers to {broker_id}")

    async def _work(self, broker_id: int) -> None:
        try:
            while waiting := self._waiting.pop(broker_id, None):
                batch = {d: parts for d, parts in waiting.items() if self._is_wanted(d)}
                if batch:
                    await self._send(broker_id, batch)
        finally:
            self._busy.pop(broker_id, None)

    async def _send(self, broker_id: int, batch: dict[Delivery, list[TopicPartition]]) -> None:
        request = WriteTxnMarkersRequest(markers=[_marker(d, parts) for d, parts in batch.items()])
        try:
            answer = await self._peers.send(
                broker_id, ApiKey.WRITE_TXN_MARKERS, WRITE_TXN_MARKERS_VERSION, request
            )
        except OSError as error:
            log.debug("markers to broker %d: %s", broker_id, error)
            for delivery, partitions in batch.items():
                self._retry(delivery, partitions)
            return
        results = {int(m.producer_id): dict(_results(m)) for m in answer.markers}
        for delivery, partitions in batch.items():
            told = results.get(delivery.completion.producer_id, {})
            self._answered(delivery, partitions, told)

    def _answered(
        self,
        delivery: Delivery,
        partitions: Iterable[TopicPartition],
        told: dict[TopicPartition, ErrorCode],
    ) -> None:
        again: list[TopicPartition] = []
        for partition in partitions:
            error = told.get(partition, ErrorCode.UNKNOWN_SERVER_ERROR)
            if error in _DONE:
                delivery.open.pop(partition, None)
            elif error in _FENCED:
                delivery.fenced = True
            else:
                if error not in _RETRIABLE:
                    log.error("marker of %s in %s: %s", delivery.transaction.id, partition, error)
                again.append(partition)
        if delivery.fenced:
            # Another broker has become coordinator of the id, and this one has not been told yet.
            log.warning("%s: markers are fenced, another coordinates it", delivery.transaction.id)
            return
        if again:
            self._retry(delivery, again)
        self._finish_if_done(delivery)


def _marker(
    delivery: Delivery, partitions: list[TopicPartition]
) -> WriteTxnMarkersRequest.WritableTxnMarker:
    return WriteTxnMarkersRequest.WritableTxnMarker(
        producer_id=delivery.completion.producer_id,
        producer_epoch=delivery.completion.producer_epoch,
        transaction_result=delivery.commit,
        topics=[
            WriteTxnMarkersRequest.WritableTxnMarkerTopic(name=topic, partition_indexes=numbers)
            for topic, numbers in by_topic(tuple(partitions)).items()
        ],
        coordinator_epoch=delivery.owned.partition.leader_epoch,
    )


def _results(
    marker: WriteTxnMarkersResponse.WritableTxnMarkerResult,
) -> Iterator[tuple[TopicPartition, ErrorCode]]:
    for topic in marker.topics:
        for partition in topic.partitions:
            name = TopicPartition(topic.name, partition.partition_index)
            yield name, ErrorCode(partition.error_code)
