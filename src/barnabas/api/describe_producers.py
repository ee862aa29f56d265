"""DescribeProducers v0: who has written to a partition, and whose transaction is open there since
when (KIP-664). Any replica answers for its own log."""

from __future__ import annotations

from barnabas.api.registry import serves
from barnabas.api.request import Answer, Request
from barnabas.api.services import Services
from barnabas.errors import TEXTS, ErrorCode, KafkaError
from barnabas.names import check_topic
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.storage.producers.state import ProducerEntry
from barnabas.types import NO_OFFSET, TopicPartition


@serves(ApiKey.DESCRIBE_PRODUCERS)
def handle(services: Services, request: Request) -> Answer:
    """Each partition on its own."""
    topics = [
        Message(
            name=topic.name,
            partitions=[
                _partition(services, TopicPartition(topic.name, number))
                for number in topic.partition_indexes
            ],
        )
        for topic in request.decode().topics
    ]
    return request.answer(Message(throttle_time=0, topics=topics))


def _partition(services: Services, name: TopicPartition) -> Message:
    answer = Message(
        partition_index=name.partition,
        error_code=ErrorCode.NONE,
        error_message=None,
        active_producers=[],
    )
    try:
        _check_topic(services, name.topic)
        producers = services.replicas.host(name).log_or_raise().producers
        answer.active_producers = [_producer(entry) for entry in producers.entries.values()]
    except KafkaError as error:
        answer.error_code = error.code
        answer.error_message = error.message or None
    return answer


def _check_topic(services: Services, topic: str) -> None:
    check_topic(topic)
    if services.metadata.partitions(topic) is None:
        error = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        raise KafkaError(error, TEXTS[error])


def _producer(entry: ProducerEntry) -> Message:
    first = entry.current_txn_first_offset
    return Message(
        producer_id=entry.producer_id,
        producer_epoch=entry.epoch,
        last_sequence=entry.last_sequence,
        last_timestamp=entry.last_timestamp,
        coordinator_epoch=entry.coordinator_epoch,
        current_txn_start_offset=NO_OFFSET if first is None else first,
    )
