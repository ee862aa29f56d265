"""CreateTopics: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class CreateTopicsResponse(ResponseMessage, kw_only=True):
    """CreateTopics, v0-7."""

    API_KEY: ClassVar[ApiKey] = ApiKey.CREATE_TOPICS

    class CreatableTopicResult(MessageStruct, kw_only=True):
        """v0-7."""

        name: str
        error_code: int
        error_message: str | None = None  # v1-7
        topic_config_error_code: int = 0  # v5-7
        num_partitions: int = -1  # v5-7
        replication_factor: int = -1  # v5-7
        configs: Sequence[CreateTopicsResponse.CreatableTopicConfigs] | None = None  # v5-7
        topic_id: UUID | None = None  # v7

    class CreatableTopicConfigs(MessageStruct, kw_only=True):
        """v5-7."""

        name: str
        value: str | None
        read_only: bool
        config_source: int = -1
        is_sensitive: bool

    topics: Sequence[CreateTopicsResponse.CreatableTopicResult]
    throttle_time: int = 0  # v2-7


class CreateTopicsRequest(RequestMessage[CreateTopicsResponse], kw_only=True):
    """CreateTopics, v0-7."""

    API_KEY: ClassVar[ApiKey] = ApiKey.CREATE_TOPICS

    class CreatableTopic(MessageStruct, kw_only=True):
        """v0-7."""

        name: str
        num_partitions: int
        replication_factor: int
        assignments: Sequence[CreateTopicsRequest.CreatableReplicaAssignment]
        configs: Sequence[CreateTopicsRequest.CreatableTopicConfig]

    class CreatableReplicaAssignment(MessageStruct, kw_only=True):
        """v0-7."""

        partition_index: int
        broker_ids: Sequence[int]

    class CreatableTopicConfig(MessageStruct, kw_only=True):
        """v0-7."""

        name: str
        value: str | None

    topics: Sequence[CreateTopicsRequest.CreatableTopic]
    timeout: int = 60000
    validate_only: bool = False  # v1-7
