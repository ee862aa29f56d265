"""Serves a guarded app with uvicorn, on the running event loop.

Only uvicorn's reading and writing of connections is used. Its server is not: that would handle
signals, poll ten times a second for its end, and need a tenth of a second to stop.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from barnabas.http.answers import App
from barnabas.http.guard import Guard
from barnabas.http.guarded import Guarded
from barnabas.http.listener import (
    CONNECTIONS_MAX,
    HEAD_BYTES_MAX,
    HEAD_TIMEOUT_S,
    Listener,
    listen,
)

if TYPE_CHECKING:
    import socket  # noqa: TID251  (a socket that the caller has bound)


async def start(
    app: App,
    guard: Guard,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    sock: socket.socket | None = None,
    others: bool = False,
    connections_max: int = CONNECTIONS_MAX,
) -> Listener:
    """Serve on ``sock``, or on ``host`` and ``port`` (0: a free one). An address that other
    machines can reach is refused unless ``others``. Raises OSError, ConfigError."""
    guarded = Guarded(app, guard)
    config = uvicorn.Config(
        cast("Any", guarded),
        http=H11Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        h11_max_incomplete_event_size=HEAD_BYTES_MAX,
        timeout_keep_alive=int(HEAD_TIMEOUT_S),
    )
    config.load()
    state = ServerState()
    return await listen(
        guarded,
        lambda: _Connection(config, state),
        cast("set[_Connection]", state.connections),
        host=host,
        port=port,
        sock=sock,
        others=others,
        connections_max=connections_max,
    )


class _Connection(H11Protocol):
    """Closes if a head takes too long. Logs no URL, since that may contain a token."""

    def __init__(self, config: uvicorn.Config, state: ServerState) -> None:
        super().__init__(config, state, {}, asyncio.get_running_loop())
        self.access_log = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._forget_deadline()

    def _watch_head(self) -> None:
        between = self.cycle is None or self.cycle.response_complete
        if not between:
            self._forget_deadline()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_TIMEOUT_S, self.abort)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def abort(self) -> None:
        self.transport.abort()
