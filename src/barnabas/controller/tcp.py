"""The controller's connections over the network."""

from __future__ import annotations

import asyncio

from barnabas.controller.channels import Connect, ControlConnection
from barnabas.protocol.connection import KafkaConnection


class ChannelConnection(KafkaConnection):
    """A connection that tells when it is gone, also while nothing is asked over it."""

    def __init__(self, client_id: str, *args: int) -> None:
        super().__init__(client_id, *args)
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if not self.closed.done():
            self.closed.set_result(None)


def connect_over_tcp(timeout_ms: int) -> Connect:
    """What a controller is given outside of tests."""

    async def connect(host: str, port: int, client_id: str) -> ControlConnection:
        connection = await ChannelConnection.connect(
            host, port, client_id=client_id, timeout_ms=timeout_ms
        )
        assert isinstance(connection, ChannelConnection)
        return connection

    return connect
