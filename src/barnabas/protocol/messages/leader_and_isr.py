"""LeaderAndIsr: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class LeaderAndIsrResponse(ResponseMessage, kw_only=True):
    """LeaderAndIsr, v0-7."""

    API_KEY: ClassVar[ApiKey] = ApiKey.LEADER_AND_ISR

    class PartitionError(MessageStruct, kw_only=True):
        """v0-7."""

        topic_name: str = ""  # v0-4
        partition_index: int
        error_code: int

    class TopicError(MessageStruct, kw_only=True):
        """v5-7."""

        topic_id: UUID | None
        partition_errors: Sequence[LeaderAndIsrResponse.PartitionError]

    error_code: int
    partition_errors: Sequence[LeaderAndIsrResponse.PartitionError] = ()  # v0-4
    topics: Sequence[LeaderAndIsrResponse.TopicError] = ()  # v5-7


class LeaderAndIsrRequest(RequestMessage[LeaderAndIsrResponse], kw_only=True):
    """LeaderAndIsr, v0-7."""

    API_KEY: ClassVar[ApiKey] = ApiKey.LEADER_AND_ISR

    class PartitionState(MessageStruct, kw_only=True):
        """v0-7."""

        topic_name: str = ""  # v0-1
        partition_index: int
        controller_epoch: int
        leader: int
        leader_epoch: int
        isr: Sequence[int]
        partition_epoch: int
        replicas: Sequence[int]
        is_new: bool = False  # v1-7
        adding_replicas: Sequence[int] = ()  # v3-7
        removing_replicas: Sequence[int] = ()  # v3-7
        leader_recovery_state: int = 0  # v6-7

    class LiveLeader(MessageStruct, kw_only=True):
        """v0-7."""

        broker_id: int
        host_name: str
        port: int

    class TopicState(MessageStruct, kw_only=True):
        """v2-7."""

        topic_name: str
        partition_states: Sequence[LeaderAndIsrRequest.PartitionState]
        topic_id: UUID | None = None  # v5-7

    controller_id: int
    controller_epoch: int
    ungrouped_partition_states: Sequence[LeaderAndIsrRequest.PartitionState] = ()  # v0-1
    live_leaders: Sequence[LeaderAndIsrRequest.LiveLeader]
    broker_epoch: int = -1  # v2-7
    topic_states: Sequence[LeaderAndIsrRequest.TopicState] = ()  # v2-7
    type_: int = 0  # v5-7
    is_kraft_controller: bool = False  # v7
