"""Reads the metrics of a broker from its HTTP listener."""

from __future__ import annotations

import asyncio
from typing import Final, cast
from urllib.parse import urlsplit

import h11

from barnabas import addresses

ANSWER_S: Final = 5.0
BYTES_MAX: Final = 64 << 20
"""A broker of 5,000 partitions answers some MiB."""


class ScrapeError(Exception):
    """A broker does not tell its metrics; one line."""


async def scrape(url: str, token: str | None) -> bytes:
    """``GET /metrics`` of the broker at ``url``, ``http://host:port``. Raises ScrapeError."""
    parts = urlsplit(url)
    answer = _Answer(parts.netloc, token)
    try:
        async with asyncio.timeout(ANSWER_S):
            await addresses.connect(lambda: answer, parts.hostname or "", parts.port or 80)
            return await answer.whole
    except TimeoutError:
        raise ScrapeError(f"{url} does not answer") from None
    except (OSError, h11.RemoteProtocolError) as error:
        raise ScrapeError(f"{url}: {error}") from None
    finally:
        answer.close()


class _Answer(asyncio.Protocol):
    """One request, and its answer as a whole."""

    def __init__(self, host: str, token: str | None) -> None:
        self._http = h11.Connection(h11.CLIENT)
        headers = [("Host", host), ("Connection", "close")]
        if token is not None:
            headers.append(("Authorization", f"Bearer {token}"))
        self._request = h11.Request(method="GET", target="/metrics", headers=headers)
        self._pieces: list[bytes] = []
        self._size = 0
        self._transport: asyncio.Transport | None = None
        self.whole: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        for event in (self._request, h11.EndOfMessage()):
            self._transport.write(self._http.send(event) or b"")

    def data_received(self, data: bytes) -> None:
        try:
            self._http.receive_data(data)
            while (event := self._http.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                if isinstance(event, h11.Response) and event.status_code != 200:
                    self._fail(OSError(f"status {event.status_code}"))
                    return
                if isinstance(event, h11.Data):
                    self._take(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                    self._end()
                    return
        except h11.RemoteProtocolError as error:
            self._fail(error)

    def _take(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > BYTES_MAX:
            self._fail(OSError(f"an answer of more than {BYTES_MAX} bytes"))
        else:
            self._pieces.append(piece)

    def _end(self) -> None:
        if not self.whole.done():
            self.whole.set_result(b"".join(self._pieces))

    def _fail(self, error: Exception) -> None:
        if not self.whole.done():
            self.whole.set_exception(error)
        self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.whole.done():
            self.whole.set_exception(exc or OSError("the connection was closed"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
        if not self.whole.done():
            self.whole.cancel()
        elif not self.whole.cancelled():
            self.whole.exception()  # nobody waits for it any more
