"""RequestChannel, as one connection sees it: what it needs of the server that it came to.

``NetworkServer`` (``network.py``) is that server; this keeps a connection from importing it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from barnabas.api.dispatch import Dispatcher
from barnabas.api.request import Request
from barnabas.broker.newcomers import Newcomers
from barnabas.broker.turns import Turns
from barnabas.memory import Account
from barnabas.pace import PacedCalls


class Spawn(Protocol):
    """Runs a coroutine in the broker; False if that is shutting down. ``awaited`` are closed at its
    end: it may be cancelled before it has begun to await them."""

    def __call__(
        self, coroutine: Coroutine[Any, Any, None], /, *awaited: Coroutine[Any, Any, Any]
    ) -> bool: ...


C = TypeVar("C", contravariant=True)


class Note(Protocol):
    """Tells the observer."""

    def __call__(self, event: str, /, **fields: object) -> None: ...


class ConnectionServer(Protocol[C]):
    """The server of connections ``C``."""

    loop: asyncio.AbstractEventLoop
    dispatcher: Dispatcher
    spawn: Spawn
    turns: Turns
    staging: bytearray
    """Where what is read lands; for all connections."""
    request_bytes_max: int
    answers: Account
    endings: PacedCalls
    """Ends of requests that waited on connections that are gone."""
    newcomers: Newcomers
    wall_ms: Callable[[], int]
    note: Note

    def is_for_brokers(self, listener: str) -> bool:
        """Whether requests of other brokers come through this listener."""
        ...

    # Its life

    def opened(self, connection: C) -> None:
        """It has come."""
        ...

    def ends(self, connection: C) -> None:
        """It has been closed, but may still have something to send."""
        ...

    def closed(self, connection: C) -> None:
        """It is gone."""
        ...

    # What it holds

    def count_request_bytes(self, connection: C, held: int, *, begun: bool) -> None:
        """The memory that its requests take; ``begun``: its last one is not whole."""
        ...

    def must_wait(self, connection: C) -> bool:
        """Whether it may not be read because requests hold too much memory."""
        ...

    def must_not_begin(self, connection: C) -> bool:
        """Whether it may not begin to decode a long request yet."""
        ...

    def count_debt(self, connection: C, debt: int) -> None:
        """The bytes of answers that it has not taken yet."""
        ...

    def gather(self, connection: C) -> None:
        """Serve it at the end of this turn of the loop: another broker's."""
        ...

    def flush_soon(self, connection: C) -> None:
        """Write its ready answers once, at the end of this turn of the loop."""
        ...

    def handler_failed(self, request: Request, text: str, error: BaseException) -> None:
        """A fault of ours in answering a request."""
        ...
