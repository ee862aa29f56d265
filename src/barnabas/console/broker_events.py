"""Follows the event streams of brokers that have an HTTP listener."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import msgspec

from barnabas import addresses
from barnabas.console.broker_http import BrokerGet
from barnabas.logs import visible
from barnabas.observe.events import Event, from_json

AGAIN_S: Final = 0.3
"""Until a broker that has gone is asked again."""
LINE_BYTES_MAX: Final = 1 << 20
_REFUSED: Final = {401: "it asks for a token (--token)"}

log = logging.getLogger("barnabas.console")


async def follow(url: str, token: str | None, take: Callable[[Event], None]) -> None:
    """Give ``take`` what the broker at ``url`` has kept and what happens, for ever."""
    after = 0

    def heard(event: Event) -> None:
        nonlocal after
        after = event.sequence
        take(event)

    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    said: str | None = None
    while True:
        stream = _Stream(parts.netloc, token, after, heard)
        try:
            await addresses.connect(lambda stream=stream: stream, host, port)  # type: ignore[misc]
            await stream.closed
        except OSError:
            pass
        finally:
            stream.close()
        if stream.trouble not in (None, said):
            log.warning("no events of the broker at %s: %s", url, stream.trouble)
            said = stream.trouble
        await asyncio.sleep(AGAIN_S)


class _Stream(BrokerGet):
    """The events: an answer that does not end."""

    def __init__(
        self, host: str, token: str | None, after: int, heard: Callable[[Event], None]
    ) -> None:
        super().__init__(host, f"/events?follow&after={after}", token, Accept="text/event-stream")
        self._heard = heard
        self._rest = b""
        self.trouble: str | None = None
        """Why nothing can be read of what the broker answers."""
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def refused(self, status: int) -> None:
        self.trouble = _REFUSED.get(status, f"status {status}")
        self.close()

    def take(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > LINE_BYTES_MAX:
            raise ValueError("a line without an end")
        for line in lines:
            if line.startswith(b"data: "):
                self._heard(_event(line.removeprefix(b"data: ").strip()))

    def ended(self) -> None:
        self.close()

    def failed(self, error: Exception) -> None:
        self.trouble = visible(error)
        self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

    def close(self) -> None:
        super().close()
        if not self.closed.done():
            self.closed.set_result(None)


def _event(text: bytes) -> Event:
    try:
        return from_json(text)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None
