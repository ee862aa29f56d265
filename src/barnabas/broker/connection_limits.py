"""ConnectionQuotas: how many connections a broker accepts in all, at a listener and from an
address, and how many new ones per second (KIP-402, KIP-612). Pure; times are in ms."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from barnabas.quotas.client_quotas import Kept
from barnabas.quotas.rate import Rate, Window

UNLIMITED: Final = 2**31 - 1
_THIS_MACHINE: Final = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerLimits:
    """``max.connections`` and ``max.connection.creation.rate`` of one listener."""

    connections: int = UNLIMITED
    creation_rate: int = UNLIMITED


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """``max.connections``, ``max.connections.per.ip`` and its overrides: address -> connections;
    ``max.connection.creation.rate``."""

    total: int
    per_address: int = UNLIMITED
    overrides: Mapping[str, int] = field(default_factory=dict)
    creation_rate: int = UNLIMITED
    listeners: Mapping[str, ListenerLimits] = field(default_factory=dict)
    protected: str | None = None
    """The listener for brokers, if there are others too: the broker's own limits do not apply
    there."""
    window: Window = field(default_factory=Window)

    def of(self, address: str) -> int:
        """The most connections from this address. Overrides are for addresses; ``localhost`` means
        this machine's. Other names are not resolved."""
        if address in _THIS_MACHINE and "localhost" in self.overrides:
            return self.overrides["localhost"]
        return self.overrides.get(address, self.per_address)

    def at(self, listener: str) -> ListenerLimits:
        """The limits of a listener."""
        return self.listeners.get(listener, _NO_LIMITS)

    def names(self) -> list[str]:
        """Overrides for names: they have no effect, since names are not resolved."""
        return [host for host in self.overrides if host != "localhost" and not _is_address(host)]


_NO_LIMITS: Final = ListenerLimits()


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class ConnectionCounts:
    """Counts connections and how fast they come. ``limits`` may be replaced at any time."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._by_address: Counter[str] = Counter()
        self._by_listener: Counter[str] = Counter()
        self.created: Counter[str] = Counter()
        """How many connections were accepted, by listener."""
        self._taken = 0
        self._broker_rate = Rate(limits.window)
        self._listener_rates: dict[str, Rate] = {}
        self._address_rates: Kept[Rate] = Kept(Rate, limits.window)
        self._rate_of: dict[str, int] = {}
        """``connection_creation_rate`` by address."""
        self._default_rate = UNLIMITED

    @property
    def by_listener(self) -> Mapping[str, int]:
        """The open connections."""
        return self._by_listener

    # Rates

    def set_address_rate(self, address: str | None, rate: int | None) -> None:
        """Set ``connection_creation_rate`` of an address; ``address`` None: of all without one of
        their own; ``rate`` None removes it."""
        if address is None:
            self._default_rate = UNLIMITED if rate is None else rate
            return
        for each in _THIS_MACHINE if address == "localhost" else (address,):
            if rate is None:
                self._rate_of.pop(each, None)
            else:
                self._rate_of[each] = rate

    def came(self, listener: str, now_ms: int) -> int:
        """Count a new connection at a listener. Returns how long it must wait, in ms; at most one
        sample of the rates."""
        limits = self.limits
        wait_ms = 0
        if limits.creation_rate != UNLIMITED and listener != limits.protected:
            wait_ms = self._record(self._broker_rate, limits.creation_rate, now_ms)
        rate = limits.at(listener).creation_rate
        if rate != UNLIMITED:
            wait_ms = max(wait_ms, self._record(self._rate_at(listener), rate, now_ms))
        return wait_ms

    def came_from(self, listener: str, address: str, now_ms: int) -> int:
        """Count it for its address. If not 0, too many have come from there: it must be closed
        after this many ms, and is not counted."""
        limit = self._rate_of.get(address, self._default_rate)
        if limit == UNLIMITED:
            return 0
        rate = self._address_rates.at((address, ""), now_ms)
        wait_ms = self._record(rate, limit, now_ms)
        if wait_ms:
            rate.record(-1, now_ms)
            if self.limits.creation_rate != UNLIMITED and listener != self.limits.protected:
                self._broker_rate.record(-1, now_ms)
            if self.limits.at(listener).creation_rate != UNLIMITED:
                self._rate_at(listener).record(-1, now_ms)
        return wait_ms

    def _rate_at(self, listener: str) -> Rate:
        found = self._listener_rates.get(listener)
        if found is None:
            found = self._listener_rates[listener] = Rate(self.limits.window)
        return found

    def _record(self, rate: Rate, limit: int, now_ms: int) -> int:
        rate.record(1, now_ms)
        most_ms = self.limits.window.sample_ms
        return rate.throttle_ms(limit, now_ms, most_ms)

    # Numbers

    def has_room(self, listener: str) -> bool:
        """Whether a listener may accept one more; otherwise it waits until another has gone."""
        limits = self.limits
        if self._by_listener[listener] >= limits.at(listener).connections:
            return False
        return listener == limits.protected or self._taken < limits.total

    @property
    def is_exceeded(self) -> bool:
        """Whether a connection must be closed, of another listener than that for brokers."""
        return self._taken > self.limits.total

    def take(self, listener: str, address: str) -> str | None:
        """Count one more connection. If it is one too many, return the reason and count nothing."""
        most = self.limits.of(address)
        if self._by_address[address] >= most:
            return (
                f"Rejected connection from /{address}, address already has the configured"
                f" maximum of {most} connections."
            )
        self._by_address[address] += 1
        self._by_listener[listener] += 1
        self.created[listener] += 1
        self._taken += 1
        return None

    def give_back(self, listener: str, address: str) -> None:
        """A connection that was counted has closed."""
        self._taken -= 1
        self._by_listener[listener] -= 1
        self._by_address[address] -= 1
        if self._by_address[address] <= 0:
            del self._by_address[address]
