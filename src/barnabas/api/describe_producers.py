"""DescribeProducers v0: the producers of a partition, and since when their transactions are open
(KIP-664). Any replica answers for its own log."""

from __future__ import annotations

from barnabas.api.access import allowed, denied
from barnabas.api.metadata import check_known
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request, Steps, each
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.errors import TEXTS, ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
)
from barnabas.storage.producers.state import ProducerEntry
from barnabas.types import NO_OFFSET, TopicPartition


@serves(ApiKey.DESCRIBE_PRODUCERS, of_each((ResourceType.TOPIC, AclOperation.READ)))
def handle(services: Services, request: Request) -> Answer:
    """Describes each partition separately."""
    return _answer(services, request)


def _answer(services: Services, request: Request) -> Steps[Pieces]:
    """The answer, in steps: a partition may have many thousands of producers."""
    topics = []
    readable = allowed(services, request, AclOperation.READ, ResourceType.TOPIC)
    for topic in request.decode(DescribeProducersRequest).topics:
        partitions = []
        may_read = topic.name in readable
        for number in topic.partition_indexes:
            answer = yield from _partition(services, TopicPartition(topic.name, number), may_read)
            partitions.append(answer)
        topics.append(
            DescribeProducersResponse.TopicResponse(name=topic.name, partitions=partitions)
        )
        yield 1
    return (
        yield from request.answer_in_steps(
            DescribeProducersResponse(throttle_time=0, topics=topics)
        )
    )


def _partition(
    services: Services, name: TopicPartition, may_read: bool
) -> Steps[DescribeProducersResponse.PartitionResponse]:
    answer = DescribeProducersResponse.PartitionResponse(
        partition_index=name.partition,
        error_code=ErrorCode.NONE,
        error_message=None,
        active_producers=[],
    )
    try:
        if not may_read:
            raise denied(ErrorCode.TOPIC_AUTHORIZATION_FAILED)
        check_known(services, name.topic, TEXTS[ErrorCode.UNKNOWN_TOPIC_OR_PARTITION])
        producers = services.replicas.host(name).log_or_raise().producers
        answer.active_producers = yield from each(list(producers.entries.values()), _producer)
    except KafkaError as error:
        answer.error_code = error.code
        answer.error_message = error.message or None
    yield 1
    return answer


def _producer(entry: ProducerEntry) -> DescribeProducersResponse.ProducerState:
    first = entry.current_txn_first_offset
    return DescribeProducersResponse.ProducerState(
        producer_id=entry.producer_id,
        producer_epoch=entry.epoch,
        last_sequence=entry.last_sequence,
        last_timestamp=entry.last_timestamp,
        coordinator_epoch=entry.coordinator_epoch,
        current_txn_start_offset=NO_OFFSET if first is None else first,
    )
