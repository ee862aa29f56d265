"""DeleteTopics: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class DeleteTopicsResponse(ResponseMessage, kw_only=True):
    """DeleteTopics, v1-6."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DELETE_TOPICS

    class DeletableTopicResult(MessageStruct, kw_only=True):
        """v1-6."""

        name: str | None
        error_code: int
        error_message: str | None = None  # v5-6
        topic_id: UUID | None = None  # v6

    throttle_time: int
    responses: Sequence[DeleteTopicsResponse.DeletableTopicResult]


class DeleteTopicsRequest(RequestMessage[DeleteTopicsResponse], kw_only=True):
    """DeleteTopics, v1-6."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DELETE_TOPICS

    class DeleteTopicState(MessageStruct, kw_only=True):
        """v6."""

        name: str | None = None
        topic_id: UUID | None

    topic_names: Sequence[str] = ()  # v1-5
    timeout: int
    topics: Sequence[DeleteTopicsRequest.DeleteTopicState] = ()  # v6
