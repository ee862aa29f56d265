"""Reads the metrics of a broker from its HTTP listener."""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import urlsplit

import h11

from barnabas import addresses
from barnabas.console.broker_http import BrokerGet

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


class _Answer(BrokerGet):
    """The metrics as a whole."""

    def __init__(self, host: str, token: str | None) -> None:
        super().__init__(host, "/metrics", token, Connection="close")
        self._pieces: list[bytes] = []
        self._size = 0
        self.whole: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def refused(self, status: int) -> None:
        self.failed(OSError(f"status {status}"))

    def take(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > BYTES_MAX:
            self.failed(OSError(f"an answer of more than {BYTES_MAX} bytes"))
        else:
            self._pieces.append(piece)

    def ended(self) -> None:
        if not self.whole.done():
            self.whole.set_result(b"".join(self._pieces))

    def failed(self, error: Exception) -> None:
        if not self.whole.done():
            self.whole.set_exception(error)
        self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.whole.done():
            self.whole.set_exception(exc or OSError("the connection was closed"))

    def close(self) -> None:
        super().close()
        if not self.whole.done():
            self.whole.cancel()
        elif not self.whole.cancelled():
            self.whole.exception()  # nobody waits for it any more
