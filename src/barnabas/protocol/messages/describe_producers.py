"""DescribeProducers: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class DescribeProducersResponse(ResponseMessage, kw_only=True):
    """DescribeProducers, v0."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DESCRIBE_PRODUCERS

    class TopicResponse(MessageStruct, kw_only=True):
        """v0."""

        name: str
        partitions: Sequence[DescribeProducersResponse.PartitionResponse]

    class PartitionResponse(MessageStruct, kw_only=True):
        """v0."""

        partition_index: int
        error_code: int
        error_message: str | None = None
        active_producers: Sequence[DescribeProducersResponse.ProducerState]

    class ProducerState(MessageStruct, kw_only=True):
        """v0."""

        producer_id: int
        producer_epoch: int
        last_sequence: int = -1
        last_timestamp: int = -1
        coordinator_epoch: int
        current_txn_start_offset: int = -1

    throttle_time: int
    topics: Sequence[DescribeProducersResponse.TopicResponse]


class DescribeProducersRequest(RequestMessage[DescribeProducersResponse], kw_only=True):
    """DescribeProducers, v0."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DESCRIBE_PRODUCERS

    class TopicRequest(MessageStruct, kw_only=True):
        """v0."""

        name: str
        partition_indexes: Sequence[int]

    topics: Sequence[DescribeProducersRequest.TopicRequest]
