"""Produce: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from msgspec import field

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class ProduceResponse(ResponseMessage, kw_only=True):
    """Produce, v0-11."""

    API_KEY: ClassVar[ApiKey] = ApiKey.PRODUCE

    class TopicProduceResponse(MessageStruct, kw_only=True):
        """v0-11."""

        name: str
        partition_responses: Sequence[ProduceResponse.PartitionProduceResponse]

    class PartitionProduceResponse(MessageStruct, kw_only=True):
        """v0-11."""

        index: int
        error_code: int
        base_offset: int
        log_append_time: int = -1  # v2-11
        log_start_offset: int = -1  # v5-11
        record_errors: Sequence[ProduceResponse.BatchIndexAndErrorMessage] = ()  # v8-11
        error_message: str | None = None  # v8-11
        current_leader: ProduceResponse.LeaderIdAndEpoch = field(
            default_factory=lambda: ProduceResponse.LeaderIdAndEpoch()
        )  # v10-11

    class BatchIndexAndErrorMessage(MessageStruct, kw_only=True):
        """v8-11."""

        batch_index: int
        batch_index_error_message: str | None = None

    class LeaderIdAndEpoch(MessageStruct, kw_only=True):
        """v10-11."""

        leader_id: int = -1
        leader_epoch: int = -1

    class NodeEndpoint(MessageStruct, kw_only=True):
        """v10-11."""

        node_id: int
        host: str
        port: int
        rack: str | None = None

    responses: Sequence[ProduceResponse.TopicProduceResponse]
    throttle_time: int = 0  # v1-11
    node_endpoints: Sequence[ProduceResponse.NodeEndpoint] = ()  # v10-11


class ProduceRequest(RequestMessage[ProduceResponse], kw_only=True):
    """Produce, v0-11."""

    API_KEY: ClassVar[ApiKey] = ApiKey.PRODUCE

    class TopicProduceData(MessageStruct, kw_only=True):
        """v0-11."""

        name: str
        partition_data: Sequence[ProduceRequest.PartitionProduceData]

    class PartitionProduceData(MessageStruct, kw_only=True):
        """v0-11."""

        index: int
        records: bytes | None

    acks: int
    timeout: int
    topic_data: Sequence[ProduceRequest.TopicProduceData]
    transactional_id: str | None = None  # v3-11
