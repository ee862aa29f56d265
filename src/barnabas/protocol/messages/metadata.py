"""Metadata: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class MetadataResponse(ResponseMessage, kw_only=True):
    """Metadata, v0-12."""

    API_KEY: ClassVar[ApiKey] = ApiKey.METADATA

    class Broker(MessageStruct, kw_only=True):
        """v0-12."""

        node_id: int
        host: str
        port: int
        rack: str | None = None  # v1-12

    class Topic(MessageStruct, kw_only=True):
        """v0-12."""

        error_code: int
        name: str | None
        partitions: Sequence[MetadataResponse.Partition]
        is_internal: bool = False  # v1-12
        topic_authorized_operations: int = -2147483648  # v8-12
        topic_id: UUID | None = None  # v10-12

    class Partition(MessageStruct, kw_only=True):
        """v0-12."""

        error_code: int
        partition_index: int
        leader_id: int
        replica_nodes: Sequence[int]
        isr_nodes: Sequence[int]
        offline_replicas: Sequence[int] = ()  # v5-12
        leader_epoch: int = -1  # v7-12

    brokers: Sequence[MetadataResponse.Broker]
    topics: Sequence[MetadataResponse.Topic]
    controller_id: int = -1  # v1-12
    cluster_id: str | None = None  # v2-12
    throttle_time: int = 0  # v3-12
    cluster_authorized_operations: int = -2147483648  # v8-10


class MetadataRequest(RequestMessage[MetadataResponse], kw_only=True):
    """Metadata, v0-12."""

    API_KEY: ClassVar[ApiKey] = ApiKey.METADATA

    class Topic(MessageStruct, kw_only=True):
        """v0-12."""

        name: str | None
        topic_id: UUID | None = None  # v10-12

    topics: Sequence[MetadataRequest.Topic] | None
    allow_auto_topic_creation: bool = True  # v4-12
    include_cluster_authorized_operations: bool = False  # v8-10
    include_topic_authorized_operations: bool = False  # v8-12
