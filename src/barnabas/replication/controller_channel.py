"""NodeToControllerChannelManager: a broker's own connection to the controller.

It stays with the controller used last until that one says NOT_CONTROLLER or cannot be reached, then
asks anew who the controller is (reference 4.6). One request at a time per call; calls may overlap.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from barnabas.errors import ErrorCode
from barnabas.protocol.message import RequestMessage
from barnabas.protocol.messages.allocate_producer_ids import AllocateProducerIdsResponse
from barnabas.protocol.messages.alter_partition import AlterPartitionResponse
from barnabas.protocol.messages.controlled_shutdown import ControlledShutdownResponse
from barnabas.security import client
from barnabas.security.client import ClientSecurity
from barnabas.types import Endpoint

A = TypeVar("A", AlterPartitionResponse, AllocateProducerIdsResponse, ControlledShutdownResponse)


class Connection(Protocol):
    """A broker-to-broker connection (``protocol.connection.KafkaConnection``)."""

    async def send(self, api_key: int, version: int, message: RequestMessage[A]) -> A:
        """The decoded answer. Raises ConnectionError when the connection is lost."""
        ...

    def close(self) -> None: ...


Connect = Callable[[Endpoint], Awaitable[Connection]]


def channel_connector(client_id: str, timeout_ms: int, security: ClientSecurity) -> Connect:
    """Connects over the network."""

    async def connect(endpoint: Endpoint) -> Connection:
        return await client.connect(
            endpoint.host,
            endpoint.port,
            client_id=client_id,
            timeout_ms=timeout_ms,
            security=security,
        )

    return connect


class ControllerUnavailable(ConnectionError):
    """No controller is known."""


class ControllerChannel:
    """Requests to the present controller."""

    def __init__(
        self, resolve: Callable[[], Endpoint | None], connect: Connect, timeout_ms: int
    ) -> None:
        self._resolve = resolve
        self._connect = connect
        self._timeout_ms = timeout_ms
        self._connection: Connection | None = None
        self._lock = asyncio.Lock()

    async def send(self, api_key: int, version: int, message: RequestMessage[A]) -> A:
        """The controller's decoded answer. After NOT_CONTROLLER the request goes to the next
        controller once. Raises ConnectionError, also if there is no controller or time is up.
        """
        answer = await self._send_once(api_key, version, message)
        if answer.error_code == ErrorCode.NOT_CONTROLLER:
            answer = await self._send_once(api_key, version, message)
        return answer

    def close(self) -> None:
        """Drop the connection; the next request resolves the controller again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    async def _send_once(self, api_key: int, version: int, message: RequestMessage[A]) -> A:
        connection: Connection | None = None
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                connection = await self._connected()
                answer = await connection.send(api_key, version, message)
        except TimeoutError as error:
            self._drop(connection)
            raise ConnectionError("the controller does not answer") from error
        except OSError:
            self._drop(connection)
            raise
        if answer.error_code == ErrorCode.NOT_CONTROLLER:
            self._drop(connection)
        return answer

    def _drop(self, connection: Connection | None) -> None:
        """Stop using a connection, unless another request has replaced it already."""
        if connection is not None:
            connection.close()
            if self._connection is connection:
                self._connection = None

    async def _connected(self) -> Connection:
        async with self._lock:
            if self._connection is None:
                endpoint = self._resolve()
                if endpoint is None:
                    raise ControllerUnavailable("no controller is known")
                self._connection = await self._connect(endpoint)
            return self._connection
