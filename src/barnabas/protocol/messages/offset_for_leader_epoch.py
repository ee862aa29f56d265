"""OffsetForLeaderEpoch: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class OffsetForLeaderEpochResponse(ResponseMessage, kw_only=True):
    """OffsetForLeaderEpoch, v0-4."""

    API_KEY: ClassVar[ApiKey] = ApiKey.OFFSET_FOR_LEADER_EPOCH

    class OffsetForLeaderTopicResult(MessageStruct, kw_only=True):
        """v0-4."""

        topic: str
        partitions: Sequence[OffsetForLeaderEpochResponse.EpochEndOffset]

    class EpochEndOffset(MessageStruct, kw_only=True):
        """v0-4."""

        error_code: int
        partition: int
        end_offset: int = -1
        leader_epoch: int = -1  # v1-4

    topics: Sequence[OffsetForLeaderEpochResponse.OffsetForLeaderTopicResult]
    throttle_time: int = 0  # v2-4


class OffsetForLeaderEpochRequest(RequestMessage[OffsetForLeaderEpochResponse], kw_only=True):
    """OffsetForLeaderEpoch, v0-4."""

    API_KEY: ClassVar[ApiKey] = ApiKey.OFFSET_FOR_LEADER_EPOCH

    class OffsetForLeaderTopic(MessageStruct, kw_only=True):
        """v0-4."""

        topic: str
        partitions: Sequence[OffsetForLeaderEpochRequest.OffsetForLeaderPartition]

    class OffsetForLeaderPartition(MessageStruct, kw_only=True):
        """v0-4."""

        partition: int
        leader_epoch: int
        current_leader_epoch: int = -1  # v2-4

    topics: Sequence[OffsetForLeaderEpochRequest.OffsetForLeaderTopic]
    replica_id: int = -2  # v3-4
