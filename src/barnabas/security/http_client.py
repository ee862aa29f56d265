"""Sends one HTTP request on the loop. Time and size are bounded; no redirects, no proxy."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import h11

BYTES_MAX: Final = 1024 * 1024
"""The largest body of an answer, unless the caller says otherwise."""
HEAD_BYTES_MAX: Final = 32 * 1024
_FINE: Final = (200, 201)
_PASSING: Final = (408, 425, 429)
"""Statuses after which another attempt may succeed; 5xx are such too."""


class FetchFailed(OSError):
    """There was no answer, or it was a refusal. ``may_pass``: another attempt may succeed."""

    def __init__(self, why: str, *, may_pass: bool = True) -> None:
        super().__init__(why)
        self.may_pass = may_pass


async def fetch(
    url: str,
    *,
    tls: ssl.SSLContext | None,
    connect_timeout_s: float,
    read_timeout_s: float,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    bytes_max: int = BYTES_MAX,
) -> bytes:
    """The body of the answer to a GET, or to a POST of ``body``. ``tls``: the context for https;
    ``bytes_max``: of the answer. Raises FetchFailed, which contains nothing of the answer."""
    parts = urlsplit(url)
    host, is_secure = parts.hostname or "", parts.scheme == "https"
    loop = asyncio.get_running_loop()
    port = parts.port or (443 if is_secure else 80)
    try:
        async with asyncio.timeout(connect_timeout_s):
            transport, exchange = await loop.create_connection(
                lambda: _Exchange(loop, bytes_max),
                host,
                port,
                ssl=tls if is_secure else None,
                server_hostname=host if is_secure else None,
            )
    except TimeoutError:
        raise FetchFailed(f"{host}:{port} does not answer") from None
    except OSError as error:
        raise FetchFailed(f"{host}:{port}: {error}") from error
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = {"Host": parts.netloc.rpartition("@")[2], "Accept": "application/json"}
    request |= {"Connection": "close", **(headers or {})}
    if body is not None:
        request["Content-Length"] = str(len(body))
    try:
        transport.write(
            exchange.request("GET" if body is None else "POST", target, request, body or b"")
        )
        async with asyncio.timeout(read_timeout_s):
            return await exchange.answer
    except TimeoutError:
        raise FetchFailed(f"{host}:{port}: no answer in {read_timeout_s:.0f} s") from None
    except h11.LocalProtocolError:
        raise FetchFailed(
            f"{host}:{port}: its address cannot be asked for", may_pass=False
        ) from None
    finally:
        transport.abort()


class _Exchange(asyncio.Protocol):
    def __init__(self, loop: asyncio.AbstractEventLoop, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES_MAX)
        self._body = bytearray()
        self.answer: asyncio.Future[bytes] = loop.create_future()

    def request(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """The bytes of a request."""
        request = h11.Request(method=method, target=target, headers=list(headers.items()))
        pieces = [self._http.send(request)]
        if body:
            pieces.append(self._http.send(h11.Data(data=body)))
        pieces.append(self._http.send(h11.EndOfMessage()))
        return b"".join(piece or b"" for piece in pieces)

    def data_received(self, data: bytes) -> None:
        self._take(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._take(b"")
        self._end(FetchFailed("the connection was closed before the answer's end"))

    def _take(self, data: bytes) -> None:
        if self.answer.done():
            return
        try:
            self._http.receive_data(data)
            while not self.answer.done():
                event = self._http.next_event()
                if event in (h11.NEED_DATA, h11.PAUSED):
                    break
                self._heard(event)
        except h11.RemoteProtocolError:
            self._end(FetchFailed("the answer is not HTTP"))
        except FetchFailed as error:
            self._end(error)

    def _heard(self, event: object) -> None:
        if isinstance(event, h11.Response):
            self._check_status(event.status_code)
        elif isinstance(event, h11.Data):
            self._body += event.data
            if len(self._body) > self._bytes_max:
                raise FetchFailed(f"an answer of more than {self._bytes_max} bytes", may_pass=False)
        elif isinstance(event, h11.EndOfMessage):
            self.answer.set_result(bytes(self._body))
        elif isinstance(event, h11.ConnectionClosed):
            raise FetchFailed("the connection was closed before the answer's end")

    def _check_status(self, status: int) -> None:
        if status not in _FINE:
            raise FetchFailed(
                f"it answers with status {status}", may_pass=status >= 500 or status in _PASSING
            )

    def _end(self, error: FetchFailed) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
            self.answer.exception()  # marks the exception as seen, so that asyncio does not log it
