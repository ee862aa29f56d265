"""Follows the event streams of brokers that have an HTTP listener."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, cast
from urllib.parse import urlsplit

import h11
import msgspec

from barnabas import addresses
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


class _Stream(asyncio.Protocol):
    """One connection: a request, and an answer that does not end."""

    def __init__(
        self, host: str, token: str | None, after: int, heard: Callable[[Event], None]
    ) -> None:
        self._http = h11.Connection(h11.CLIENT)
        headers = [("Host", host), ("Accept", "text/event-stream")]
        if token is not None:
            headers.append(("Authorization", f"Bearer {token}"))
        self._request = h11.Request(
            method="GET", target=f"/events?follow&after={after}", headers=headers
        )
        self._heard = heard
        self._rest = b""
        self._transport: asyncio.Transport | None = None
        self.trouble: str | None = None
        """Why nothing can be read of what the broker answers."""
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        for event in (self._request, h11.EndOfMessage()):
            self._transport.write(self._http.send(event) or b"")

    def data_received(self, data: bytes) -> None:
        try:
            self._http.receive_data(data)
            while (event := self._http.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                if isinstance(event, h11.Response) and event.status_code != 200:
                    self.trouble = _REFUSED.get(event.status_code, f"status {event.status_code}")
                    self.close()
                    return
                if isinstance(event, h11.Data):
                    self._lines(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                    self.close()
                    return
        except (h11.RemoteProtocolError, msgspec.MsgspecError, ValueError) as error:
            self.trouble = visible(error)
            self.close()

    def _lines(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_BYTES_MAX:
            raise ValueError("a line without an end")
        for line in lines:
            if line.startswith(b"data: "):
                self._heard(from_json(line.removeprefix(b"data: ").strip()))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
        if not self.closed.done():
            self.closed.set_result(None)
