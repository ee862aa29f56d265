"""Reads a client's properties, as Kafka's tools take them with ``--command-config``. Pure.

``security.protocol``, ``sasl.mechanism``, ``sasl.jaas.config``, ``ssl.*`` and the settings for
tokens of OAUTHBEARER are obeyed. Any other setting of ``sasl.`` and ``ssl.`` is refused, since it
would be unsafe to ignore it. All other properties are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from barnabas.config import oauth
from barnabas.config.checks import Value
from barnabas.config.listener_settings import SASL_PROTOCOLS, TLS_PROTOCOLS
from barnabas.config.settings import SETTINGS
from barnabas.config.tls import tls_settings
from barnabas.errors import BadTls, ConfigError
from barnabas.logs import visible
from barnabas.security.client import PLAINTEXT, BeginAt, ClientSecurity
from barnabas.security.client_login import MODULES, client_login
from barnabas.security.jaas import JaasEntry, parse_jaas
from barnabas.security.kerberos_settings import KerberosSettings
from barnabas.security.oauth_settings import LOGIN_HANDLER, LoginSettings
from barnabas.security.sasl.mechanism import GSSAPI, OAUTHBEARER
from barnabas.security.stores import Read
from barnabas.security.tls import client_context

_PROTOCOL: Final = "security.protocol"
_PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISM, _JAAS = "sasl.mechanism", "sasl.jaas.config"
_SERVICE: Final = "sasl.kerberos.service.name"
_OF_LOGIN: Final = (
    oauth.TOKEN_URL,
    "sasl.login.connect.timeout.ms",
    "sasl.login.read.timeout.ms",
    "sasl.login.retry.backoff.ms",
    "sasl.login.retry.backoff.max.ms",
    "sasl.login.refresh.window.factor",
    "sasl.login.refresh.window.jitter",
    "sasl.login.refresh.min.period.seconds",
    "sasl.login.refresh.buffer.seconds",
)


def client_security(
    properties: Mapping[str, str],
    *,
    read: Read,
    secret: Callable[[int], bytes],
    wall_ms: Callable[[], int],
) -> ClientSecurity:
    """How a client with these properties connects. Raises ConfigError, which contains no secret."""
    protocol = properties.get(_PROTOCOL, "PLAINTEXT").strip().upper()
    if protocol not in _PROTOCOLS:
        raise ConfigError(
            f"{_PROTOCOL}: {visible(protocol)!a} is not one of {', '.join(_PROTOCOLS)}"
        )
    for name, text in properties.items():
        _check(name, text)
    if protocol == "PLAINTEXT":
        return PLAINTEXT

    def value(name: str) -> Value:
        text = properties.get(name)
        return SETTINGS[name].default if text is None else SETTINGS[name].parse(text)

    tls = None
    if protocol in TLS_PROTOCOLS:
        try:
            tls = client_context(tls_settings(value), read)
        except BadTls as error:
            raise ConfigError(str(error)) from None
    if protocol not in SASL_PROTOCOLS:
        return ClientSecurity(tls=tls)
    found = _logged_in(properties, value, read=read, secret=secret, wall_ms=wall_ms)
    found.tls = tls
    return found


def _logged_in(
    properties: Mapping[str, str],
    value: Callable[[str], Value],
    *,
    read: Read,
    secret: Callable[[int], bytes],
    wall_ms: Callable[[], int],
) -> ClientSecurity:
    mechanism = properties.get(_MECHANISM, GSSAPI).strip()
    try:
        entry = parse_jaas(properties.get(_JAAS, ""))
        if mechanism == OAUTHBEARER and properties.get(oauth.CLIENT_HANDLER):
            return fetched_tokens(oauth.read_login(value, entry), read, wall_ms, secret)
        if mechanism == GSSAPI:
            return ClientSecurity(mechanism=mechanism, begin_at=_kerberos(value, entry, mechanism))
        begin = client_login(mechanism, entry, secret=secret, wall_ms=wall_ms)
    except ValueError as error:
        raise ConfigError(f"{_JAAS}: {error}") from None
    return ClientSecurity(mechanism=mechanism, begin=begin)


def _kerberos(value: Callable[[str], Value], entry: JaasEntry, mechanism: str) -> BeginAt:
    from barnabas.security.kerberos_client import kerberos_logins

    if entry.module != MODULES[mechanism]:
        raise ValueError(f"the login module of {mechanism} is {MODULES[mechanism]}")
    service = str(value(_SERVICE) or "")
    return kerberos_logins(KerberosSettings.of(entry, service, ()))


def fetched_tokens(
    settings: LoginSettings,
    read: Read,
    wall_ms: Callable[[], int],
    secret: Callable[[int], bytes],
) -> ClientSecurity:
    """A login with tokens from a provider. Raises ConfigError."""
    try:
        from barnabas.security.oauth.login import AccessTokens
    except ModuleNotFoundError as error:
        raise ConfigError(f"{oauth.CLIENT_HANDLER}: {missing(error)}") from None
    try:
        tokens = AccessTokens(settings, read, wall_ms, secret)
    except BadTls as error:
        raise ConfigError(f"{_JAAS}: {error}") from None
    return ClientSecurity(mechanism=OAUTHBEARER, begin=tokens.begin, prepare=tokens.prepare)


def missing(error: ModuleNotFoundError) -> str:
    """The error text for a missing library: it says what to install."""
    return f"{error.name} is not installed: pip install 'barnabas[oauth]'"


def _check(name: str, text: str) -> None:
    if not name.startswith(("sasl.", "ssl.")) or name in (_MECHANISM, _JAAS, _SERVICE):
        return
    setting = SETTINGS.get(name)
    if setting is not None and setting.restart and name.startswith("ssl."):
        return
    if name in _OF_LOGIN or (name == oauth.CLIENT_HANDLER and text.strip() in ("", LOGIN_HANDLER)):
        return
    if setting is not None and not (setting.refused or setting.effect):
        return
    value = None if setting is None else setting.parse(text)
    if setting is None or not (setting.is_default(value) or value in setting.harmless):
        raise ConfigError(f"{visible(name)}: not supported, and not safe to ignore; remove it")
