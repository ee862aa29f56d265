"""CreateDelegationToken v1-3, RenewDelegationToken v1-2, ExpireDelegationToken v1-2 and
DescribeDelegationToken v1-3 on a listener without authentication.

There a client is nobody in particular, and tokens belong to somebody:
DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, as the original answers on PLAINTEXT.
"""

from __future__ import annotations

from barnabas.api.registry import ANYBODY, serves
from barnabas.api.request import Answer, Request
from barnabas.api.services import Services
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.create_delegation_token import (
    CreateDelegationTokenRequest,
    CreateDelegationTokenResponse,
)
from barnabas.protocol.messages.describe_delegation_token import (
    DescribeDelegationTokenRequest,
    DescribeDelegationTokenResponse,
)
from barnabas.protocol.messages.expire_delegation_token import (
    ExpireDelegationTokenRequest,
    ExpireDelegationTokenResponse,
)
from barnabas.protocol.messages.renew_delegation_token import (
    RenewDelegationTokenRequest,
    RenewDelegationTokenResponse,
)

_NO_TIME = -1
_ANONYMOUS = ("User", "ANONYMOUS")
_REFUSED = ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED


@serves(ApiKey.CREATE_DELEGATION_TOKEN, ANYBODY)
def handle_create(services: Services, request: Request) -> Answer:
    """The answer names the owner asked for, if any, and who asks."""
    decoded = request.decode(CreateDelegationTokenRequest)
    kind, name = _ANONYMOUS
    return request.answer(
        CreateDelegationTokenResponse(
            error_code=_REFUSED,
            throttle_time=0,
            principal_type=decoded.owner_principal_type or kind,
            principal_name=decoded.owner_principal_name or name,
            token_requester_principal_type=kind,
            token_requester_principal_name=name,
            issue_timestamp=_NO_TIME,
            expiry_timestamp=_NO_TIME,
            max_timestamp=_NO_TIME,
            token_id="",
            hmac=b"",
        )
    )


@serves(ApiKey.RENEW_DELEGATION_TOKEN, ANYBODY)
def handle_renew(services: Services, request: Request) -> Answer:
    """Whether or not there is such a token."""
    request.decode(RenewDelegationTokenRequest)
    return request.answer(
        RenewDelegationTokenResponse(
            error_code=_REFUSED, throttle_time=0, expiry_timestamp=_NO_TIME
        )
    )


@serves(ApiKey.EXPIRE_DELEGATION_TOKEN, ANYBODY)
def handle_expire(services: Services, request: Request) -> Answer:
    """Whether or not there is such a token."""
    request.decode(ExpireDelegationTokenRequest)
    return request.answer(
        ExpireDelegationTokenResponse(
            error_code=_REFUSED, throttle_time=0, expiry_timestamp=_NO_TIME
        )
    )


@serves(ApiKey.DESCRIBE_DELEGATION_TOKEN, ANYBODY)
def handle_describe(services: Services, request: Request) -> Answer:
    """No tokens."""
    request.decode(DescribeDelegationTokenRequest)
    return request.answer(
        DescribeDelegationTokenResponse(error_code=_REFUSED, throttle_time=0, tokens=[])
    )
