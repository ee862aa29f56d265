"""OffsetCommit: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class OffsetCommitResponse(ResponseMessage, kw_only=True):
    """OffsetCommit, v0-9."""

    API_KEY: ClassVar[ApiKey] = ApiKey.OFFSET_COMMIT

    class Topic(MessageStruct, kw_only=True):
        """v0-9."""

        name: str
        partitions: Sequence[OffsetCommitResponse.Partition]

    class Partition(MessageStruct, kw_only=True):
        """v0-9."""

        partition_index: int
        error_code: int

    topics: Sequence[OffsetCommitResponse.Topic]
    throttle_time: int = 0  # v3-9


class OffsetCommitRequest(RequestMessage[OffsetCommitResponse], kw_only=True):
    """OffsetCommit, v0-9."""

    API_KEY: ClassVar[ApiKey] = ApiKey.OFFSET_COMMIT

    class Topic(MessageStruct, kw_only=True):
        """v0-9."""

        name: str
        partitions: Sequence[OffsetCommitRequest.Partition]

    class Partition(MessageStruct, kw_only=True):
        """v0-9."""

        partition_index: int
        committed_offset: int
        committed_metadata: str | None
        commit_timestamp: int = -1  # v1
        committed_leader_epoch: int = -1  # v6-9

    group_id: str
    topics: Sequence[OffsetCommitRequest.Topic]
    generation_id_or_member_epoch: int = -1  # v1-9
    member_id: str = ""  # v1-9
    retention_time: int = -1  # v2-4
    group_instance_id: str | None = None  # v7-9
