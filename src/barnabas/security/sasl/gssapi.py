"""GssKrb5Server, GssKrb5Client: Kerberos through the system's GSSAPI (RFC 4752).

First tokens of GSSAPI go back and forth until each side knows the other, then two wrapped messages
agree that what follows is not wrapped: ``auth``, as Kafka has it. A server's steps compute only. A
client's first may ask the KDC, so it is made away from the loop (``kerberos_client``).
"""

from __future__ import annotations

from typing import Final

import gssapi

from barnabas.security.kerberos_settings import KerberosSettings
from barnabas.security.principal_mapping import NoMatchingRule
from barnabas.security.sasl.mechanism import AuthenticationFailed

_KERBEROS: Final = gssapi.MechType.kerberos
_PRINCIPAL: Final = gssapi.NameType.kerberos_principal
_NO_LAYER: Final = b"\x01\x00\x00\x00"
"""The one layer that is offered, and chosen: none. No size, as nothing is wrapped."""
_LAYERS: Final = 1
_OFFER_BYTES: Final = 4


class BadKerberos(Exception):
    """Settings that Kerberos cannot work with; one line."""


class Acceptor:
    """The keys of a broker, for all who log in to a listener."""

    def __init__(self, settings: KerberosSettings) -> None:
        """Reads the keytab. BadKerberos."""
        self.namer = settings.namer
        try:
            name = gssapi.Name(settings.principal, _PRINCIPAL).canonicalize(_KERBEROS)
            self.realm = str(name).rpartition("@")[2]
            self.credentials = gssapi.Credentials(
                name=name, usage="accept", mechs=[_KERBEROS], store={"keytab": settings.keytab}
            )
        except gssapi.exceptions.GSSError as error:
            raise BadKerberos(_told(error)) from None


class GssapiServer:
    """Checks one login."""

    def __init__(self, acceptor: Acceptor) -> None:
        self._acceptor = acceptor
        self._context = gssapi.SecurityContext(creds=acceptor.credentials, usage="accept")
        self._offered = False
        self.authorization_id: str | None = None
        self.expires_ms: int | None = None
        self.by_token = False

    def step(self, token: bytes) -> bytes:
        """The next token. Raises AuthenticationFailed."""
        try:
            return self._step(token)
        except gssapi.exceptions.GSSError as error:
            raise AuthenticationFailed(_told(error)) from None

    def _step(self, token: bytes) -> bytes:
        if self.authorization_id is not None:
            raise AuthenticationFailed("a token after the login")
        if not self._context.complete:
            answer = self._context.step(token)
            # A token that only says what was wrong: the library raises when it is asked next.
            is_over = self._context.complete
            if answer or not is_over:
                return answer or b""
        elif not self._offered and token:
            raise AuthenticationFailed("a token where none was asked for")
        if not self._offered:
            self._offered = True
            offer: bytes = self._context.wrap(_NO_LAYER, False).message
            return offer
        self._finish(self._context.unwrap(token).message)
        return b""

    def _finish(self, chosen: bytes) -> None:
        """Who else's authorization is asked for does not matter, as in the original: everybody is
        who the KDC says."""
        if len(chosen) < _OFFER_BYTES or chosen[0] != _LAYERS:
            raise AuthenticationFailed("another security layer than none is asked for")
        principal = str(self._context.initiator_name)
        try:
            self.authorization_id = self._acceptor.namer.name_of(principal, self._acceptor.realm)
        except (NoMatchingRule, ValueError) as error:
            raise AuthenticationFailed(str(error)) from None


class GssapiClient:
    """Logs in to a service at a host."""

    def __init__(self, settings: KerberosSettings, host: str) -> None:
        """Reads keys or tickets, and may ask the KDC: not for the loop. AuthenticationFailed."""
        self.is_complete = False
        self._answered = False
        try:
            target = gssapi.Name(f"{settings.service}@{host}", gssapi.NameType.hostbased_service)
            self._context = gssapi.SecurityContext(
                name=target,
                creds=_initiator(settings),
                usage="initiate",
                mech=_KERBEROS,
                flags=[
                    gssapi.RequirementFlag.mutual_authentication,
                    gssapi.RequirementFlag.integrity,
                ],
            )
            self._first: bytes = self._context.step() or b""
            self._is_over = self._context.complete
        except gssapi.exceptions.GSSError as error:
            raise AuthenticationFailed(_told(error)) from None

    def first(self) -> bytes:
        """Made with the login."""
        return self._first

    def step(self, challenge: bytes) -> bytes | None:
        """The next token, or None when the server has let us in. Raises AuthenticationFailed."""
        try:
            return self._step(challenge)
        except gssapi.exceptions.GSSError as error:
            raise AuthenticationFailed(_told(error)) from None

    def _step(self, challenge: bytes) -> bytes | None:
        if self._answered:
            if challenge:
                raise AuthenticationFailed("the server goes on after the end of the login")
            self.is_complete = True
            return None
        if not self._is_over:
            answer = self._context.step(challenge)
            self._is_over = self._context.complete  # raises what the token said, if it was wrong
            return answer or b""
        offer: bytes = self._context.unwrap(challenge).message
        if len(offer) < _OFFER_BYTES or not offer[0] & _LAYERS:
            raise AuthenticationFailed("the server wants everything to be wrapped")
        self._answered = True
        chosen: bytes = self._context.wrap(_NO_LAYER, False).message
        return chosen


def _initiator(settings: KerberosSettings) -> gssapi.Credentials:
    """Tickets that were had with the keytab are kept in memory, and renewed when they end."""
    name = None
    if settings.principal:
        name = gssapi.Name(settings.principal, _PRINCIPAL)
    if not settings.keytab:
        return gssapi.Credentials(name=name, usage="initiate", mechs=[_KERBEROS])
    return gssapi.Credentials(
        name=name,
        usage="initiate",
        mechs=[_KERBEROS],
        store={
            "client_keytab": settings.keytab,
            "ccache": f"MEMORY:barnabas-{settings.principal}",
        },
    )


def _told(error: gssapi.exceptions.GSSError) -> str:
    return " ".join(str(error).split())
