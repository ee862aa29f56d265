"""What a listener asks of those who come, and how a plain one is known.

``listener_security.py`` reads it from the settings, with all that TLS and logins need. A broker
whose listeners are plain does not import that. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from barnabas.types import Endpoint

if TYPE_CHECKING:
    from barnabas.security.jaas import JaasEntry
    from barnabas.security.kerberos_settings import KerberosSettings
    from barnabas.security.oauth_settings import LoginSettings, ValidationSettings
    from barnabas.security.principal_mapping import PrincipalMapping
    from barnabas.security.tls import TlsSettings

PLAINTEXT = "PLAINTEXT"
LISTENER = "listener.name."
SASL_PROTOCOLS = ("SASL_PLAINTEXT", "SASL_SSL")
TLS_PROTOCOLS = ("SSL", "SASL_SSL")


@dataclass(frozen=True, slots=True, kw_only=True)
class MechanismSettings:
    """A mechanism on one listener."""

    entry: JaasEntry = field(repr=False)
    reauthentication_ms_max: int
    kerberos: KerberosSettings | None = None
    """Of GSSAPI."""
    validation: ValidationSettings | None = None
    """Of OAUTHBEARER, if tokens are signed."""
    login: LoginSettings | None = None
    """The same, if this broker fetches tokens to log in to others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSecurity:
    """Of one listener."""

    protocol: str
    """PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."""
    mechanisms: Mapping[str, MechanismSettings]
    """In the order given; none without SASL."""
    inter_broker_mechanism: str
    """With which brokers log in to others at this listener; "" without SASL."""
    receive_bytes_max: int
    """``sasl.server.max.receive.size``: of a request before the login."""

    tls: TlsSettings | None = None
    mapping: PrincipalMapping | None = None
    """From certificates' names to users'; with TLS only."""

    @property
    def has_sasl(self) -> bool:
        return self.protocol in SASL_PROTOCOLS

    @property
    def has_tls(self) -> bool:
        return self.protocol in TLS_PROTOCOLS


def are_plain(texts: Mapping[str, str], bound: Iterable[Endpoint]) -> bool:
    """Whether no listener has TLS or logins, and no setting that is given asks for them."""
    asked = ("sasl.", "ssl.", "connections.max.reauth.ms")
    return all(e.security_protocol == PLAINTEXT for e in bound) and not any(
        part in name for name in texts for part in asked
    )


def plain(bound: Iterable[Endpoint]) -> dict[str, ListenerSecurity]:
    """What they ask then: nothing. By listener."""
    nothing = ListenerSecurity(
        protocol=PLAINTEXT, mechanisms={}, inter_broker_mechanism="", receive_bytes_max=0
    )
    return {e.listener: nothing for e in bound}
