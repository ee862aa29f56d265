"""AddPartitionsToTxn v0-5: adds partitions to a transaction (v0-3, from a producer), or to several
(v4-5, between brokers). v4-5 may also only ask whether they are in it (KIP-890).

If one partition does not exist, none is added: the others get OPERATION_NOT_ATTEMPTED. Below v2
PRODUCER_FENCED is answered as INVALID_PRODUCER_EPOCH.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Mapping, Sequence
from typing import TypeAlias

from barnabas.api.access import (
    EVERYTHING,
    allowed,
    is_allowed,
    is_allowed_on_cluster,
    refuse_without_items,
)
from barnabas.api.fenced import fenced
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Promise, Request, Steps
from barnabas.api.services import Services
from barnabas.api.when import when
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
)
from barnabas.types import TopicPartition

BATCHED_FROM = 4

Errors = Mapping[TopicPartition, ErrorCode]


_Topics: TypeAlias = Sequence[AddPartitionsToTxnRequest.Topic]


@serves(
    ApiKey.ADD_PARTITIONS_TO_TXN,
    of_each(
        (ResourceType.TRANSACTIONAL_ID, AclOperation.WRITE),
        (ResourceType.TOPIC, AclOperation.WRITE),
        (ResourceType.CLUSTER, AclOperation.CLUSTER_ACTION),
    ),
)
def handle(services: Services, request: Request) -> Answer:
    """Waits for the in-sync replicas of each transactional id's partition."""
    decoded = request.decode(AddPartitionsToTxnRequest)
    if request.api_version >= BATCHED_FROM:
        if not is_allowed_on_cluster(services, request, AclOperation.CLUSTER_ACTION):
            return refuse_without_items(services, request)
        return _batched(services, request, decoded)
    return request.in_steps_if_long(_single(services, request, decoded))


def _single(
    services: Services, request: Request, decoded: AddPartitionsToTxnRequest
) -> Steps[Pieces | Steps[Pieces] | Promise]:
    partitions = yield from _partitions(decoded.v3_and_below_topics)
    transactional_id = decoded.v3_and_below_transactional_id
    write, kind = AclOperation.WRITE, ResourceType.TRANSACTIONAL_ID
    result: ErrorCode | Errors | asyncio.Future[ErrorCode]
    if is_allowed(services, request, write, kind, transactional_id):
        result = yield from _add(
            services,
            transactional_id,
            decoded.v3_and_below_producer_id,
            decoded.v3_and_below_producer_epoch,
            partitions,
            allowed(services, request, write, ResourceType.TOPIC),
        )
    else:
        result = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED

    def answer(errors: Errors) -> Steps[Pieces]:
        topics = yield from _topics(decoded.v3_and_below_topics, errors)
        message = AddPartitionsToTxnResponse(throttle_time=0, results_by_topic_v3_and_below=topics)
        return (yield from request.answer_in_steps(message))

    if isinstance(result, Mapping):
        return (yield from answer(result))
    return when(
        result,
        lambda error: request.in_steps_if_long(
            answer(dict.fromkeys(partitions, fenced(request, error)))
        ),
    )


async def _batched(
    services: Services, request: Request, decoded: AddPartitionsToTxnRequest
) -> Pieces:
    results = []
    for transaction in decoded.transactions:
        partitions = await request.in_turns_if_long(_partitions(transaction.topics))
        producer = (
            transaction.transactional_id,
            transaction.producer_id,
            transaction.producer_epoch,
        )
        found: ErrorCode | Errors | asyncio.Future[ErrorCode]
        if transaction.verify_only:
            found = services.transactions.verify(*producer, partitions)
        else:
            found = await request.in_turns_if_long(
                _add(services, *producer, partitions, EVERYTHING)
            )
        results.append((transaction, partitions, found))
    answers = []
    for transaction, partitions, found in results:
        if isinstance(found, asyncio.Future):
            found = await found
        if isinstance(found, ErrorCode):
            found = dict.fromkeys(partitions, found)
        topics = await request.in_turns_if_long(_topics(transaction.topics, found))
        answers.append(
            AddPartitionsToTxnResponse.Result(
                transactional_id=transaction.transactional_id, topic_results=topics
            )
        )
    message = AddPartitionsToTxnResponse(
        throttle_time=0, error_code=ErrorCode.NONE, results_by_transaction=answers
    )
    return await request.in_turns_if_long(request.answer_in_steps(message))


def _add(
    services: Services,
    transactional_id: str,
    producer_id: int,
    epoch: int,
    partitions: list[TopicPartition],
    writable: Container[str],
) -> Steps[ErrorCode | Errors | asyncio.Future[ErrorCode]]:
    """One error for all partitions, or one for each."""
    errors: dict[TopicPartition, ErrorCode] = {}
    are_good = True
    for partition in partitions:
        yield 1
        error = ErrorCode.OPERATION_NOT_ATTEMPTED
        if partition.topic not in writable:
            error = ErrorCode.TOPIC_AUTHORIZATION_FAILED
        elif partition not in services.metadata:
            error = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        errors[partition] = error
        are_good = are_good and error is ErrorCode.OPERATION_NOT_ATTEMPTED
    if not are_good:
        return errors
    return services.transactions.add_partitions(transactional_id, producer_id, epoch, partitions)


def _partitions(topics: _Topics) -> Steps[list[TopicPartition]]:
    """The partitions, each once."""
    partitions: dict[TopicPartition, None] = {}
    for topic in topics:
        for number in topic.partitions:
            partitions[TopicPartition(topic.name, number)] = None
            yield 1
    return list(partitions)


def _topics(topics: _Topics, errors: Errors) -> Steps[list[AddPartitionsToTxnResponse.TopicResult]]:
    answers = []
    for topic in topics:
        results = []
        for number in topic.partitions:
            code = errors[TopicPartition(topic.name, number)]
            results.append(
                AddPartitionsToTxnResponse.PartitionResult(
                    partition_index=number, partition_error_code=code
                )
            )
            yield 1
        answers.append(
            AddPartitionsToTxnResponse.TopicResult(name=topic.name, results_by_partition=results)
        )
    return answers
