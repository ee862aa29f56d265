"""The security of a listener as plain values, and the test for listeners without any. Pure.

``listener_security.py`` reads it from the settings, and imports all that TLS and logins need. A
broker with only PLAINTEXT listeners does not import that.
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
    """The settings of a SASL mechanism on one listener."""

    entry: JaasEntry = field(repr=False)
    reauthentication_ms_max: int
    handler: str = ""
    """A plug-in that knows users, passwords or tokens, as package.module.ClassName."""
    login_handler: str = ""
    """A plug-in that gives this broker's tokens; ``login`` says when the next one is needed."""
    client_handler: str = ""
    """A plug-in that gives name and password of this broker."""
    kerberos: KerberosSettings | None = None
    """For GSSAPI only."""
    validation: ValidationSettings | None = None
    """For OAUTHBEARER only, if tokens must be signed."""
    login: LoginSettings | None = None
    """For OAUTHBEARER only, if this broker fetches tokens to log in to other brokers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSecurity:
    """The security of one listener."""

    protocol: str
    """PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."""
    mechanisms: Mapping[str, MechanismSettings]
    """In the order given; empty without SASL."""
    inter_broker_mechanism: str
    """The mechanism with which brokers log in to each other here; "" without SASL."""
    receive_bytes_max: int
    """``sasl.server.max.receive.size``: the largest request before the login."""

    tls: TlsSettings | None = None
    mapping: PrincipalMapping | None = None
    """How certificates' names become user names; with TLS only."""

    @property
    def has_sasl(self) -> bool:
        return self.protocol in SASL_PROTOCOLS

    @property
    def has_tls(self) -> bool:
        return self.protocol in TLS_PROTOCOLS


def are_plain(texts: Mapping[str, str], bound: Iterable[Endpoint]) -> bool:
    """Whether no listener has TLS or logins, and no setting for them is given."""
    asked = ("sasl.", "ssl.", "connections.max.reauth.ms")
    return all(e.security_protocol == PLAINTEXT for e in bound) and not any(
        part in name for name in texts for part in asked
    )


def plain(bound: Iterable[Endpoint]) -> dict[str, ListenerSecurity]:
    """The security of PLAINTEXT listeners, by name."""
    nothing = ListenerSecurity(
        protocol=PLAINTEXT, mechanisms={}, inter_broker_mechanism="", receive_bytes_max=0
    )
    return {e.listener: nothing for e in bound}
