"""AlterClientQuotas: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class AlterClientQuotasResponse(ResponseMessage, kw_only=True):
    """AlterClientQuotas, v0-1."""

    API_KEY: ClassVar[ApiKey] = ApiKey.ALTER_CLIENT_QUOTAS

    class EntryData(MessageStruct, kw_only=True):
        """v0-1."""

        error_code: int
        error_message: str | None
        entity: Sequence[AlterClientQuotasResponse.EntityData]

    class EntityData(MessageStruct, kw_only=True):
        """v0-1."""

        entity_type: str
        entity_name: str | None

    throttle_time: int
    entries: Sequence[AlterClientQuotasResponse.EntryData]


class AlterClientQuotasRequest(RequestMessage[AlterClientQuotasResponse], kw_only=True):
    """AlterClientQuotas, v0-1."""

    API_KEY: ClassVar[ApiKey] = ApiKey.ALTER_CLIENT_QUOTAS

    class EntryData(MessageStruct, kw_only=True):
        """v0-1."""

        entity: Sequence[AlterClientQuotasRequest.EntityData]
        ops: Sequence[AlterClientQuotasRequest.OpData]

    class EntityData(MessageStruct, kw_only=True):
        """v0-1."""

        entity_type: str
        entity_name: str | None

    class OpData(MessageStruct, kw_only=True):
        """v0-1."""

        key: str
        value: float
        remove: bool

    entries: Sequence[AlterClientQuotasRequest.EntryData]
    validate_only: bool
