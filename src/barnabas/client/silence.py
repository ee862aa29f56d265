"""Reports addresses that do not answer, each of them once, while a client goes on trying."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from barnabas.protocol.connection import RequestTimedOut

PATIENCE_S = 3.0
"""How long an address is silent before it is reported."""

Address = tuple[str, int]


class Silence:
    """Records since when each address has not answered."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        """``tell`` is called with one sentence for each silent address."""
        self._tell = tell
        self._since: dict[Address, float] = {}
        """In seconds of the loop's time."""
        self._why: dict[Address, str] = {}
        self._told: dict[Address, None] = {}

    @contextmanager
    def asking(self, address: Address) -> Iterator[None]:
        """Put this around an attempt to connect, or a request. An OSError means that it failed."""
        loop = asyncio.get_running_loop()
        since = self._since.setdefault(address, loop.time())
        timer = loop.call_at(since + PATIENCE_S, self._say, address)
        try:
            yield
        except OSError as error:
            self._why[address] = _reason(error)
            self._say(address)
            raise
        else:
            for known in (self._since, self._why, self._told):
                known.pop(address, None)
        finally:
            timer.cancel()

    def _say(self, address: Address) -> None:
        """Report the address, if it is time and it has not answered since."""
        since = self._since.get(address)
        now = asyncio.get_running_loop().time()
        if since is None or now < since + PATIENCE_S or address in self._told:
            return
        self._told[address] = None
        why = self._why.get(address)
        reason = "" if why is None else f" ({why})"
        self._tell(f"{address[0]}:{address[1]} does not answer{reason}; still trying")


def _reason(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return "silent" if isinstance(error, RequestTimedOut) else str(error)
