"""CreateDelegationToken: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class CreateDelegationTokenResponse(ResponseMessage, kw_only=True):
    """CreateDelegationToken, v0-3."""

    API_KEY: ClassVar[ApiKey] = ApiKey.CREATE_DELEGATION_TOKEN

    error_code: int
    principal_type: str
    principal_name: str
    issue_timestamp: int
    expiry_timestamp: int
    max_timestamp: int
    token_id: str
    hmac: bytes
    throttle_time: int
    token_requester_principal_type: str = ""  # v3
    token_requester_principal_name: str = ""  # v3


class CreateDelegationTokenRequest(RequestMessage[CreateDelegationTokenResponse], kw_only=True):
    """CreateDelegationToken, v0-3."""

    API_KEY: ClassVar[ApiKey] = ApiKey.CREATE_DELEGATION_TOKEN

    class CreatableRenewers(MessageStruct, kw_only=True):
        """v0-3."""

        principal_type: str
        principal_name: str

    renewers: Sequence[CreateDelegationTokenRequest.CreatableRenewers]
    max_lifetime: int
    owner_principal_type: str | None = None  # v3
    owner_principal_name: str | None = None  # v3
