"""AlterPartition: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class AlterPartitionResponse(ResponseMessage, kw_only=True):
    """AlterPartition, v0-3."""

    API_KEY: ClassVar[ApiKey] = ApiKey.ALTER_PARTITION

    class TopicData(MessageStruct, kw_only=True):
        """v0-3."""

        topic_name: str = ""  # v0-1
        partitions: Sequence[AlterPartitionResponse.PartitionData]
        topic_id: UUID | None = None  # v2-3

    class PartitionData(MessageStruct, kw_only=True):
        """v0-3."""

        partition_index: int
        error_code: int
        leader_id: int
        leader_epoch: int
        isr: Sequence[int]
        partition_epoch: int
        leader_recovery_state: int = 0  # v1-3

    throttle_time: int
    error_code: int
    topics: Sequence[AlterPartitionResponse.TopicData]


class AlterPartitionRequest(RequestMessage[AlterPartitionResponse], kw_only=True):
    """AlterPartition, v0-3."""

    API_KEY: ClassVar[ApiKey] = ApiKey.ALTER_PARTITION

    class TopicData(MessageStruct, kw_only=True):
        """v0-3."""

        topic_name: str = ""  # v0-1
        partitions: Sequence[AlterPartitionRequest.PartitionData]
        topic_id: UUID | None = None  # v2-3

    class PartitionData(MessageStruct, kw_only=True):
        """v0-3."""

        partition_index: int
        leader_epoch: int
        new_isr: Sequence[int] = ()  # v0-2
        partition_epoch: int
        leader_recovery_state: int = 0  # v1-3
        new_isr_with_epochs: Sequence[AlterPartitionRequest.BrokerState] = ()  # v3

    class BrokerState(MessageStruct, kw_only=True):
        """v3."""

        broker_id: int
        broker_epoch: int = -1

    broker_id: int
    broker_epoch: int = -1
    topics: Sequence[AlterPartitionRequest.TopicData]
