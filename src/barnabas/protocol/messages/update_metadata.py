"""UpdateMetadata: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class UpdateMetadataResponse(ResponseMessage, kw_only=True):
    """UpdateMetadata, v0-8."""

    API_KEY: ClassVar[ApiKey] = ApiKey.UPDATE_METADATA

    error_code: int


class UpdateMetadataRequest(RequestMessage[UpdateMetadataResponse], kw_only=True):
    """UpdateMetadata, v0-8."""

    API_KEY: ClassVar[ApiKey] = ApiKey.UPDATE_METADATA

    class PartitionState(MessageStruct, kw_only=True):
        """v0-8."""

        topic_name: str = ""  # v0-4
        partition_index: int
        controller_epoch: int
        leader: int
        leader_epoch: int
        isr: Sequence[int]
        zk_version: int
        replicas: Sequence[int]
        offline_replicas: Sequence[int] = ()  # v4-8

    class Broker(MessageStruct, kw_only=True):
        """v0-8."""

        id: int
        v0_host: str = ""  # v0
        v0_port: int = 0  # v0
        endpoints: Sequence[UpdateMetadataRequest.Endpoint] = ()  # v1-8
        rack: str | None = None  # v2-8

    class Endpoint(MessageStruct, kw_only=True):
        """v1-8."""

        port: int
        host: str
        security_protocol: int
        listener: str = ""  # v3-8

    class TopicState(MessageStruct, kw_only=True):
        """v5-8."""

        topic_name: str
        partition_states: Sequence[UpdateMetadataRequest.PartitionState]
        topic_id: UUID | None = None  # v7-8

    controller_id: int
    controller_epoch: int
    ungrouped_partition_states: Sequence[UpdateMetadataRequest.PartitionState] = ()  # v0-4
    live_brokers: Sequence[UpdateMetadataRequest.Broker]
    broker_epoch: int = -1  # v5-8
    topic_states: Sequence[UpdateMetadataRequest.TopicState] = ()  # v5-8
    is_kraft_controller: bool = False  # v8
    type_: int = 0  # v8
