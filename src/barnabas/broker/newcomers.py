"""Connections of which nobody knows yet who they are: few, small, and not for long.

Whoever is still unknown when there are too many of them, when they hold too much memory or after
``barnabas.authentication.timeout.ms`` is closed: who came first, who holds most. So a flood of
them costs a broker little, and none of it is taken from those who have logged in.
"""

from __future__ import annotations

import logging
from typing import Final, Protocol

from barnabas.logs import visible
from barnabas.memory import Account

log = logging.getLogger("kafka.network")

BYTES_MAX: Final = 16 * 1024 * 1024
"""That all of them hold together."""


class Newcomer(Protocol):
    """A connection before it has authenticated."""

    @property
    def peer(self) -> str:
        """For logs."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...


class Newcomers:
    """Those of one broker."""

    def __init__(self, count_max: int, timeout_s: float, bytes_max: int = BYTES_MAX) -> None:
        self._count_max = count_max
        self._timeout_s = timeout_s
        self._since: dict[Newcomer, float] = {}
        """In the order in which they came."""
        self._held: dict[Newcomer, int] = {}
        self._account = Account(bytes_max)
        self._gave_way = 0
        """To those who came later, since the last check: a flood of them is not one of lines."""

    def __len__(self) -> int:
        return len(self._since)

    @property
    def held(self) -> int:
        """Bytes that they hold."""
        return self._account.held

    def add(self, newcomer: Newcomer, now: float) -> None:
        """One more, which may cost the first its place."""
        if len(self._since) >= self._count_max:
            first = next(iter(self._since))
            if self._gave_way:
                self.remove(first)
                first.abort()  # told with the others at the next check
            else:
                self._end(first, "too many others wait to authenticate as well")
            self._gave_way += 1
        self._since[newcomer] = now

    def count(self, newcomer: Newcomer, held: int) -> None:
        """So many bytes of it are in memory."""
        if newcomer not in self._since:
            return
        before = self._held.get(newcomer, 0)
        if held != before:
            self._account.held += held - before
            self._held[newcomer] = held
        while self._account.is_full and self._held:
            most = max(self._held, key=lambda each: self._held[each])
            self._end(most, "those who have not authenticated fill their memory")

    def remove(self, newcomer: Newcomer) -> None:
        """It is known now, or gone."""
        self._since.pop(newcomer, None)
        self._account.held -= self._held.pop(newcomer, 0)

    def check(self, now: float) -> None:
        """Several times a second: end those who have taken too long."""
        if self._gave_way > 1:
            log.warning(
                "closed %d more: too many others wait to authenticate as well", self._gave_way - 1
            )
        self._gave_way = 0
        while self._since:
            newcomer, since = next(iter(self._since.items()))
            if now - since < self._timeout_s:
                return
            self._end(newcomer, f"it has not authenticated in {now - since:.0f} s")

    def _end(self, newcomer: Newcomer, why: str) -> None:
        self.remove(newcomer)
        log.warning("closing connection from %s: %s", visible(newcomer.peer), why)
        newcomer.abort()
