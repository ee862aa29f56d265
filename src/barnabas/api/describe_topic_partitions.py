"""DescribeTopicPartitions v0 (KIP-966): partitions of topics in pages, with a cursor.

Kafka does not have it in ZooKeeper mode, but newer client tools use it. ZooKeeper mode has no
eligible leader replicas, so those lists are empty, as in a KRaft cluster without them.
"""

from __future__ import annotations

from msgspec.structs import asdict

from barnabas.api.access import NOT_ASKED, allowed, operations
from barnabas.api.metadata import partition_message, unknown_topic_error
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request, Steps
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.config.broker_config import INTERNAL_TOPICS
from barnabas.errors import ErrorCode
from barnabas.metadata_cache import PartitionMetadata
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.describe_topic_partitions import (
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
)


@serves(ApiKey.DESCRIBE_TOPIC_PARTITIONS, of_each((ResourceType.TOPIC, AclOperation.DESCRIBE)))
def handle(services: Services, request: Request) -> Answer:
    """Lists topics by name, from the cursor on, up to the limit of partitions."""
    return _answer(services, request)


def _answer(services: Services, request: Request) -> Steps[Pieces]:
    """The answer, in steps. Unknown topics do not count for the limit, so there may be many."""
    decoded = request.decode(DescribeTopicPartitionsRequest)
    cursor = decoded.cursor
    if cursor is not None and cursor.partition_index < 0:
        return request.answer(
            DescribeTopicPartitionsResponse(throttle_time=0, topics=[], next_cursor=None)
        )
    named = sorted({t.name for t in decoded.topics})
    described = allowed(
        services, request, AclOperation.DESCRIBE, ResourceType.TOPIC, quiet=not named
    )
    names = named or [name for name in services.metadata.topics() if name in described]
    first_partition = 0
    if cursor is not None:
        names = [n for n in names if n >= cursor.topic_name]
        first_partition = cursor.partition_index
    limit = services.config.integer("max.request.partition.size.limit")
    left = min(max(1, decoded.response_partition_limit), limit)
    topics: list[DescribeTopicPartitionsResponse.Topic] = []
    next_cursor = None
    for index, name in enumerate(names):
        start = first_partition if cursor is not None and name == cursor.topic_name else 0
        if name not in described:
            topics.append(_denied(name))
            yield 1
            continue
        topic, more_at = _topic(services, request, name, start, left)
        topics.append(topic)
        yield 1
        left -= len(topic.partitions)
        if more_at is not None:
            next_cursor = DescribeTopicPartitionsResponse.Cursor(
                topic_name=name, partition_index=more_at
            )
            break
        if left == 0 and index + 1 < len(names):
            next_cursor = DescribeTopicPartitionsResponse.Cursor(
                topic_name=names[index + 1], partition_index=0
            )
            break
    message = DescribeTopicPartitionsResponse(
        throttle_time=0, topics=topics, next_cursor=next_cursor
    )
    return (yield from request.answer_in_steps(message))


def _denied(name: str) -> DescribeTopicPartitionsResponse.Topic:
    return DescribeTopicPartitionsResponse.Topic(
        error_code=ErrorCode.TOPIC_AUTHORIZATION_FAILED,
        name=name,
        topic_id=None,
        is_internal=name in INTERNAL_TOPICS,
        partitions=[],
        topic_authorized_operations=NOT_ASKED,
    )


def _topic(
    services: Services, request: Request, name: str, start: int, limit: int
) -> tuple[DescribeTopicPartitionsResponse.Topic, int | None]:
    """A topic's message, and the first partition that is beyond the limit (None if none is)."""
    listener = request.listener
    partitions = services.metadata.partitions(name)
    numbers = sorted(n for n in partitions or {} if n >= start)
    shown, rest = numbers[:limit], numbers[limit:]
    message = DescribeTopicPartitionsResponse.Topic(
        error_code=ErrorCode.NONE if partitions is not None else unknown_topic_error(name),
        name=name,
        topic_id=services.metadata.topic_id(name),
        is_internal=name in INTERNAL_TOPICS,
        partitions=[_partition(services, (partitions or {})[n], listener) for n in shown],
        topic_authorized_operations=operations(services, request, ResourceType.TOPIC, name),
    )
    return message, rest[0] if rest else None


def _partition(
    services: Services, partition: PartitionMetadata, listener: str
) -> DescribeTopicPartitionsResponse.Partition:
    return DescribeTopicPartitionsResponse.Partition(
        **asdict(partition_message(services, partition, listener)),
        # Empty, not null: Kafka's own clients fail on a null.
        eligible_leader_replicas=[],
        last_known_elr=[],
    )
