"""CreateDelegationToken v0-3, RenewDelegationToken v0-2, ExpireDelegationToken v0-2 and
DescribeDelegationToken v0-3 (KIP-48, KIP-373). Any broker serves them.

A client that is not authenticated (PLAINTEXT, TLS without a certificate), or that has logged in by
a token, always gets DELEGATION_TOKEN_REQUEST_NOT_ALLOWED. Without ``delegation.token.secret.key``
the answer is DELEGATION_TOKEN_AUTH_DISABLED.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from barnabas.api.access import allowed, is_allowed
from barnabas.api.registry import ANYBODY, of_each, serves
from barnabas.api.request import Answer, Pieces, Request, Steps
from barnabas.api.services import Services, TokenSource
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.errors import ErrorCode, KafkaError
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
from barnabas.security.principal import ANONYMOUS, USER, KafkaPrincipal
from barnabas.security.tokens import DelegationToken, is_usable

_NO_TIME = -1
_OTHERS = (ResourceType.USER, AclOperation.DESCRIBE_TOKENS)
_TOKEN = (ResourceType.DELEGATION_TOKEN, AclOperation.DESCRIBE)


def _is_refused(request: Request) -> bool:
    """The opposite of KafkaApis.allowTokenRequests."""
    if request.by_token or request.security_protocol == "PLAINTEXT":
        return True
    return request.security_protocol == "SSL" and request.principal == ANONYMOUS


def _tokens(services: Services, request: Request) -> TokenSource:
    """The tokens. Raises KafkaError if the sender may not ask, or if tokens are disabled."""
    if _is_refused(request):
        raise KafkaError(ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED)
    if services.tokens is None:
        raise KafkaError(ErrorCode.DELEGATION_TOKEN_AUTH_DISABLED)
    return services.tokens


@serves(ApiKey.CREATE_DELEGATION_TOKEN, of_each((ResourceType.USER, AclOperation.CREATE_TOKENS)))
def handle_create(services: Services, request: Request) -> Answer:
    """Creates a token. For oneself no ACL is needed. A refusal names owner and requester too."""
    decoded = request.decode(CreateDelegationTokenRequest)
    owner = _owner(request, decoded)
    error = _problem(services, request, owner, decoded)
    if error is not None:
        return _created(request, owner, error)
    return _create(services, request, owner, decoded)


def _owner(request: Request, decoded: CreateDelegationTokenRequest) -> KafkaPrincipal:
    if not decoded.owner_principal_name:
        return request.principal
    return KafkaPrincipal(decoded.owner_principal_type or "", decoded.owner_principal_name)


def _problem(
    services: Services,
    request: Request,
    owner: KafkaPrincipal,
    decoded: CreateDelegationTokenRequest,
) -> ErrorCode | None:
    if _is_refused(request):
        return ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED
    if owner != request.principal and not is_allowed(
        services, request, AclOperation.CREATE_TOKENS, ResourceType.USER, str(owner)
    ):
        return ErrorCode.DELEGATION_TOKEN_AUTHORIZATION_FAILED
    if any(r.principal_type != USER for r in decoded.renewers) or not is_usable(owner):
        return ErrorCode.INVALID_PRINCIPAL_TYPE
    return None


async def _create(
    services: Services,
    request: Request,
    owner: KafkaPrincipal,
    decoded: CreateDelegationTokenRequest,
) -> Pieces:
    renewers = [KafkaPrincipal(r.principal_type, r.principal_name) for r in decoded.renewers]
    try:
        tokens = _tokens(services, request)
        made = await services.in_zookeeper(
            tokens.create(owner, request.principal, renewers, decoded.max_lifetime)
        )
    except KafkaError as error:
        return _created(request, owner, error.code)
    return _created(request, owner, ErrorCode.NONE, made)


def _created(
    request: Request, owner: KafkaPrincipal, error: ErrorCode, made: DelegationToken | None = None
) -> Pieces:
    token = None if made is None else made.information
    requester = request.principal
    return request.answer(
        CreateDelegationTokenResponse(
            error_code=error,
            throttle_time=0,
            principal_type=owner.type,
            principal_name=owner.name,
            token_requester_principal_type=requester.type,
            token_requester_principal_name=requester.name,
            issue_timestamp=_NO_TIME if token is None else token.issued_ms,
            expiry_timestamp=_NO_TIME if token is None else token.expires_ms,
            max_timestamp=_NO_TIME if token is None else token.latest_ms,
            token_id="" if token is None else token.id,
            hmac=b"" if made is None else made.hmac,
        )
    )


@serves(ApiKey.RENEW_DELEGATION_TOKEN, ANYBODY)
def handle_renew(services: Services, request: Request) -> Answer:
    """Renews a token. Only its owner and renewers may, whatever ACLs say, and not super users."""
    decoded = request.decode(RenewDelegationTokenRequest)
    return _change(
        services,
        request,
        lambda tokens: tokens.renew(bytes(decoded.hmac), request.principal, decoded.renew_period),
        RenewDelegationTokenResponse,
    )


@serves(ApiKey.EXPIRE_DELEGATION_TOKEN, ANYBODY)
def handle_expire(services: Services, request: Request) -> Answer:
    """Changes when a token expires, under the same rules. A negative period removes the token at
    once, even an expired one."""
    decoded = request.decode(ExpireDelegationTokenRequest)
    return _change(
        services,
        request,
        lambda tokens: tokens.expire(
            bytes(decoded.hmac), request.principal, decoded.expiry_time_period
        ),
        ExpireDelegationTokenResponse,
    )


async def _change(
    services: Services,
    request: Request,
    change: Callable[[TokenSource], Coroutine[Any, Any, int]],
    response: type[RenewDelegationTokenResponse | ExpireDelegationTokenResponse],
) -> Pieces:
    """Change when a token ends, and answer the new time."""
    error, expires_ms = ErrorCode.NONE, _NO_TIME
    try:
        expires_ms = await services.in_zookeeper(change(_tokens(services, request)))
    except KafkaError as failure:
        error = failure.code
    return request.answer(response(error_code=error, throttle_time=0, expiry_timestamp=expires_ms))


@serves(ApiKey.DESCRIBE_DELEGATION_TOKEN, of_each(_TOKEN, _OTHERS))
def handle_describe(services: Services, request: Request) -> Answer:
    """The tokens that the sender may see, all or those of the owners named. These are tokens that
    the sender owns, created or may renew, and those that ACLs on the token or its owner allow."""
    decoded = request.decode(DescribeDelegationTokenRequest)
    try:
        tokens = _tokens(services, request)
    except KafkaError as error:
        return request.answer(
            DescribeDelegationTokenResponse(error_code=error.code, throttle_time=0, tokens=[])
        )
    owners = None
    if decoded.owners is not None:
        owners = {KafkaPrincipal(o.principal_type, o.principal_name) for o in decoded.owners}
    return _described(services, request, [] if owners == set() else list(tokens), owners)


def _described(
    services: Services,
    request: Request,
    tokens: list[DelegationToken],
    owners: set[KafkaPrincipal] | None,
) -> Steps[Pieces]:
    by_id = allowed(services, request, _TOKEN[1], _TOKEN[0])
    by_owner = allowed(services, request, _OTHERS[1], _OTHERS[0])
    found = []
    for token in tokens:
        information = token.information
        if (owners is None or any(map(information.is_known_to, owners))) and (
            information.is_known_to(request.principal)
            or information.id in by_id
            or str(information.owner) in by_owner
        ):
            found.append(_description(token))
        yield 1
    frame = yield from request.answer_in_steps(
        DescribeDelegationTokenResponse(error_code=ErrorCode.NONE, throttle_time=0, tokens=found)
    )
    return frame


def _description(
    token: DelegationToken,
) -> DescribeDelegationTokenResponse.DescribedDelegationToken:
    found = token.information
    return DescribeDelegationTokenResponse.DescribedDelegationToken(
        principal_type=found.owner.type,
        principal_name=found.owner.name,
        token_requester_principal_type=found.requester.type,
        token_requester_principal_name=found.requester.name,
        issue_timestamp=found.issued_ms,
        expiry_timestamp=found.expires_ms,
        max_timestamp=found.latest_ms,
        token_id=found.id,
        hmac=token.hmac,
        renewers=[
            DescribeDelegationTokenResponse.DescribedDelegationTokenRenewer(
                principal_type=renewer.type, principal_name=renewer.name
            )
            for renewer in found.renewers
        ],
    )
