"""DeleteRecords: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class DeleteRecordsResponse(ResponseMessage, kw_only=True):
    """DeleteRecords, v0-2."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DELETE_RECORDS

    class TopicResult(MessageStruct, kw_only=True):
        """v0-2."""

        name: str
        partitions: Sequence[DeleteRecordsResponse.PartitionResult]

    class PartitionResult(MessageStruct, kw_only=True):
        """v0-2."""

        partition_index: int
        low_watermark: int
        error_code: int

    throttle_time: int
    topics: Sequence[DeleteRecordsResponse.TopicResult]


class DeleteRecordsRequest(RequestMessage[DeleteRecordsResponse], kw_only=True):
    """DeleteRecords, v0-2."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DELETE_RECORDS

    class Topic(MessageStruct, kw_only=True):
        """v0-2."""

        name: str
        partitions: Sequence[DeleteRecordsRequest.Partition]

    class Partition(MessageStruct, kw_only=True):
        """v0-2."""

        partition_index: int
        offset: int

    topics: Sequence[DeleteRecordsRequest.Topic]
    timeout: int
