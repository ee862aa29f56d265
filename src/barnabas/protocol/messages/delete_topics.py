"""DeleteTopics: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class DeleteTopicsResponse(ResponseMessage, kw_only=True):
    """DeleteTopics, v0-6."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DELETE_TOPICS

    class DeletableTopicResult(MessageStruct, kw_only=True):
        """v0-6."""

        name: str | None
        error_code: int
        error_message: str | None = None  # v5-6
        topic_id: UUID | None = None  # v6

    responses: Sequence[DeleteTopicsResponse.DeletableTopicResult]
    throttle_time: int = 0  # v1-6


class DeleteTopicsRequest(RequestMessage[DeleteTopicsResponse], kw_only=True):
    """DeleteTopics, v0-6."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DELETE_TOPICS

    class DeleteTopicState(MessageStruct, kw_only=True):
        """v6."""

        name: str | None = None
        topic_id: UUID | None

    topic_names: Sequence[str] = ()  # v0-5
    timeout: int
    topics: Sequence[DeleteTopicsRequest.DeleteTopicState] = ()  # v6
