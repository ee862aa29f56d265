"""Where a broker listens, what it tells others, and by which listener brokers meet. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from barnabas.config.checks import Value
from barnabas.config.java import parse_csv
from barnabas.errors import ConfigError
from barnabas.types import Endpoint

UNREACHABLE = ("", "0.0.0.0", "::")
"""Hosts to listen on, but not to be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """``listeners``, ``advertised.listeners`` and ``inter.broker.listener.name``."""

    bound: tuple[Endpoint, ...]
    advertised: tuple[Endpoint, ...]
    inter_broker: str


def read_listeners(values: Mapping[str, Value]) -> Listeners:
    """From the values of all settings. ConfigError for what cannot be served."""
    bound = _endpoints(values, "listeners")
    advertised = bound
    if values["advertised.listeners"] is not None:
        advertised = _endpoints(values, "advertised.listeners")
        if any(e.host in UNREACHABLE for e in advertised):
            raise ConfigError("advertised.listeners: a host that clients can reach is needed")
    names = {e.listener for e in bound}
    for endpoint in advertised:
        if endpoint.listener not in names:
            raise ConfigError(f"advertised.listeners: no listener '{endpoint.listener}'")
    own = values["inter.broker.listener.name"]
    name = bound[0].listener if own is None else str(own).upper()
    if all(e.listener != name for e in advertised):
        raise ConfigError(f"inter.broker.listener.name: '{name}' is not advertised")
    _check_control_plane(values, advertised, name)
    return Listeners(bound=bound, advertised=advertised, inter_broker=name)


def _check_control_plane(
    values: Mapping[str, Value], advertised: tuple[Endpoint, ...], inter_broker: str
) -> None:
    setting = "control.plane.listener.name"
    if values[setting] is not None:
        name = str(values[setting]).upper()
        if all(e.listener != name for e in advertised):
            raise ConfigError(f"{setting}: '{name}' is not advertised")
        if name == inter_broker:
            raise ConfigError(f"{setting}: must not be the inter-broker listener, '{name}'")
    known = {e.listener for e in advertised}
    for early in parse_csv(str(values["early.start.listeners"] or "")):
        if early not in known:
            raise ConfigError(f"early.start.listeners: no listener '{early}'")


def _endpoints(values: Mapping[str, Value], name: str) -> tuple[Endpoint, ...]:
    protocols = _security_protocols(cast("str", values["listener.security.protocol.map"]))
    endpoints: list[Endpoint] = []
    for text in parse_csv(cast("str", values[name])):
        endpoint = _endpoint(name, text, protocols)
        if any(e.listener == endpoint.listener for e in endpoints):
            raise ConfigError(f"{name}: listener '{endpoint.listener}' stands twice")
        if name == "listeners" and any(e.port == endpoint.port != 0 for e in endpoints):
            raise ConfigError(f"{name}: port {endpoint.port} stands twice")
        endpoints.append(endpoint)
    if not endpoints:
        raise ConfigError(f"{name}: at least one is needed")
    return tuple(endpoints)


def _endpoint(name: str, text: str, protocols: Mapping[str, str]) -> Endpoint:
    listener, separator, address = text.partition("://")
    host, colon, port = address.rpartition(":")
    listener = listener.upper()
    digits = port.isascii() and port.isdigit() and len(port) < 6
    if not separator or not colon or not digits or int(port) > 65_535:
        raise ConfigError(f"{name}: {text!r} is not NAME://host:port")
    if listener not in protocols:
        raise ConfigError(f"{name}: no security protocol is mapped to '{listener}'")
    if protocols[listener] != "PLAINTEXT":
        raise ConfigError(f"{name}: {listener} is {protocols[listener]}, not served yet")
    return Endpoint(listener, protocols[listener], host.strip("[]"), int(port))


def _security_protocols(text: str) -> dict[str, str]:
    name = "listener.security.protocol.map"
    protocols: dict[str, str] = {}
    for item in parse_csv(text):
        listener, separator, protocol = item.rpartition(":")
        if not separator:
            raise ConfigError(f"{name}: {item!r} is not LISTENER:PROTOCOL")
        protocol = protocol.strip().upper()
        if protocol not in ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"):
            raise ConfigError(f"{name}: {protocol!r} is not a security protocol")
        protocols[listener.strip().upper()] = protocol
    return protocols
