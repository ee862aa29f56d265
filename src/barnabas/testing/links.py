"""Who hears whom in a test cluster. Pure: what is not named here is heard at once.

Each side of a connection holds back what it sends. So "1 to 2" is enforced by broker 1, whoever of
the two has made the connection.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

LOST = math.inf
"""The delay of a direction in which nothing arrives."""
CLIENTS = "clients"
"""Everybody who is neither a broker nor the coordinator of the cluster."""

_NETWORK = "127.77."
"""Brokers call from addresses of their own, which tells them from clients."""


class Links:
    """Delays by direction, in seconds."""

    def __init__(self) -> None:
        self._delays: dict[tuple[str, str], float] = {}

    def delay(self, source: str, target: str) -> float:
        """How late ``target`` hears what ``source`` sends; ``LOST`` is never."""
        return self._delays.get((source, target), 0.0)

    def set(self, source: str, target: str, delay_s: float) -> None:
        self._delays[source, target] = delay_s

    def heal(self, names: Iterable[str] = ()) -> None:
        """End the faults that touch one of ``names``; without any, all."""
        some = set(names)
        self._delays = {
            pair: delay for pair, delay in self._delays.items() if some and some.isdisjoint(pair)
        }

    def is_cut_off(self, name: str, other: str) -> bool:
        """Whether either direction between the two is lost."""
        return LOST in (self.delay(name, other), self.delay(other, name))

    def as_rows(self) -> list[list[object]]:
        """For another process; -1 is lost."""
        return [[s, t, -1 if d == LOST else d] for (s, t), d in self._delays.items()]

    def take_rows(self, rows: Iterable[list[object]]) -> None:
        """Replace everything by what ``as_rows`` of another gave."""
        self._delays = {
            (str(source), str(target)): LOST if delay == -1 else float(str(delay))
            for source, target, delay in rows
        }


class Directory:
    """Names of the members of one cluster, by the ports they listen on and the addresses they call
    from."""

    def __init__(self, ports: Mapping[int, str]) -> None:
        self._ports = dict(ports)

    def at_port(self, port: int) -> str:
        """Who listens there."""
        return self._ports.get(port, CLIENTS)

    def at_address(self, address: str) -> str:
        """Who calls from there."""
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
    """From where a broker calls others; None for who is no broker."""
    broker = broker_of(name)
    return None if broker is None else f"{_NETWORK}{broker >> 8}.{broker & 255}"
