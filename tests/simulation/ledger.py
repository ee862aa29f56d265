"""What brokers hold in memory for their clients, as the judge of a run sees it.

At any time no account is below zero or above its bound by more than one long request or answer, and
one read of each connection that has any. Once hostile clients have gone nothing of theirs is held:
the sums are those of the connections that are there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.simulation.loop import SimLoop

from barnabas.broker.network import NetworkServer
from barnabas.protocol.framing import STAGING_BYTES

SLACK_BYTES = 1024 * 1024
"""Above a bound: one long request or answer, which always may be."""
ANSWER_BYTES = 256 * 1024
"""Above the bound of answers, which is looked at after each: one that is long."""
LOOK_S, CALM_LOOK_S = 0.02, 0.2
"""From one look to the next; where no client is hostile."""


class Ledger:
    """The networks of all brokers that live; ``fail(invariant, text)`` hears of violations."""

    def __init__(self, fail: Callable[[str, str], None]) -> None:
        self._fail = fail
        self._servers: dict[SimLoop, NetworkServer] = {}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Every server that is made in this process belongs to this run, for the context."""
        before = NetworkServer.__init__
        servers = self._servers

        def init(self: NetworkServer, *args: Any, **rest: Any) -> None:
            before(self, *args, **rest)
            servers[asyncio.get_running_loop()] = self  # type: ignore[index]

        NetworkServer.__init__ = init  # type: ignore[method-assign]
        try:
            yield
        finally:
            NetworkServer.__init__ = before  # type: ignore[method-assign]

    def _alive(self) -> Iterator[tuple[str, NetworkServer]]:
        for loop, server in self._servers.items():
            if not loop.dead:
                yield loop.name, server

    async def watch(self, look_s: float) -> None:
        """Look at the bounds, for ever."""
        while True:
            await asyncio.sleep(look_s)
            for name, server in self._alive():
                for what, account in (("requests", server.requests), ("answers", server.answers)):
                    held = account.held
                    if 0 <= held <= account.bytes_max:
                        continue
                    reads = STAGING_BYTES * sum(c.held > 0 for c in server._connections)
                    slack = ANSWER_BYTES if what == "answers" else SLACK_BYTES + reads
                    if not 0 <= held <= account.bytes_max + slack:
                        text = f"{what} of {name} hold {held} of {account.bytes_max} bytes"
                        self._fail("BoundedMemory", text)

    def remains(self, is_hostile: Callable[[str], bool]) -> str:
        """What is still held for clients at hostile addresses, or counted for nobody; empty if
        nothing is."""
        found = []
        for name, server in self._alive():
            connections = server._connections
            sums = {
                "requests": server.requests.held - sum(c.held for c in connections),
                "answers": server.answers.held - sum(c.debt for c in connections),
                "turns": sum(line not in connections for line in server.turns._long),
                "connections": server.counts._taken - len(connections),
            }
            for connection in connections:
                if is_hostile(connection.peer):
                    sums["hostile"] = connection.held + connection.debt + sums.get("hostile", 0)
            found += [f"{what} of {name}: {left}" for what, left in sums.items() if left]
        return ", ".join(found)
