"""DescribeDelegationToken: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class DescribeDelegationTokenResponse(ResponseMessage, kw_only=True):
    """DescribeDelegationToken, v0-3."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DESCRIBE_DELEGATION_TOKEN

    class DescribedDelegationToken(MessageStruct, kw_only=True):
        """v0-3."""

        principal_type: str
        principal_name: str
        issue_timestamp: int
        expiry_timestamp: int
        max_timestamp: int
        token_id: str
        hmac: bytes
        renewers: Sequence[DescribeDelegationTokenResponse.DescribedDelegationTokenRenewer]
        token_requester_principal_type: str = ""  # v3
        token_requester_principal_name: str = ""  # v3

    class DescribedDelegationTokenRenewer(MessageStruct, kw_only=True):
        """v0-3."""

        principal_type: str
        principal_name: str

    error_code: int
    tokens: Sequence[DescribeDelegationTokenResponse.DescribedDelegationToken]
    throttle_time: int


class DescribeDelegationTokenRequest(RequestMessage[DescribeDelegationTokenResponse], kw_only=True):
    """DescribeDelegationToken, v0-3."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DESCRIBE_DELEGATION_TOKEN

    class Owner(MessageStruct, kw_only=True):
        """v0-3."""

        principal_type: str
        principal_name: str

    owners: Sequence[DescribeDelegationTokenRequest.Owner] | None
