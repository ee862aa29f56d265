"""ListOffsets: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class ListOffsetsResponse(ResponseMessage, kw_only=True):
    """ListOffsets, v0-9."""

    API_KEY: ClassVar[ApiKey] = ApiKey.LIST_OFFSETS

    class TopicResponse(MessageStruct, kw_only=True):
        """v0-9."""

        name: str
        partitions: Sequence[ListOffsetsResponse.PartitionResponse]

    class PartitionResponse(MessageStruct, kw_only=True):
        """v0-9."""

        partition_index: int
        error_code: int
        old_style_offsets: Sequence[int] = ()  # v0
        timestamp: int = -1  # v1-9
        offset: int = -1  # v1-9
        leader_epoch: int = -1  # v4-9

    topics: Sequence[ListOffsetsResponse.TopicResponse]
    throttle_time: int = 0  # v2-9


class ListOffsetsRequest(RequestMessage[ListOffsetsResponse], kw_only=True):
    """ListOffsets, v0-9."""

    API_KEY: ClassVar[ApiKey] = ApiKey.LIST_OFFSETS

    class Topic(MessageStruct, kw_only=True):
        """v0-9."""

        name: str
        partitions: Sequence[ListOffsetsRequest.Partition]

    class Partition(MessageStruct, kw_only=True):
        """v0-9."""

        partition_index: int
        timestamp: int
        max_num_offsets: int = 1  # v0
        current_leader_epoch: int = -1  # v4-9

    replica_id: int
    topics: Sequence[ListOffsetsRequest.Topic]
    isolation_level: int = 0  # v2-9
