"""Where a console listens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from barnabas.http.answers import App
from barnabas.http.guard import Guard
from barnabas.http.listener import Listener
from barnabas.http.uvicorn_server import start

if TYPE_CHECKING:
    import socket  # noqa: TID251  (a socket that the caller has bound)

DEFAULT_PORT: Final = 9021


async def listen(
    app: App,
    guard: Guard,
    *,
    host: str,
    port: int | None,
    others: bool,
    sock: socket.socket | None = None,
) -> Listener:
    """``port`` None: the default port, or a free one if that is taken. ``others``: whether it may
    listen beyond this machine. Raises OSError; ConfigError for a bad address."""
    if port is None:
        try:
            return await start(app, guard, host=host, port=DEFAULT_PORT, sock=sock, others=others)
        except OSError:
            port = 0
    return await start(app, guard, host=host, port=port, sock=sock, others=others)
