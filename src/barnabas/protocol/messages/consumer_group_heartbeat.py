"""ConsumerGroupHeartbeat: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class ConsumerGroupHeartbeatResponse(ResponseMessage, kw_only=True):
    """ConsumerGroupHeartbeat, v0-1."""

    API_KEY: ClassVar[ApiKey] = ApiKey.CONSUMER_GROUP_HEARTBEAT

    class Assignment(MessageStruct, kw_only=True):
        """v0-1."""

        topic_partitions: Sequence[ConsumerGroupHeartbeatResponse.TopicPartitions]

    class TopicPartitions(MessageStruct, kw_only=True):
        """v0-1."""

        topic_id: UUID | None
        partitions: Sequence[int]

    throttle_time: int
    error_code: int
    error_message: str | None = None
    member_id: str | None = None
    member_epoch: int
    heartbeat_interval: int
    assignment: ConsumerGroupHeartbeatResponse.Assignment | None = None


class ConsumerGroupHeartbeatRequest(RequestMessage[ConsumerGroupHeartbeatResponse], kw_only=True):
    """ConsumerGroupHeartbeat, v0-1."""

    API_KEY: ClassVar[ApiKey] = ApiKey.CONSUMER_GROUP_HEARTBEAT

    class TopicPartitions(MessageStruct, kw_only=True):
        """v0-1."""

        topic_id: UUID | None
        partitions: Sequence[int]

    group_id: str
    member_id: str
    member_epoch: int
    instance_id: str | None = None
    rack_id: str | None = None
    rebalance_timeout: int = -1
    subscribed_topic_names: Sequence[str] | None = None
    server_assignor: str | None = None
    topic_partitions: Sequence[ConsumerGroupHeartbeatRequest.TopicPartitions] | None = None
    subscribed_topic_regex: str | None = None  # v1
