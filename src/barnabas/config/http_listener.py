"""Where and to whom a broker shows metrics, health and events over HTTP. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from barnabas.config.broker_config import BrokerConfig
from barnabas.errors import ConfigError

PORT_MAX = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpListener:
    """``barnabas.http.listener`` and what goes with it."""

    host: str
    port: int
    """0: any free one."""
    token: str | None = field(repr=False)
    names: frozenset[str]


def http_listener(config: BrokerConfig) -> HttpListener | None:
    """None if none is wanted. ConfigError for an address that is none, or that others reach without
    a token."""
    text = config.text("barnabas.http.listener")
    if not text:
        return None
    names = frozenset(config.texts_of("barnabas.http.names"))
    return parse_http_listener(text, config.text("barnabas.http.token"), names)


def parse_http_listener(
    text: str, token: str | None, names: frozenset[str] = frozenset()
) -> HttpListener:
    """Raises ConfigError as ``http_listener``."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdigit() and int(port) <= PORT_MAX):
        raise ConfigError(f"barnabas.http.listener: {text!a} is not HOST:PORT")
    token = token or None
    if token is None and not _is_loopback(host):
        raise ConfigError(
            f"barnabas.http.listener: {host} can be reached from elsewhere;"
            " that needs barnabas.http.token"
        )
    return HttpListener(host=host, port=int(port), token=token, names=names)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
