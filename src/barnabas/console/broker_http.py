"""One GET request to the HTTP listener of a broker, whose answer is taken as it comes."""

from __future__ import annotations

import asyncio
from typing import cast

import h11


class BrokerGet(asyncio.Protocol):
    """The request, and what becomes of its answer: subclasses say it."""

    def __init__(self, host: str, target: str, token: str | None, **headers: str) -> None:
        """``host`` as in the URL. ``headers``: others than Host and Authorization."""
        self._http = h11.Connection(h11.CLIENT)
        sent = [("Host", host), *headers.items()]
        if token is not None:
            sent.append(("Authorization", f"Bearer {token}"))
        self._request = h11.Request(method="GET", target=target, headers=sent)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        for event in (self._request, h11.EndOfMessage()):
            self._transport.write(self._http.send(event) or b"")

    def data_received(self, data: bytes) -> None:
        try:
            self._http.receive_data(data)
            while (event := self._http.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                if isinstance(event, h11.Response) and event.status_code != 200:
                    self.refused(event.status_code)
                    return
                if isinstance(event, h11.Data):
                    self.take(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                    self.ended()
                    return
        except (h11.RemoteProtocolError, ValueError) as error:
            self.failed(error)

    def refused(self, status: int) -> None:
        """The answer is not 200."""
        raise NotImplementedError

    def take(self, piece: bytes) -> None:
        """A piece of the answer's body. ValueError if it cannot be what was asked for."""
        raise NotImplementedError

    def ended(self) -> None:
        """The whole answer has come."""
        raise NotImplementedError

    def failed(self, error: Exception) -> None:
        """The answer is not HTTP, or ``take`` raised ValueError."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._transport is not None:
            self._transport.close()
