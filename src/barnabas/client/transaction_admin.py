"""TransactionsCommand, what it asks brokers: lists and describes transactions for a tool, finds
those that hang, and ends them in a partition (KIP-664).

A transaction hangs if a partition has it open and its coordinator does not know of it. Nobody will
ever write its marker, so read_committed consumers stop there for good.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from barnabas.client.cluster import ClusterClient
from barnabas.client.coordinators import (
    ASK_AGAIN,
    TRANSACTION,
    ask_all_coordinators,
    ask_coordinator,
    retried,
)
from barnabas.client.errors import RETRIABLE, ClientError
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.describe_producers import DescribeProducersRequest
from barnabas.protocol.messages.describe_transactions import DescribeTransactionsRequest
from barnabas.protocol.messages.list_transactions import ListTransactionsRequest
from barnabas.protocol.messages.write_txn_markers import WriteTxnMarkersRequest
from barnabas.types import NO_OFFSET, TopicPartition

VERSION: Final = 0
LIST_WITH_DURATION_VERSION: Final = 1
WRITE_TXN_MARKERS_VERSION: Final = 1
NO_DURATION: Final = -1
PARTITIONS_AT_ONCE: Final = 500
"""In one request."""
TRANSACTION_TOPIC: Final = "__transaction_state"
_ANSWERED_AGAIN: Final = frozenset(RETRIABLE | ASK_AGAIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A transactional id as its coordinator lists it."""

    transactional_id: str
    coordinator: int
    producer_id: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A transactional id as its coordinator describes it. Times are wall ms."""

    transactional_id: str
    coordinator: int
    producer_id: int
    producer_epoch: int
    state: str
    timeout_ms: int
    start_ms: int
    """-1 while no transaction is open."""
    partitions: tuple[TopicPartition, ...]
    """Those to which the end of the transaction is still to be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveProducer:
    """A producer as a partition's leader knows it. Times are wall ms."""

    partition: TopicPartition
    producer_id: int
    producer_epoch: int
    coordinator_epoch: int
    """Of the last marker; -1 if there was none."""
    last_sequence: int
    last_timestamp: int
    start_offset: int
    """Of its open transaction; -1 if it has none."""


async def list_transactions(
    client: ClusterClient,
    *,
    states: Sequence[str] = (),
    producers: Collection[int] = (),
    duration_ms: int = NO_DURATION,
) -> list[Listing]:
    """The transactional ids that all registered brokers coordinate, by id; filtered by state,
    producer id, and by how long the transaction is open at least. Raises ClientError,
    Unreachable."""
    request = ListTransactionsRequest(
        state_filters=list(states),
        producer_id_filters=sorted(producers),
        duration_filter=duration_ms,
    )
    # Brokers before 3.8 know no durations; others need not be asked in a version that has them.
    version = VERSION if duration_ms < 0 else LIST_WITH_DURATION_VERSION
    found: dict[str, Listing] = {}
    answers = ask_all_coordinators(
        client,
        ApiKey.LIST_TRANSACTIONS,
        version,
        request,
        lambda answer: int(answer.error_code),
    )
    async for broker, answer in answers:
        for state in answer.unknown_state_filters:
            raise ClientError(f"broker {broker} knows no state {state}", ErrorCode.INVALID_REQUEST)
        for each in answer.transaction_states:
            found[each.transactional_id] = Listing(
                transactional_id=each.transactional_id,
                coordinator=broker,
                producer_id=int(each.producer_id),
                state=each.transaction_state,
            )
    return [found[name] for name in sorted(found)]


async def describe_transaction(client: ClusterClient, transactional_id: str) -> Description:
    """One transactional id. Raises ClientError (TRANSACTIONAL_ID_NOT_FOUND), Unreachable."""
    coordinator, answer = await ask_coordinator(
        client,
        TRANSACTION,
        transactional_id,
        ApiKey.DESCRIBE_TRANSACTIONS,
        VERSION,
        DescribeTransactionsRequest(transactional_ids=[transactional_id]),
        lambda answer: int(answer.transaction_states[0].error_code),
    )
    found = answer.transaction_states[0]
    return Description(
        transactional_id=transactional_id,
        coordinator=coordinator,
        producer_id=int(found.producer_id),
        producer_epoch=int(found.producer_epoch),
        state=found.transaction_state,
        timeout_ms=int(found.transaction_timeout),
        start_ms=int(found.transaction_start_time),
        partitions=tuple(
            TopicPartition(t.topic, int(p)) for t in found.topics for p in t.partitions
        ),
    )


async def describe_producers(
    client: ClusterClient, partitions: Iterable[TopicPartition], broker: int | None = None
) -> list[ActiveProducer]:
    """The producers of partitions, from their leaders, or as one ``broker`` knows them. Raises
    ClientError, Unreachable, ConnectionError."""
    wanted = list(partitions)
    found: list[ActiveProducer] = []
    for start in range(0, len(wanted), PARTITIONS_AT_ONCE):
        some = wanted[start : start + PARTITIONS_AT_ONCE]
        by_broker: dict[int, list[TopicPartition]] = {}
        if broker is None:
            await client.metadata(sorted({p.topic for p in some}))
        for p in some:
            leader = client.view.leader(*p) if broker is None else broker
            if leader is None:
                raise ClientError(str(p), ErrorCode.LEADER_NOT_AVAILABLE)
            by_broker.setdefault(leader, []).append(p)
        for asked, theirs in by_broker.items():
            found += await _producers_of(client, asked, theirs)
    return found


async def _producers_of(
    client: ClusterClient, broker: int, partitions: Sequence[TopicPartition]
) -> list[ActiveProducer]:
    request = DescribeProducersRequest(
        topics=[
            DescribeProducersRequest.TopicRequest(name=name, partition_indexes=numbers)
            for name, numbers in _by_topic(partitions).items()
        ]
    )
    answer = await client.broker(broker, ApiKey.DESCRIBE_PRODUCERS, VERSION, request)
    found: list[ActiveProducer] = []
    for topic in answer.topics:
        for partition in topic.partitions:
            tp = TopicPartition(topic.name, int(partition.partition_index))
            if partition.error_code:
                raise ClientError(str(tp), int(partition.error_code), partition.error_message)
            found += [
                ActiveProducer(
                    partition=tp,
                    producer_id=int(p.producer_id),
                    producer_epoch=int(p.producer_epoch),
                    coordinator_epoch=int(p.coordinator_epoch),
                    last_sequence=int(p.last_sequence),
                    last_timestamp=int(p.last_timestamp),
                    start_offset=int(p.current_txn_start_offset),
                )
                for p in partition.active_producers
            ]
    return found


def _by_topic(partitions: Iterable[TopicPartition]) -> dict[str, list[int]]:
    topics: dict[str, list[int]] = {}
    for topic, number in partitions:
        topics.setdefault(topic, []).append(number)
    return topics


async def find_hanging(
    client: ClusterClient,
    partitions: Iterable[TopicPartition],
    older_than_ms: int,
    broker: int | None = None,
) -> list[ActiveProducer]:
    """The transactions that hang in ``partitions``. Only those whose last record is from before
    ``older_than_ms`` count, since a younger one may be known to its coordinator a moment later.
    Raises ClientError, also if some coordinator cannot be asked; Unreachable, ConnectionError."""
    producers = await describe_producers(client, partitions, broker)
    candidates = [
        p for p in producers if p.start_offset != NO_OFFSET and p.last_timestamp < older_than_ms
    ]
    if not candidates:
        return []
    await _all_coordinators(client)
    ids = {p.producer_id for p in candidates}
    listed = {
        listing.producer_id: listing
        for listing in await list_transactions(client, producers=ids)
        if listing.producer_id in ids
    }
    known: dict[int, Description] = {}
    for producer_id, listing in listed.items():
        try:
            known[producer_id] = await describe_transaction(client, listing.transactional_id)
        except ClientError as error:
            if error.code != ErrorCode.TRANSACTIONAL_ID_NOT_FOUND:
                raise
    return hanging(candidates, known)


def hanging(
    candidates: Iterable[ActiveProducer], known: Mapping[int, Description]
) -> list[ActiveProducer]:
    """The open transactions whose end nobody will write. ``known``: what coordinators say, by
    producer id. They name every partition whose marker they still have to write. Pure."""
    return [
        each
        for each in candidates
        if (description := known.get(each.producer_id)) is None
        or each.partition not in description.partitions
    ]


async def _all_coordinators(client: ClusterClient) -> None:
    """Raises ClientError if some transactional ids have no coordinator now: their transactions
    would seem to hang."""
    topic = (await client.status([TRANSACTION_TOPIC])).topics.get(TRANSACTION_TOPIC)
    if topic is None or topic.error == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
        return
    if topic.error:
        raise ClientError(TRANSACTION_TOPIC, topic.error)
    for partition in topic.partitions:
        if client.view.leader(TRANSACTION_TOPIC, partition.partition) is None:
            raise ClientError(
                f"{TRANSACTION_TOPIC}-{partition.partition}: its transactions cannot be looked up",
                ErrorCode.COORDINATOR_NOT_AVAILABLE,
            )


async def open_transaction(
    client: ClusterClient, partition: TopicPartition, start_offset: int
) -> ActiveProducer:
    """The transaction that begins at an offset of a partition. Raises ClientError
    (INVALID_TXN_STATE) if none does, Unreachable, ConnectionError."""
    for producer in await describe_producers(client, [partition]):
        if producer.start_offset == start_offset != NO_OFFSET:
            return producer
    raise ClientError(
        f"{partition}: no open transaction begins at offset {start_offset}",
        ErrorCode.INVALID_TXN_STATE,
    )


async def abort(client: ClusterClient, producer: ActiveProducer) -> None:
    """Write the marker of an aborted transaction to its partition. Raises ClientError,
    Unreachable."""
    tp = producer.partition
    request = WriteTxnMarkersRequest(
        markers=[
            WriteTxnMarkersRequest.WritableTxnMarker(
                producer_id=producer.producer_id,
                producer_epoch=producer.producer_epoch,
                transaction_result=False,
                topics=[
                    WriteTxnMarkersRequest.WritableTxnMarkerTopic(
                        name=tp.topic, partition_indexes=[tp.partition]
                    )
                ],
                coordinator_epoch=max(producer.coordinator_epoch, 0),
            )
        ]
    )

    async def ask() -> int:
        await client.metadata([tp.topic])
        leader = client.view.leader(*tp)
        if leader is None:
            return ErrorCode.LEADER_NOT_AVAILABLE
        answer = await client.broker(
            leader, ApiKey.WRITE_TXN_MARKERS, WRITE_TXN_MARKERS_VERSION, request
        )
        codes = [p.error_code for m in answer.markers for t in m.topics for p in t.partitions]
        return int(codes[0]) if codes else ErrorCode.CLUSTER_AUTHORIZATION_FAILED

    await retried(client, ask, lambda code: code, str(tp), again=_ANSWERED_AGAIN)
