"""CreatePartitions: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class CreatePartitionsResponse(ResponseMessage, kw_only=True):
    """CreatePartitions, v0-3."""

    API_KEY: ClassVar[ApiKey] = ApiKey.CREATE_PARTITIONS

    class TopicResult(MessageStruct, kw_only=True):
        """v0-3."""

        name: str
        error_code: int
        error_message: str | None = None

    throttle_time: int
    results: Sequence[CreatePartitionsResponse.TopicResult]


class CreatePartitionsRequest(RequestMessage[CreatePartitionsResponse], kw_only=True):
    """CreatePartitions, v0-3."""

    API_KEY: ClassVar[ApiKey] = ApiKey.CREATE_PARTITIONS

    class Topic(MessageStruct, kw_only=True):
        """v0-3."""

        name: str
        count: int
        assignments: Sequence[CreatePartitionsRequest.Assignment] | None

    class Assignment(MessageStruct, kw_only=True):
        """v0-3."""

        broker_ids: Sequence[int]

    topics: Sequence[CreatePartitionsRequest.Topic]
    timeout: int
    validate_only: bool
