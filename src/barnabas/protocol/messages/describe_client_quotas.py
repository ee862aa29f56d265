"""DescribeClientQuotas: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class DescribeClientQuotasResponse(ResponseMessage, kw_only=True):
    """DescribeClientQuotas, v0-1."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DESCRIBE_CLIENT_QUOTAS

    class EntryData(MessageStruct, kw_only=True):
        """v0-1."""

        entity: Sequence[DescribeClientQuotasResponse.EntityData]
        values: Sequence[DescribeClientQuotasResponse.ValueData]

    class EntityData(MessageStruct, kw_only=True):
        """v0-1."""

        entity_type: str
        entity_name: str | None

    class ValueData(MessageStruct, kw_only=True):
        """v0-1."""

        key: str
        value: float

    throttle_time: int
    error_code: int
    error_message: str | None
    entries: Sequence[DescribeClientQuotasResponse.EntryData] | None


class DescribeClientQuotasRequest(RequestMessage[DescribeClientQuotasResponse], kw_only=True):
    """DescribeClientQuotas, v0-1."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DESCRIBE_CLIENT_QUOTAS

    class ComponentData(MessageStruct, kw_only=True):
        """v0-1."""

        entity_type: str
        match_type: int
        match: str | None

    components: Sequence[DescribeClientQuotasRequest.ComponentData]
    strict: bool
