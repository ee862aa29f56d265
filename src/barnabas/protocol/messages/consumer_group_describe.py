"""ConsumerGroupDescribe: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class ConsumerGroupDescribeResponse(ResponseMessage, kw_only=True):
    """ConsumerGroupDescribe, v0-1."""

    API_KEY: ClassVar[ApiKey] = ApiKey.CONSUMER_GROUP_DESCRIBE

    class DescribedGroup(MessageStruct, kw_only=True):
        """v0-1."""

        error_code: int
        error_message: str | None = None
        group_id: str
        group_state: str
        group_epoch: int
        assignment_epoch: int
        assignor_name: str
        members: Sequence[ConsumerGroupDescribeResponse.Member]
        authorized_operations: int = -2147483648

    class Member(MessageStruct, kw_only=True):
        """v0-1."""

        member_id: str
        instance_id: str | None = None
        rack_id: str | None = None
        member_epoch: int
        client_id: str
        client_host: str
        subscribed_topic_names: Sequence[str]
        subscribed_topic_regex: str | None = None
        assignment: ConsumerGroupDescribeResponse.Assignment
        target_assignment: ConsumerGroupDescribeResponse.Assignment
        member_type: int = -1  # v1

    class Assignment(MessageStruct, kw_only=True):
        """v0-1."""

        topic_partitions: Sequence[ConsumerGroupDescribeResponse.TopicPartitions]

    class TopicPartitions(MessageStruct, kw_only=True):
        """v0-1."""

        topic_id: UUID | None
        topic_name: str
        partitions: Sequence[int]

    throttle_time: int
    groups: Sequence[ConsumerGroupDescribeResponse.DescribedGroup]


class ConsumerGroupDescribeRequest(RequestMessage[ConsumerGroupDescribeResponse], kw_only=True):
    """ConsumerGroupDescribe, v0-1."""

    API_KEY: ClassVar[ApiKey] = ApiKey.CONSUMER_GROUP_DESCRIBE

    group_ids: Sequence[str]
    include_authorized_operations: bool
