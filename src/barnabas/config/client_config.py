"""A client's properties, as Kafka's tools take them by ``--command-config``. Pure.

``security.protocol``, ``sasl.mechanism``, ``sasl.jaas.config`` and ``ssl.*`` are obeyed. Others of
``sasl.`` and ``ssl.`` are refused: to pass one over would be unsafe. The rest is not ours to judge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from barnabas.config.checks import Value
from barnabas.config.listener_security import SASL_PROTOCOLS, TLS_PROTOCOLS
from barnabas.config.settings import SETTINGS
from barnabas.config.tls import tls_settings
from barnabas.errors import ConfigError
from barnabas.logs import visible
from barnabas.security.client import PLAINTEXT, ClientSecurity
from barnabas.security.client_login import client_login
from barnabas.security.jaas import parse_jaas
from barnabas.security.stores import Read
from barnabas.security.tls import BadTls, client_context

_PROTOCOL: Final = "security.protocol"
_PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISM, _JAAS = "sasl.mechanism", "sasl.jaas.config"


def client_security(
    properties: Mapping[str, str],
    *,
    read: Read,
    secret: Callable[[int], bytes],
    wall_ms: Callable[[], int],
) -> ClientSecurity:
    """How a client with these properties reaches brokers. ConfigError, which repeats no secret."""
    protocol = properties.get(_PROTOCOL, "PLAINTEXT").strip().upper()
    if protocol not in _PROTOCOLS:
        raise ConfigError(
            f"{_PROTOCOL}: {visible(protocol)!a} is none, but {', '.join(_PROTOCOLS)}"
        )
    for name, text in properties.items():
        _check(name, text)
    if protocol == "PLAINTEXT":
        return PLAINTEXT
    tls = None
    if protocol in TLS_PROTOCOLS:

        def value(name: str) -> Value:
            text = properties.get(name)
            return SETTINGS[name].default if text is None else SETTINGS[name].parse(text)

        try:
            tls = client_context(tls_settings(value), read)
        except BadTls as error:
            raise ConfigError(str(error)) from None
    if protocol not in SASL_PROTOCOLS:
        return ClientSecurity(tls=tls)
    mechanism = properties.get(_MECHANISM, "GSSAPI").strip()
    try:
        entry = parse_jaas(properties.get(_JAAS, ""))
        begin = client_login(mechanism, entry, secret=secret, wall_ms=wall_ms)
    except ValueError as error:
        raise ConfigError(f"{_JAAS}: {error}") from None
    return ClientSecurity(tls=tls, mechanism=mechanism, begin=begin)


def _check(name: str, text: str) -> None:
    if not name.startswith(("sasl.", "ssl.")) or name in (_MECHANISM, _JAAS):
        return
    setting = SETTINGS.get(name)
    if setting is not None and setting.restart and name.startswith("ssl."):
        return
    if setting is None or not setting.is_default(setting.parse(text)):
        raise ConfigError(f"{visible(name)}: not supported, and not safe to ignore; remove it")
