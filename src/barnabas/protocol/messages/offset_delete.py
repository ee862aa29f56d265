"""OffsetDelete: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class OffsetDeleteResponse(ResponseMessage, kw_only=True):
    """OffsetDelete, v0."""

    API_KEY: ClassVar[ApiKey] = ApiKey.OFFSET_DELETE

    class Topic(MessageStruct, kw_only=True):
        """v0."""

        name: str
        partitions: Sequence[OffsetDeleteResponse.Partition]

    class Partition(MessageStruct, kw_only=True):
        """v0."""

        partition_index: int
        error_code: int

    error_code: int
    throttle_time: int
    topics: Sequence[OffsetDeleteResponse.Topic]


class OffsetDeleteRequest(RequestMessage[OffsetDeleteResponse], kw_only=True):
    """OffsetDelete, v0."""

    API_KEY: ClassVar[ApiKey] = ApiKey.OFFSET_DELETE

    class Topic(MessageStruct, kw_only=True):
        """v0."""

        name: str
        partitions: Sequence[OffsetDeleteRequest.Partition]

    class Partition(MessageStruct, kw_only=True):
        """v0."""

        partition_index: int

    group_id: str
    topics: Sequence[OffsetDeleteRequest.Topic]
