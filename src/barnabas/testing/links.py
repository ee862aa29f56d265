"""Which nodes of a test cluster are cut off from each other, or get messages late. Pure.

Each side of a connection holds back what it sends. So broker 1 enforces the delay from 1 to 2, no
matter which of the two opened the connection.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

LOST = math.inf
"""The delay for a direction in which nothing arrives."""
CLIENTS = "clients"
"""The name for all clients: peers that are neither brokers nor the coordinator of the cluster."""

_NETWORK = "127.77."
"""Brokers connect from addresses of their own, so that they can be told from clients."""


class Links:
    """The delays between nodes, by direction, in seconds. Without an entry there is none."""

    def __init__(self) -> None:
        self._delays: dict[tuple[str, str], float] = {}

    def delay(self, source: str, target: str) -> float:
        """How late what ``source`` sends arrives at ``target``; ``LOST`` means never."""
        return self._delays.get((source, target), 0.0)

    def set(self, source: str, target: str, delay_s: float) -> None:
        self._delays[source, target] = delay_s

    def heal(self, names: Iterable[str] = ()) -> None:
        """Remove the delays from and to ``names``; without names, all delays."""
        some = set(names)
        self._delays = {
            pair: delay for pair, delay in self._delays.items() if some and some.isdisjoint(pair)
        }

    def is_cut_off(self, name: str, other: str) -> bool:
        """Whether either direction between the two is lost."""
        return LOST in (self.delay(name, other), self.delay(other, name))

    def as_rows(self) -> list[list[object]]:
        """The delays as JSON values for another process; -1 means lost."""
        return [[s, t, -1 if d == LOST else d] for (s, t), d in self._delays.items()]

    def take_rows(self, rows: Iterable[list[object]]) -> None:
        """Replace all delays by those that ``as_rows`` returned elsewhere."""
        self._delays = {
            (str(source), str(target)): LOST if delay == -1 else float(str(delay))
            for source, target, delay in rows
        }


class Directory:
    """The names of a cluster's nodes, by the ports on which they listen and by the addresses from
    which they connect."""

    def __init__(self, ports: Mapping[int, str]) -> None:
        self._ports = dict(ports)

    def at_port(self, port: int) -> str:
        """The node that listens on this port."""
        return self._ports.get(port, CLIENTS)

    def at_address(self, address: str) -> str:
        """The node that connects from this address."""
        if not address.startswith(_NETWORK):
            return CLIENTS
        high, _, low = address.removeprefix(_NETWORK).partition(".")
        return broker_name(256 * int(high) + int(low))


def broker_name(broker: int) -> str:
    return f"broker:{broker}"


def broker_of(name: str) -> int | None:
    """The id in ``broker:N``; None for other names."""
    kind, _, number = name.partition(":")
    return int(number) if kind == "broker" and number.isdecimal() else None


def address_of(name: str) -> str | None:
    """The address from which a broker connects to others; None for other nodes."""
    broker = broker_of(name)
    return None if broker is None else f"{_NETWORK}{broker >> 8}.{broker & 255}"
