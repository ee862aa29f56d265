"""Connections to the brokers of the cluster, this one included, by their ids."""

from __future__ import annotations

from barnabas.metadata_cache import MetadataCache
from barnabas.protocol.connection import KafkaConnection
from barnabas.protocol.message import RequestMessage, ResponseT
from barnabas.security import client
from barnabas.security.client import PLAINTEXT, ClientSecurity
from barnabas.types import Endpoint


class Peers:
    """Opens a connection when it is needed, and again when it was lost or the broker moved.

    No ApiVersions first, as in the original: brokers of a cluster speak the same versions."""

    def __init__(
        self,
        metadata: MetadataCache,
        listener: str,
        client_id: str,
        timeout_ms: int,
        security: ClientSecurity = PLAINTEXT,
    ) -> None:
        self._metadata = metadata
        self._listener = listener
        self._client_id = client_id
        self._timeout_ms = timeout_ms
        self._security = security
        self._connections: dict[int, tuple[Endpoint, KafkaConnection]] = {}

    def knows(self, broker_id: int) -> bool:
        """Whether the broker is alive and can be reached at our listener."""
        return self._metadata.endpoint(broker_id, self._listener) is not None

    async def send(
        self, broker_id: int, api_key: int, version: int, message: RequestMessage[ResponseT]
    ) -> ResponseT:
        """The decoded answer. Raises ConnectionError; the request may have been carried out then.

        At most one request to a broker at a time."""
        connection = await self._connection(broker_id)
        try:
            return await connection.send(api_key, version, message, timeout_ms=self._timeout_ms)
        except OSError:
            self._drop(broker_id)
            raise

    async def _connection(self, broker_id: int) -> KafkaConnection:
        endpoint = self._metadata.endpoint(broker_id, self._listener)
        if endpoint is None:
            raise ConnectionError(f"broker {broker_id} is not there")
        known = self._connections.get(broker_id)
        if known is not None and known[0] == endpoint and known[1].is_open:
            return known[1]
        self._drop(broker_id)
        connection = await client.connect(
            endpoint.host,
            endpoint.port,
            client_id=self._client_id,
            timeout_ms=self._timeout_ms,
            security=self._security,
        )
        self._connections[broker_id] = endpoint, connection
        return connection

    def _drop(self, broker_id: int) -> None:
        known = self._connections.pop(broker_id, None)
        if known is not None:
            known[1].close()

    def close(self) -> None:
        """Close every connection."""
        for broker_id in list(self._connections):
            self._drop(broker_id)
