"""The controller's connections, and how they are made over the network."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from barnabas.protocol.message import RequestMessage, ResponseT
from barnabas.security import client
from barnabas.security.client import PLAINTEXT, ClientSecurity


class ControlConnection(Protocol):
    """A connection to a broker (``protocol.connection.KafkaConnection``)."""

    async def send(
        self, api_key: int, version: int, message: RequestMessage[ResponseT]
    ) -> ResponseT:
        """The decoded response. Raises ConnectionError when the connection is lost."""
        ...

    @property
    def closed(self) -> asyncio.Future[Any]:
        """Done as soon as the connection is gone, whoever closed it. Never fails."""
        ...

    def close(self) -> Any:
        """Close it; harmless when it is closed already."""
        ...


Connect = Callable[[str, int, str], Awaitable[ControlConnection]]
"""``await connect(host, port, client_id)``; raises OSError (ConnectionRefusedError among it)."""


def connect_over_tcp(timeout_ms: int, security: ClientSecurity = PLAINTEXT) -> Connect:
    """The network that a controller uses outside of tests."""

    async def connect(host: str, port: int, client_id: str) -> ControlConnection:
        return await client.connect(
            host, port, client_id=client_id, timeout_ms=timeout_ms, security=security
        )

    return connect
