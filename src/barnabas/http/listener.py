"""The listening part of a server, the same for all kinds of connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self, cast

from barnabas.http.guard import check_address
from barnabas.http.guarded import Guarded

if TYPE_CHECKING:
    import socket  # noqa: TID251  (a socket that the caller has bound)

CONNECTIONS_MAX: Final = 64
HEAD_TIMEOUT_S: Final = 10.0
"""Time for the whole head of a request, from the connection's start or the last answer on."""
HEAD_BYTES_MAX: Final = 16 * 1024
STOP_GRACE_S: Final = 1.0
"""Time for requests that are being served when a server stops."""
BACKLOG: Final = 64

_FULL_TEXT: Final = b'{"error": "too many connections"}\n'
_FULL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n"
    b"connection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(_FULL_TEXT), _FULL_TEXT)
)


class Connection(Protocol):
    """One connection of a server."""

    def shutdown(self) -> None:
        """Close it now, or after the present answer if there is one."""
        ...

    def abort(self) -> None: ...


class Listener:
    """A server between its start and its end."""

    def __init__(
        self, app: Guarded, server: asyncio.Server, connections: Collection[Connection]
    ) -> None:
        self._app = app
        self._server = server
        self._connections = connections
        self._address = server.sockets[0].getsockname()

    @property
    def port(self) -> int:
        return int(self._address[1])

    @property
    def url(self) -> str:
        """``http://host:port``."""
        host = str(self._address[0])
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    async def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """Accept no more, end streams, and give the requests being served ``grace_s`` to end. A
        second call does nothing."""
        self._server.close()
        self._app.begin_stop()
        for connection in list(self._connections):
            connection.shutdown()
        await self._app.finish(grace_s)
        for connection in list(self._connections):
            connection.abort()
        await asyncio.sleep(0)  # lets the handlers see it
        await self._app.cut_off()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()


async def listen(
    app: Guarded,
    connection: Callable[[], asyncio.BaseProtocol],
    connections: Collection[Connection],
    *,
    host: str,
    port: int,
    sock: socket.socket | None,
    others: bool,
    connections_max: int,
) -> Listener:
    """Listen on ``sock``, or on ``host`` and ``port``. Raises OSError; ConfigError for an address
    that other machines can reach, unless ``others``."""
    loop = asyncio.get_running_loop()

    def accept() -> asyncio.BaseProtocol:
        return connection() if len(connections) < connections_max else _Full()

    if sock is not None:
        check_address(str(sock.getsockname()[0]), others=others)
        server = await loop.create_server(accept, sock=sock, backlog=BACKLOG)
    else:
        check_address(host, others=others)
        server = await loop.create_server(accept, host, port, backlog=BACKLOG)
    return Listener(app, server, connections)


class _Full(asyncio.Protocol):
    """A connection over the limit: it is answered with 503 and closed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        writer = cast("asyncio.Transport", transport)
        writer.write(_FULL)
        writer.close()
