"""Connections to a cluster's brokers, its metadata, and requests to the right one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from barnabas.client.errors import ClientError, Unanswered, Unfinished, Unreachable
from barnabas.client.metadata import ClusterView, cluster_view
from barnabas.client.silence import Address, Silence
from barnabas.errors import ConfigError, ErrorCode
from barnabas.names import number_in
from barnabas.protocol.api import ApiKey
from barnabas.protocol.connection import KafkaConnection, RequestTimedOut
from barnabas.protocol.message import ApiMessage, RequestMessage, ResponseT
from barnabas.protocol.messages.describe_cluster import DescribeClusterRequest
from barnabas.protocol.messages.metadata import MetadataRequest
from barnabas.security import client
from barnabas.security.client import PLAINTEXT, AuthenticationRefused, ClientSecurity
from barnabas.types import TopicPartition

METADATA_VERSION = 11
DESCRIBE_CLUSTER_VERSION = 0
RETRY_PAUSE_S = 0.05
CONNECT_MS = 5000
"""How long one address may take to connect before the next one is tried."""
ANSWER_MS = 60_000
"""How long a controller may work on a request before the client stops waiting."""


def parse_bootstrap(text: str) -> list[tuple[str, int]]:
    """Parse ``host:port[,host:port...]``. Raises ConfigError."""
    addresses: list[tuple[str, int]] = []
    for item in text.split(","):
        host, _, text_of_port = item.strip().rpartition(":")
        port = number_in(text_of_port)
        if not host or port is None or not 0 < port <= 65_535:
            raise ConfigError(f"--bootstrap-server: '{item}' is not host:port")
        addresses.append((host.strip("[]"), port))
    return addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """The addresses to connect to first, and the security of all connections."""

    servers: str
    """``host:port[,host:port...]``"""
    security: ClientSecurity = PLAINTEXT

    def __str__(self) -> str:
        return self.servers


class ClusterClient:
    """A small client for tools and tests: async, one connection a broker, no threads.

    Use it as an async context manager. Methods raise ``Unreachable`` when no broker answers within
    ``timeout_ms``, and ConnectionError when one chosen broker cannot be used just now.
    """

    def __init__(
        self,
        bootstrap: Bootstrap | str,
        client_id: str,
        timeout_ms: int = 10_000,
        on_silence: Callable[[str], None] | None = None,
        rack: str = "",
    ) -> None:
        """``on_silence`` is called with a text for an address that does not answer for some
        seconds. ``rack``: where this client is; it reads from replicas there if its leaders send it
        to them (KIP-392)."""
        self._bootstrap = parse_bootstrap(str(bootstrap))
        self._security = PLAINTEXT if isinstance(bootstrap, str) else bootstrap.security
        self._silence = None if on_silence is None else Silence(on_silence)
        self._client_id = client_id
        self.timeout_ms = timeout_ms
        self.rack = rack
        self.preferred_replicas: dict[TopicPartition, int] = {}
        """Where leaders have sent this client to read."""
        self._connections: dict[Address, KafkaConnection] = {}
        self.view = ClusterView(cluster_id=None, controller_id=-1, brokers={}, topics={})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    async def metadata(
        self, topics: Sequence[str] | None = None, *, auto_create: bool = False
    ) -> ClusterView:
        """Metadata of all topics, or of those named; kept in ``view``."""
        message = MetadataRequest(
            topics=None
            if topics is None
            else [MetadataRequest.Topic(topic_id=None, name=t) for t in topics],
            allow_auto_topic_creation=auto_create,
            include_topic_authorized_operations=False,
        )
        self.view = cluster_view(await self.any_broker(ApiKey.METADATA, METADATA_VERSION, message))
        return self.view

    async def status(self, topics: Sequence[str] | None = None) -> ClusterView:
        """Metadata of all topics, or of those named, with registered brokers only. (Metadata alone
        contains a broker for some seconds after it has gone.)"""
        view = await self.metadata(topics)
        answer = await self.any_broker(
            ApiKey.DESCRIBE_CLUSTER,
            DESCRIBE_CLUSTER_VERSION,
            DescribeClusterRequest(include_cluster_authorized_operations=False),
        )
        alive = {int(b.broker_id) for b in answer.brokers}
        return replace(view, brokers={i: b for i, b in view.brokers.items() if i in alive})

    async def any_broker(
        self, api: ApiKey, version: int, message: RequestMessage[ResponseT]
    ) -> ResponseT:
        """The response of the first broker that answers. Known brokers are asked before the
        bootstrap addresses."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.timeout_ms / 1000
        last: Exception | None = None
        while True:
            known = [(b.host, b.port) for b in self.view.brokers.values()]
            for address in dict.fromkeys([*known, *self._bootstrap]):
                try:
                    return await self.send(address, api, version, message)
                except AuthenticationRefused as error:
                    code = ErrorCode.SASL_AUTHENTICATION_FAILED
                    raise ClientError("login", code, str(error)) from None
                except OSError as error:
                    last = error
            if loop.time() > deadline:
                hosts = ",".join(f"{h}:{p}" for h, p in self._bootstrap)
                raise Unreachable(f"no broker of {hosts} answers ({last})")
            await asyncio.sleep(RETRY_PAUSE_S)

    async def broker(
        self, broker_id: int, api: ApiKey, version: int, message: RequestMessage[ResponseT]
    ) -> ResponseT:
        """The response of one broker. ConnectionError if it is not known or cannot be reached."""
        broker = self.view.brokers.get(broker_id)
        if broker is None:
            raise ConnectionError(f"broker {broker_id} is not in the cluster")
        return await self.send((broker.host, broker.port), api, version, message)

    async def controller(
        self, api: ApiKey, version: int, message: RequestMessage[ResponseT]
    ) -> ResponseT:
        """The response of the controller, which may get the request twice if its connection is
        lost. Raises Unreachable if there is no controller for ``timeout_ms``, and Unfinished if the
        controller does not answer within ``ANSWER_MS``."""
        loop = asyncio.get_running_loop()
        deadline: float | None = None  # counts from the first loss: until then it was working
        while True:
            try:
                return await self.ask_controller(api, version, message)
            except Unanswered as error:
                if error.is_late:
                    raise Unfinished(api.name.lower(), still_working(error.broker)) from None
                if deadline is None:
                    deadline = loop.time() + self.timeout_ms / 1000
                if loop.time() > deadline:
                    raise no_controller() from None
            await asyncio.sleep(RETRY_PAUSE_S)

    async def ask_controller(
        self, api: ApiKey, version: int, message: RequestMessage[ResponseT]
    ) -> ResponseT:
        """The response of the controller, which gets the request at most once. Raises Unreachable
        if there is no controller for ``timeout_ms``, and Unanswered if the request was sent and no
        answer comes."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.timeout_ms / 1000
        while True:
            view = await self.metadata([])
            broker = view.brokers.get(view.controller_id)
            if broker is not None:
                try:
                    connection = await self._connection((broker.host, broker.port))
                    break
                except ConnectionError:
                    pass
            if loop.time() > deadline:
                raise no_controller()
            await asyncio.sleep(RETRY_PAUSE_S)
        try:
            return await connection.send(api, version, message, timeout_ms=ANSWER_MS)
        except OSError as error:
            self._drop((broker.host, broker.port), connection)
            is_late = isinstance(error, RequestTimedOut)
            raise Unanswered(broker.id, error, is_late=is_late) from error

    async def post(self, broker_id: int, api: ApiKey, version: int, message: ApiMessage) -> None:
        """Send a request that is not answered. ConnectionError if it cannot be sent."""
        broker = self.view.brokers.get(broker_id)
        if broker is None:
            raise ConnectionError(f"broker {broker_id} is not in the cluster")
        (await self._connection((broker.host, broker.port))).post(api, version, message)

    async def _connection(self, address: Address) -> KafkaConnection:
        connection = self._connections.get(address)
        if connection is None or not connection.is_open:
            with self._asking(address):
                connection = await client.connect(
                    address[0],
                    address[1],
                    client_id=self._client_id,
                    timeout_ms=min(self.timeout_ms, CONNECT_MS),
                    security=self._security,
                )
            self._connections[address] = connection
        return connection

    async def send(
        self,
        address: Address,
        api: ApiKey,
        version: int,
        message: RequestMessage[ResponseT],
    ) -> ResponseT:
        """Send to one address, over the connection kept for it."""
        connection = await self._connection(address)
        try:
            with self._asking(address):
                return await connection.send(api, version, message, timeout_ms=self.timeout_ms)
        except OSError:
            self._drop(address, connection)
            raise

    def _asking(self, address: Address) -> AbstractContextManager[None]:
        return nullcontext() if self._silence is None else self._silence.asking(address)

    def _drop(self, address: Address, connection: KafkaConnection) -> None:
        connection.close()
        if self._connections.get(address) is connection:
            del self._connections[address]


def no_controller() -> Unreachable:
    """No broker is controller at the moment, or the one that is cannot be reached."""
    return Unreachable("the cluster has no controller that can be reached")


def still_working(broker: int) -> str:
    """The text for a request that the controller does not answer in time."""
    return (
        f"the controller, broker {broker}, has not answered in {ANSWER_MS // 1000} s"
        " and may still be working on it"
    )
