"""DescribeTopicPartitions: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class DescribeTopicPartitionsResponse(ResponseMessage, kw_only=True):
    """DescribeTopicPartitions, v0."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DESCRIBE_TOPIC_PARTITIONS

    class Topic(MessageStruct, kw_only=True):
        """v0."""

        error_code: int
        name: str | None
        topic_id: UUID | None
        is_internal: bool = False
        partitions: Sequence[DescribeTopicPartitionsResponse.Partition]
        topic_authorized_operations: int = -2147483648

    class Partition(MessageStruct, kw_only=True):
        """v0."""

        error_code: int
        partition_index: int
        leader_id: int
        leader_epoch: int = -1
        replica_nodes: Sequence[int]
        isr_nodes: Sequence[int]
        eligible_leader_replicas: Sequence[int] | None = None
        last_known_elr: Sequence[int] | None = None
        offline_replicas: Sequence[int]

    class Cursor(MessageStruct, kw_only=True):
        """v0."""

        topic_name: str
        partition_index: int

    throttle_time: int
    topics: Sequence[DescribeTopicPartitionsResponse.Topic]
    next_cursor: DescribeTopicPartitionsResponse.Cursor | None = None


class DescribeTopicPartitionsRequest(RequestMessage[DescribeTopicPartitionsResponse], kw_only=True):
    """DescribeTopicPartitions, v0."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DESCRIBE_TOPIC_PARTITIONS

    class TopicRequest(MessageStruct, kw_only=True):
        """v0."""

        name: str

    class Cursor(MessageStruct, kw_only=True):
        """v0."""

        topic_name: str
        partition_index: int

    topics: Sequence[DescribeTopicPartitionsRequest.TopicRequest]
    response_partition_limit: int = 2000
    cursor: DescribeTopicPartitionsRequest.Cursor | None = None
