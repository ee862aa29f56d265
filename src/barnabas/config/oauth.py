"""Reads ``sasl.oauthbearer.*`` of a listener or a client into the values that ``security/oauth``
uses. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast
from urllib.parse import urlsplit

from barnabas.config.checks import Value
from barnabas.config.settings import SETTINGS
from barnabas.config.tls import tls_settings
from barnabas.errors import BadTls, ConfigError
from barnabas.security.jaas import JaasEntry
from barnabas.security.oauth_settings import (
    LOGIN_HANDLER,
    SCHEMES,
    VALIDATOR,
    Endpoint,
    LoginSettings,
    ValidationSettings,
)
from barnabas.security.sasl import oauthbearer
from barnabas.security.tls import TlsSettings, check_tls

SERVER_HANDLER: Final = "sasl.server.callback.handler.class"
CLIENT_HANDLER: Final = "sasl.login.callback.handler.class"
HANDLERS: Final = {SERVER_HANDLER: VALIDATOR, CLIENT_HANDLER: LOGIN_HANDLER}
"""The classes for signed tokens, for OAUTHBEARER."""
_KAFKAS: Final = "org.apache.kafka.common.security."
DEFAULTS: Final = {
    "PLAIN": f"{_KAFKAS}plain.internals.PlainServerCallbackHandler",
    "SCRAM-SHA-256": f"{_KAFKAS}scram.internals.ScramServerCallbackHandler",
    "SCRAM-SHA-512": f"{_KAFKAS}scram.internals.ScramServerCallbackHandler",
    "OAUTHBEARER": f"{_KAFKAS}oauthbearer.internals.unsecured"
    ".OAuthBearerUnsecuredValidatorCallbackHandler",
}
"""Kafka's handler of each mechanism, if SERVER_HANDLER names none. Others of these mechanisms are
plug-ins."""
PREFIX: Final = "sasl.oauthbearer."
CREDENTIALS_HANDLER: Final = "sasl.client.callback.handler.class"
KAFKAS_CREDENTIALS: Final = f"{_KAFKAS}authenticator.SaslClientCallbackHandler"
TOKEN_URL: Final = "sasl.oauthbearer.token.endpoint.url"

Values = Callable[[str], Value]
"""Gives the value of a setting by name."""


def read_validation(value: Values, entry: JaasEntry) -> ValidationSettings:
    """The settings for VALIDATOR. Raises ConfigError."""
    issuer = value("sasl.oauthbearer.expected.issuer")
    return ValidationSettings(
        keys=Endpoint(
            url=_url(value, "sasl.oauthbearer.jwks.endpoint.url"),
            tls=_tls(entry),
            retry_ms=max(1, _number(value, "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms")),
            retry_ms_max=max(
                1, _number(value, "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms")
            ),
        ),
        refresh_ms=max(1, _number(value, "sasl.oauthbearer.jwks.endpoint.refresh.ms")),
        clock_skew_s=_number(value, "sasl.oauthbearer.clock.skew.seconds"),
        audiences=cast("tuple[str, ...]", value("sasl.oauthbearer.expected.audience") or ()),
        issuer=None if issuer is None else str(issuer),
        scope_claim=str(value("sasl.oauthbearer.scope.claim.name")),
        principal_claim=str(value("sasl.oauthbearer.sub.claim.name")),
    )


def read_login(value: Values, entry: JaasEntry) -> LoginSettings:
    """The settings for LOGIN_HANDLER. Raises ConfigError, and ValueError that names a missing
    option."""
    url = _url(value, TOKEN_URL)
    needed = {} if url.startswith("file:") else {n: entry.options.get(n, "") for n in _CREDENTIALS}
    for name, text in needed.items():
        if not text:
            raise ValueError(f"{name} is needed to log in")
    return LoginSettings(
        tokens=Endpoint(
            url=url,
            tls=_tls(entry),
            connect_timeout_ms=_number(value, "sasl.login.connect.timeout.ms") or 10_000,
            read_timeout_ms=_number(value, "sasl.login.read.timeout.ms") or 10_000,
            retry_ms=max(1, _number(value, "sasl.login.retry.backoff.ms")),
            retry_ms_max=max(0, _number(value, "sasl.login.retry.backoff.max.ms")),
        ),
        client_id=needed.get("clientId", ""),
        client_secret=needed.get("clientSecret", ""),
        scope=entry.options.get("scope", ""),
        extensions=oauthbearer.extensions_of(entry, oauthbearer.EXTENSION),
        **_refresh(value),
    )


def read_plugged_login(value: Values, entry: JaasEntry) -> LoginSettings:
    """The settings for tokens of a plug-in. Raises ValueError that names an option."""
    return LoginSettings(
        tokens=Endpoint(url=""),
        extensions=oauthbearer.extensions_of(entry, oauthbearer.EXTENSION),
        **_refresh(value),
    )


def _refresh(value: Values) -> dict[str, Any]:
    return {
        "refresh_factor": value("sasl.login.refresh.window.factor"),
        "refresh_jitter": value("sasl.login.refresh.window.jitter"),
        "refresh_period_ms_min": 1000 * _number(value, "sasl.login.refresh.min.period.seconds"),
        "refresh_buffer_ms": 1000 * _number(value, "sasl.login.refresh.buffer.seconds"),
    }


_CREDENTIALS = ("clientId", "clientSecret")


def _number(value: Values, name: str) -> int:
    return cast("int", value(name) or 0)


def _url(value: Values, name: str) -> str:
    text = value(name)
    if not text:
        raise ConfigError(f"{name}: required")
    try:
        parts = urlsplit(str(text))
        sound = parts.scheme in SCHEMES and (parts.port or 1) > 0
        sound = sound and bool(parts.path if parts.scheme == "file" else parts.hostname)
    except ValueError:
        sound = False
    if not sound or not str(text).isascii() or any(c <= " " for c in str(text)):
        raise ConfigError(f"{name}: a URL of {', '.join(SCHEMES)} is needed")
    return str(text)


def _tls(entry: JaasEntry) -> TlsSettings | None:
    """TLS settings for connections to the provider: ``ssl.*`` among the JAAS options."""
    given = {name: text for name, text in entry.options.items() if name.startswith("ssl.")}
    if not given:
        return None

    def value(name: str) -> Value:
        setting = SETTINGS[name]
        return setting.parse(given[name]) if name in given else setting.default

    settings = tls_settings(value)
    try:
        check_tls(settings)
    except BadTls as error:
        raise ConfigError(f"sasl.jaas.config: {error}") from None
    return settings
