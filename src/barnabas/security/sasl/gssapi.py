"""GssKrb5Server, GssKrb5Client: Kerberos through the system's GSSAPI (RFC 4752).

Both sides exchange GSSAPI tokens until each has authenticated the other. Then two wrapped messages
agree that nothing after them is wrapped (``auth``), as in Kafka. A server's steps only compute. A
client's first step may ask the KDC, so it runs in a thread (``kerberos_client``).
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
"""The only security layer that is offered and chosen: none. Its size is 0, as nothing is
wrapped."""
_LAYERS: Final = 1
_OFFER_BYTES: Final = 4


class BadKerberos(Exception):
    """Settings that Kerberos cannot work with; the text is one line."""


class Acceptor:
    """A broker's keys, for all logins to one listener."""

    def __init__(self, settings: KerberosSettings) -> None:
        """Reads the keytab. Raises BadKerberos."""
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
            # The token may be the peer's error: then the library raises at the next call.
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
        """End the login. The authorization id that the client asks for is ignored, as in Kafka: the
        user is the one that the KDC authenticated."""
        if len(chosen) < _OFFER_BYTES or chosen[0] != _LAYERS:
            raise AuthenticationFailed("the client asks for a security layer")
        principal = str(self._context.initiator_name)
        try:
            self.authorization_id = self._acceptor.namer.name_of(principal, self._acceptor.realm)
        except (NoMatchingRule, ValueError) as error:
            raise AuthenticationFailed(str(error)) from None


class GssapiClient:
    """Logs in to a service at a host."""

    def __init__(self, settings: KerberosSettings, host: str) -> None:
        """Reads keys or tickets and may ask the KDC, so never call this on the loop. Raises
        AuthenticationFailed."""
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
            who = settings.principal or "who is in the ticket cache"
            raise AuthenticationFailed(
                f"{who} to {settings.service}@{host}: {_told(error)}"
            ) from None

    def first(self) -> bytes:
        """The first token, which was made with the login."""
        return self._first

    def step(self, challenge: bytes) -> bytes | None:
        """The next token, or None once the login is complete. Raises AuthenticationFailed."""
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
    """Credentials from the keytab or the ticket cache. Tickets from a keytab are kept in memory,
    and renewed when they end."""
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
