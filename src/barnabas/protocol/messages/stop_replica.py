"""StopReplica: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class StopReplicaResponse(ResponseMessage, kw_only=True):
    """StopReplica, v0-4."""

    API_KEY: ClassVar[ApiKey] = ApiKey.STOP_REPLICA

    class PartitionError(MessageStruct, kw_only=True):
        """v0-4."""

        topic_name: str
        partition_index: int
        error_code: int

    error_code: int
    partition_errors: Sequence[StopReplicaResponse.PartitionError]


class StopReplicaRequest(RequestMessage[StopReplicaResponse], kw_only=True):
    """StopReplica, v0-4."""

    API_KEY: ClassVar[ApiKey] = ApiKey.STOP_REPLICA

    class PartitionV0(MessageStruct, kw_only=True):
        """v0."""

        topic_name: str
        partition_index: int

    class TopicV1(MessageStruct, kw_only=True):
        """v1-2."""

        name: str
        partition_indexes: Sequence[int]

    class TopicState(MessageStruct, kw_only=True):
        """v3-4."""

        topic_name: str
        partition_states: Sequence[StopReplicaRequest.PartitionState]

    class PartitionState(MessageStruct, kw_only=True):
        """v3-4."""

        partition_index: int
        leader_epoch: int = -1
        delete_partition: bool

    controller_id: int
    controller_epoch: int
    delete_partitions: bool = False  # v0-2
    ungrouped_partitions: Sequence[StopReplicaRequest.PartitionV0] = ()  # v0
    broker_epoch: int = -1  # v1-4
    topics: Sequence[StopReplicaRequest.TopicV1] = ()  # v1-2
    topic_states: Sequence[StopReplicaRequest.TopicState] = ()  # v3-4
    is_kraft_controller: bool = False  # v4
