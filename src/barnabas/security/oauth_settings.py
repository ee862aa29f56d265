"""The settings for signed tokens: ``sasl.oauthbearer.*`` and the JAAS options of OAUTHBEARER.

They are plain values here, so that reading settings does not import ``security/oauth/``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from barnabas.security.tls import TlsSettings

VALIDATOR: Final = (
    "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerValidatorCallbackHandler"
)
"""The ``sasl.server.callback.handler.class`` with which tokens must be signed."""
LOGIN_HANDLER: Final = (
    "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler"
)
"""The ``sasl.login.callback.handler.class`` that fetches a token from a provider or a file."""
SCHEMES: Final = ("file", "http", "https")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A place to fetch from. Times are in ms."""

    url: str
    tls: TlsSettings | None = None
    """``ssl.*`` among the JAAS options; None: the certificates that the system trusts."""
    connect_timeout_ms: int = 10_000
    read_timeout_ms: int = 10_000
    retry_ms: int = 100
    """The pause after a failure. It doubles with each failure, up to ``retry_ms_max``."""
    retry_ms_max: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationSettings:
    """The requirements for a token, and where the keys for its signature are."""

    keys: Endpoint
    refresh_ms: int = 3_600_000
    clock_skew_s: int = 30
    audiences: tuple[str, ...] = ()
    """A token must name one of them; if empty, audiences are not checked."""
    issuer: str | None = None
    scope_claim: str = "scope"
    principal_claim: str = "sub"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginSettings:
    """Where a client gets its token."""

    tokens: Endpoint
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    scope: str = ""
    extensions: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent to the broker beside the token."""
    refresh_factor: float = 0.8
    """The share of a token's life after which the next one is fetched."""
    refresh_jitter: float = 0.05
    """The largest random share that is added to it."""
    refresh_period_ms_min: int = 60_000
    """The least time that a token is used, if its life has room for it and for the buffer."""
    refresh_buffer_ms: int = 300_000
    """The time before a token's end in which there should be another already."""
