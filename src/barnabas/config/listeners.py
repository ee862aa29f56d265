"""A broker's listeners: where it listens, which addresses it advertises, and which listeners
brokers use among themselves. Pure."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import cast

from barnabas.config.checks import Value
from barnabas.config.java import parse_csv
from barnabas.errors import ConfigError
from barnabas.types import Endpoint

UNREACHABLE = ("", "0.0.0.0", "::")
"""Hosts that a broker may listen on but may not advertise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """``listeners``, ``advertised.listeners`` and ``inter.broker.listener.name``."""

    bound: tuple[Endpoint, ...]
    advertised: tuple[Endpoint, ...]
    inter_broker: str
    control_plane: str
    """The listener for the controller's requests: ``control.plane.listener.name``, or else
    ``inter_broker``."""


def read_listeners(values: Mapping[str, Value], given: Container[str] = ()) -> Listeners:
    """The listeners from the values of all settings; ``given`` has those that were set. Raises
    ConfigError for listeners that cannot be served."""
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
    name = _inter_broker(values, bound, given)
    if all(e.listener != name for e in advertised):
        by_name = values["inter.broker.listener.name"] is not None
        setting = "inter.broker.listener.name" if by_name else "security.inter.broker.protocol"
        if not by_name and setting not in given:
            setting = "advertised.listeners"
        raise ConfigError(
            f"{setting}: '{name}', for brokers, is not among the advertised listeners"
            f" {', '.join(e.listener for e in advertised)}"
        )
    return Listeners(
        bound=bound,
        advertised=advertised,
        inter_broker=name,
        control_plane=_control_plane(values, advertised, name),
    )


def _inter_broker(
    values: Mapping[str, Value], bound: tuple[Endpoint, ...], given: Container[str]
) -> str:
    """The listener between brokers: that of the given name, else of the given protocol, else the
    first."""
    own, protocol = values["inter.broker.listener.name"], "security.inter.broker.protocol"
    if own is not None:
        return str(own).upper()
    return str(values[protocol]) if protocol in given else bound[0].listener


def _control_plane(
    values: Mapping[str, Value], advertised: tuple[Endpoint, ...], inter_broker: str
) -> str:
    setting = "control.plane.listener.name"
    name = inter_broker
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
    return name


def _endpoints(values: Mapping[str, Value], name: str) -> tuple[Endpoint, ...]:
    protocols = _security_protocols(cast("str", values["listener.security.protocol.map"]))
    endpoints: list[Endpoint] = []
    for text in parse_csv(cast("str", values[name])):
        endpoint = _endpoint(name, text, protocols)
        if any(e.listener == endpoint.listener for e in endpoints):
            raise ConfigError(f"{name}: listener '{endpoint.listener}' is given twice")
        if name == "listeners" and any(e.port == endpoint.port != 0 for e in endpoints):
            raise ConfigError(f"{name}: port {endpoint.port} is given twice")
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
