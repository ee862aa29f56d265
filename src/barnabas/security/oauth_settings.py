"""What ``sasl.oauthbearer.*`` and the JAAS options of OAUTHBEARER say, where tokens are signed.

Plain values: who only reads settings needs none of what obeys them (``security/oauth/``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from barnabas.security.tls import TlsSettings

VALIDATOR: Final = (
    "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerValidatorCallbackHandler"
)
"""As ``sasl.server.callback.handler.class``: tokens are signed, and that is checked."""
LOGIN_HANDLER: Final = (
    "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler"
)
"""As ``sasl.login.callback.handler.class``: a token is fetched from a provider, or from a file."""
SCHEMES: Final = ("file", "http", "https")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where something is fetched. Times in ms."""

    url: str
    tls: TlsSettings | None = None
    """``ssl.*`` of the JAAS options; None: what the system trusts."""
    connect_timeout_ms: int = 10_000
    read_timeout_ms: int = 10_000
    retry_ms: int = 100
    """Pause after a failure; doubled with each, up to ``retry_ms_max``."""
    retry_ms_max: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationSettings:
    """What a token must be, and where the keys are that sign it."""

    keys: Endpoint
    refresh_ms: int = 3_600_000
    clock_skew_s: int = 30
    audiences: tuple[str, ...] = ()
    """Of which a token must name one; none: whatever it names."""
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
    refresh_factor: float = 0.8
    """Share of a token's life after which the next one is fetched."""
