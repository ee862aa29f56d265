"""OffsetFetch: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class OffsetFetchResponse(ResponseMessage, kw_only=True):
    """OffsetFetch, v0-9."""

    API_KEY: ClassVar[ApiKey] = ApiKey.OFFSET_FETCH

    class Topic(MessageStruct, kw_only=True):
        """v0-7."""

        name: str
        partitions: Sequence[OffsetFetchResponse.Partition]

    class Partition(MessageStruct, kw_only=True):
        """v0-7."""

        partition_index: int
        committed_offset: int
        metadata: str | None
        error_code: int
        committed_leader_epoch: int = -1  # v5-7

    class Group(MessageStruct, kw_only=True):
        """v8-9."""

        group_id: str
        topics: Sequence[OffsetFetchResponse.Topics]
        error_code: int = 0

    class Topics(MessageStruct, kw_only=True):
        """v8-9."""

        name: str
        partitions: Sequence[OffsetFetchResponse.Partitions]

    class Partitions(MessageStruct, kw_only=True):
        """v8-9."""

        partition_index: int
        committed_offset: int
        committed_leader_epoch: int = -1
        metadata: str | None
        error_code: int

    topics: Sequence[OffsetFetchResponse.Topic] = ()  # v0-7
    error_code: int = 0  # v2-7
    throttle_time: int = 0  # v3-9
    groups: Sequence[OffsetFetchResponse.Group] = ()  # v8-9


class OffsetFetchRequest(RequestMessage[OffsetFetchResponse], kw_only=True):
    """OffsetFetch, v0-9."""

    API_KEY: ClassVar[ApiKey] = ApiKey.OFFSET_FETCH

    class Topic(MessageStruct, kw_only=True):
        """v0-7."""

        name: str
        partition_indexes: Sequence[int]

    class Group(MessageStruct, kw_only=True):
        """v8-9."""

        group_id: str
        topics: Sequence[OffsetFetchRequest.Topics] | None
        member_id: str | None = None  # v9
        member_epoch: int = -1  # v9

    class Topics(MessageStruct, kw_only=True):
        """v8-9."""

        name: str
        partition_indexes: Sequence[int]

    group_id: str = ""  # v0-7
    topics: Sequence[OffsetFetchRequest.Topic] | None = None  # v0-7
    require_stable: bool = False  # v7-9
    groups: Sequence[OffsetFetchRequest.Group] = ()  # v8-9
