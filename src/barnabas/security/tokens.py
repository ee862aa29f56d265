"""DelegationToken, TokenInformation: a delegation token, and the rules for its lifetime. Pure.

A token has an id, which is public. Its secret is an HMAC of the id under the brokers' common key.
With both a client logs in as the token's owner: by SCRAM, with the id as user name and the HMAC in
base64 as password (KIP-48, KIP-373). Times are wall time in ms.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Final

from barnabas.errors import ErrorCode, KafkaError
from barnabas.security.principal import USER, KafkaPrincipal
from barnabas.security.sasl.scram import (
    ITERATIONS_MIN,
    ScramCredential,
    credential_of,
    salted_password,
    secure_text,
)

LIFETIME_MAX: Final = 2**62
"""In ms. Longer periods are cut to this, which is practically endless."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenInformation:
    """What ZooKeeper stores of a token: everything but the secret."""

    id: str
    owner: KafkaPrincipal
    requester: KafkaPrincipal
    """Who created it: the owner, or somebody whom ACLs allow to do so for the owner."""
    renewers: tuple[KafkaPrincipal, ...]
    """Who may renew and expire it in addition to the owner."""
    issued_ms: int
    expires_ms: int
    """When it expires, unless it is renewed before."""
    latest_ms: int
    """The latest time that a renewal can reach."""

    def is_known_to(self, principal: KafkaPrincipal) -> bool:
        """Whether this principal may see it without an ACL."""
        return principal in (self.owner, self.requester) or principal in self.renewers

    def has_expired(self, now_ms: int) -> bool:
        return min(self.expires_ms, self.latest_ms) < now_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSettings:
    """``delegation.token.*``."""

    key: bytes = field(repr=False)
    lifetime_ms_max: int
    expiry_ms: int
    check_interval_ms: int


class DelegationToken:
    """A token with its secret, and the SCRAM credentials made from it."""

    __slots__ = ("_credentials", "hmac", "information")

    def __init__(self, information: TokenInformation, key: bytes) -> None:
        self.information = information
        self.hmac = token_hmac(information.id, key)
        self._credentials: dict[str, ScramCredential] = {}

    def credential(self, mechanism: str, chance: Callable[[int], bytes]) -> ScramCredential:
        """The credential that logins are checked against. It takes a few ms to make, so it is made
        when it is first needed."""
        found = self._credentials.get(mechanism)
        if found is None:
            password, salt = base64.b64encode(self.hmac), secure_text(chance).encode()
            salted = salted_password(mechanism, password, salt, ITERATIONS_MIN)
            found = credential_of(mechanism, salted, salt, ITERATIONS_MIN)
            self._credentials[mechanism] = found
        return found

    def with_information(self, information: TokenInformation) -> DelegationToken:
        """The same token with other times."""
        renewed = DelegationToken.__new__(DelegationToken)
        renewed.information = information
        renewed.hmac = self.hmac
        renewed._credentials = self._credentials
        return renewed


def token_hmac(token_id: str, key: bytes) -> bytes:
    """The secret of a token: HmacSHA512, 64 bytes."""
    return hmac.digest(key, token_id.encode(), "sha512")


def issued(
    token_id: str,
    *,
    owner: KafkaPrincipal,
    requester: KafkaPrincipal,
    renewers: Collection[KafkaPrincipal],
    lifetime_ms: int,
    settings: TokenSettings,
    now_ms: int,
) -> TokenInformation:
    """A new token. If ``lifetime_ms`` is 0 or less, or above the maximum, the maximum is used."""
    longest = min(settings.lifetime_ms_max, LIFETIME_MAX)
    latest = now_ms + (longest if lifetime_ms <= 0 else min(lifetime_ms, longest))
    return TokenInformation(
        id=token_id,
        owner=owner,
        requester=requester,
        renewers=tuple(renewers),
        issued_ms=now_ms,
        expires_ms=min(latest, now_ms + settings.expiry_ms),
        latest_ms=latest,
    )


def renewed(
    token: TokenInformation, by: KafkaPrincipal, period_ms: int, expiry_ms: int, now_ms: int
) -> TokenInformation:
    """The token, valid for ``period_ms`` from now; if that is negative, for ``expiry_ms``. Raises
    KafkaError if ``by`` is not the owner or a renewer, and if the token has expired."""
    _check_renewer(token, by)
    _check_lives(token, now_ms)
    return _until(token, now_ms, expiry_ms if period_ms < 0 else period_ms)


def expired(
    token: TokenInformation, by: KafkaPrincipal, period_ms: int, now_ms: int
) -> TokenInformation | None:
    """The token, expiring in ``period_ms``; None if that is negative, which removes it at once.
    Raises KafkaError as ``renewed`` does, but an expired token may be removed."""
    _check_renewer(token, by)
    if period_ms < 0:
        return None
    _check_lives(token, now_ms)
    return _until(token, now_ms, period_ms)


def _check_renewer(token: TokenInformation, by: KafkaPrincipal) -> None:
    if by != token.owner and by not in token.renewers:
        raise KafkaError(ErrorCode.DELEGATION_TOKEN_OWNER_MISMATCH)


def _check_lives(token: TokenInformation, now_ms: int) -> None:
    if token.has_expired(now_ms):
        raise KafkaError(ErrorCode.DELEGATION_TOKEN_EXPIRED)


def _until(token: TokenInformation, now_ms: int, period_ms: int) -> TokenInformation:
    return replace(token, expires_ms=min(token.latest_ms, now_ms + min(period_ms, LIFETIME_MAX)))


def is_usable(owner: KafkaPrincipal) -> bool:
    """Whether tokens of this owner can log in. Every login makes a principal of type User, so an
    owner of another type would become somebody else."""
    return owner.type == USER
