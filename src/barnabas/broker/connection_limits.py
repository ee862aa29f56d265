"""ConnectionQuotas: how many connections a broker takes, in all and from one address."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """``max.connections``, ``max.connections.per.ip`` and its overrides: address -> connections."""

    total: int
    per_address: int = 2**31 - 1
    overrides: Mapping[str, int] = field(default_factory=dict)

    def of(self, address: str) -> int:
        """Connections from this address. The overrides know addresses; ``localhost`` is this
        machine's, other names are not looked up."""
        if address in ("127.0.0.1", "::1") and "localhost" in self.overrides:
            return self.overrides["localhost"]
        return self.overrides.get(address, self.per_address)

    def names(self) -> list[str]:
        """Overrides for names, which are not looked up and so have no effect."""
        return [host for host in self.overrides if host != "localhost" and not _is_address(host)]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class ConnectionCounts:
    """The open connections by address, against ``limits``, which may change."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._by_address: Counter[str] = Counter()
        self._taken = 0

    def take(self, address: str) -> str | None:
        """Count one more; or answer why it is one too many, and count nothing."""
        limits = self.limits
        if self._taken >= limits.total:
            return f"max.connections ({limits.total}) reached"
        if self._by_address[address] >= limits.of(address):
            return f"max.connections.per.ip ({limits.of(address)}) reached by {address}"
        self._by_address[address] += 1
        self._taken += 1
        return None

    def give_back(self, address: str) -> None:
        """One that was taken is closed."""
        self._taken -= 1
        self._by_address[address] -= 1
        if self._by_address[address] <= 0:
            del self._by_address[address]
