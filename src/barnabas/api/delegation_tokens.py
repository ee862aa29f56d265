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
from barnabas.protocol.message import Message

_NO_TIME = -1
_ANONYMOUS = ("User", "ANONYMOUS")


def _refused(**fields: object) -> Message:
    error = ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED
    return Message(error_code=error, throttle_time=0, **fields)


@serves(ApiKey.CREATE_DELEGATION_TOKEN, ANYBODY)
def handle_create(services: Services, request: Request) -> Answer:
    """The answer names the owner asked for, if any, and who asks."""
    decoded = request.decode()
    kind, name = _ANONYMOUS
    return request.answer(
        _refused(
            principal_type=getattr(decoded, "owner_principal_type", None) or kind,
            principal_name=getattr(decoded, "owner_principal_name", None) or name,
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
    request.decode()
    return request.answer(_refused(expiry_timestamp=_NO_TIME))


@serves(ApiKey.EXPIRE_DELEGATION_TOKEN, ANYBODY)
def handle_expire(services: Services, request: Request) -> Answer:
    """Whether or not there is such a token."""
    request.decode()
    return request.answer(_refused(expiry_timestamp=_NO_TIME))


@serves(ApiKey.DESCRIBE_DELEGATION_TOKEN, ANYBODY)
def handle_describe(services: Services, request: Request) -> Answer:
    """No tokens."""
    request.decode()
    return request.answer(_refused(tokens=[]))
