"""Creates, lists, renews and expires delegation tokens for a client. Periods are in ms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.create_delegation_token import CreateDelegationTokenRequest
from barnabas.protocol.messages.describe_delegation_token import DescribeDelegationTokenRequest
from barnabas.protocol.messages.expire_delegation_token import ExpireDelegationTokenRequest
from barnabas.protocol.messages.renew_delegation_token import RenewDelegationTokenRequest
from barnabas.security.principal import KafkaPrincipal
from barnabas.security.tokens import TokenInformation

AS_LONG_AS_MAY_BE: Final = -1
"""As a period it means what the brokers' settings allow."""
_VERSION: Final = 3
_CHANGE_VERSION: Final = 2


async def create_token(
    client: ClusterClient,
    owner: KafkaPrincipal | None,
    renewers: Sequence[KafkaPrincipal],
    lifetime_ms: int,
) -> tuple[TokenInformation, bytes]:
    """Create a token for the caller or for ``owner``. Returns it with its HMAC. Raises ClientError
    and Unreachable."""
    message = CreateDelegationTokenRequest(
        renewers=[
            CreateDelegationTokenRequest.CreatableRenewers(
                principal_type=renewer.type, principal_name=renewer.name
            )
            for renewer in renewers
        ],
        max_lifetime=lifetime_ms,
        owner_principal_type=None if owner is None else owner.type,
        owner_principal_name=None if owner is None else owner.name,
    )
    answer = await client.any_broker(ApiKey.CREATE_DELEGATION_TOKEN, _VERSION, message)
    if answer.error_code:
        raise ClientError("delegation token", answer.error_code)
    token = TokenInformation(
        id=answer.token_id,
        owner=KafkaPrincipal(answer.principal_type, answer.principal_name),
        requester=KafkaPrincipal(
            answer.token_requester_principal_type, answer.token_requester_principal_name
        ),
        renewers=tuple(renewers),
        issued_ms=answer.issue_timestamp,
        expires_ms=answer.expiry_timestamp,
        latest_ms=answer.max_timestamp,
    )
    return token, bytes(answer.hmac)


async def list_tokens(
    client: ClusterClient, owners: Sequence[KafkaPrincipal] | None = None
) -> list[tuple[TokenInformation, bytes]]:
    """The tokens that the caller may see, all or those of some owners, each with its HMAC. Raises
    ClientError, Unreachable."""
    named = None
    if owners is not None:
        named = [
            DescribeDelegationTokenRequest.Owner(principal_type=o.type, principal_name=o.name)
            for o in owners
        ]
    message = DescribeDelegationTokenRequest(owners=named)
    answer = await client.any_broker(ApiKey.DESCRIBE_DELEGATION_TOKEN, _VERSION, message)
    if answer.error_code:
        raise ClientError("delegation tokens", answer.error_code)
    return [
        (
            TokenInformation(
                id=token.token_id,
                owner=KafkaPrincipal(token.principal_type, token.principal_name),
                requester=KafkaPrincipal(
                    token.token_requester_principal_type, token.token_requester_principal_name
                ),
                renewers=tuple(
                    KafkaPrincipal(r.principal_type, r.principal_name) for r in token.renewers
                ),
                issued_ms=token.issue_timestamp,
                expires_ms=token.expiry_timestamp,
                latest_ms=token.max_timestamp,
            ),
            bytes(token.hmac),
        )
        for token in answer.tokens
    ]


async def renew_token(client: ClusterClient, hmac: bytes, period_ms: int) -> int:
    """Renew a token. Returns when it expires now, in ms since 1970. Raises ClientError and
    Unreachable."""
    message = RenewDelegationTokenRequest(hmac=hmac, renew_period=period_ms)
    answer = await client.any_broker(ApiKey.RENEW_DELEGATION_TOKEN, _CHANGE_VERSION, message)
    if answer.error_code:
        raise ClientError("delegation token", answer.error_code)
    return answer.expiry_timestamp


async def expire_token(client: ClusterClient, hmac: bytes, period_ms: int) -> int:
    """Expire a token; a negative period removes it. Returns when it expires, in ms since 1970.
    Raises ClientError and Unreachable."""
    message = ExpireDelegationTokenRequest(hmac=hmac, expiry_time_period=period_ms)
    answer = await client.any_broker(ApiKey.EXPIRE_DELEGATION_TOKEN, _CHANGE_VERSION, message)
    if answer.error_code:
        raise ClientError("delegation token", answer.error_code)
    return answer.expiry_timestamp
