"""The controller's connections over the network."""

from __future__ import annotations

from barnabas.controller.channels import Connect, ControlConnection
from barnabas.security import client
from barnabas.security.client import PLAINTEXT, ClientSecurity


def connect_over_tcp(timeout_ms: int, security: ClientSecurity = PLAINTEXT) -> Connect:
    """The network that a controller uses outside of tests."""

    async def connect(host: str, port: int, client_id: str) -> ControlConnection:
        return await client.connect(
            host, port, client_id=client_id, timeout_ms=timeout_ms, security=security
        )

    return connect
