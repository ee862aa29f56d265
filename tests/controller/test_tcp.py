"""The controller with its real parts: our ZooKeeper client and server, TCP, the Kafka codec."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.controller.kit import Recorder
from tests.defaults import controller_settings
from tests.virtual_time import run
from tests.zookeeper.server.kit import coordinator, environment

from barnabas.controller.controller import Controller
from barnabas.protocol import codec
from barnabas.protocol.header import parse_request_header
from barnabas.protocol.message import Message
from barnabas.types import Broker, Endpoint
from barnabas.zk import paths
from barnabas.zk.znodes import (
    TopicZNode,
    decode_partition_state,
    encode_broker,
    encode_topic,
)
from barnabas.zookeeper.client.client import ZooKeeperClient


class Port(asyncio.Protocol):
    """A broker's port that says yes to everything the controller sends."""

    def __init__(self, heard: list[tuple[int, Any]]) -> None:
        self.heard = heard
        self.waiting = b""
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while len(self.waiting) >= 4:
            end = 4 + int.from_bytes(self.waiting[:4], "big")
            if len(self.waiting) < end:
                return
            frame, self.waiting = self.waiting[:end], self.waiting[end:]
            header, offset = parse_request_header(frame, 4)
            message = codec.decode_request(header.api_key, header.api_version, frame, offset)
            self.heard.append((header.api_key, message))
            answer = Message(error_code=0, topics=[], partition_errors=[])
            self.transport.write(
                codec.encode_response(
                    header.api_key, header.api_version, header.correlation_id, answer
                )
            )


class Peer:
    """A broker as the controller sees it."""

    def __init__(self, broker_id: int) -> None:
        self.id = broker_id
        self.heard: list[tuple[int, Any]] = []
        self.ports: list[Port] = []
        self.number = 0

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(self._accept, "127.0.0.1", self.number)
        self.number = self.server.sockets[0].getsockname()[1]

    def _accept(self) -> Port:
        port = Port(self.heard)
        self.ports.append(port)
        return port

    def die(self) -> None:
        self.server.close()
        for port in self.ports:
            if port.transport is not None:
                port.transport.abort()

    async def register(self, client: ZooKeeperClient) -> None:
        endpoint = Endpoint("PLAINTEXT", "PLAINTEXT", "127.0.0.1", self.number)
        body = encode_broker(Broker(id=self.id, epoch=0, endpoints=(endpoint,)), 0)
        await client.create(paths.broker_id_path(self.id), body, ephemeral=True)


async def _until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # several parties, one question
            await asyncio.sleep(0.01)


def test_creation_refused_connections_and_return() -> None:
    async def main() -> None:
        recorder = Recorder()
        env = replace(environment(), observer=recorder, random=random.Random(1))
        async with coordinator() as server:
            clients = [ZooKeeperClient(env, f"127.0.0.1:{server.port}", 6000) for _ in range(2)]
            for client in clients:
                await client.connect()
            for path in paths.TOP_LEVEL_PATHS:
                await clients[0].ensure_path(path)
            peers = [Peer(1), Peer(2)]
            for peer, client in zip(peers, clients, strict=True):
                await peer.listen()
                await peer.register(client)
            controller = Controller(env, 1, clients[0], controller_settings(silence_ms=0))
            clients[0].on_event = controller.on_zookeeper_event
            task = asyncio.get_running_loop().create_task(controller.run())
            znode = TopicZNode(partitions={0: (2, 1)}, topic_id=uuid.UUID(int=1 << 64))
            await clients[1].create(paths.topic_path("t"), encode_topic(znode))
            await _until(lambda: any(api == 4 for api, _ in peers[1].heard))
            assert (await _state(clients[1])).isr == (2, 1)

            peers[1].die()  # its session lives on
            await _until(lambda: ("broker_down", 2) in _brokers(recorder))
            await _until(lambda: peers[0].heard[-1][1].topic_states)
            state = await _state(clients[1])
            assert (state.leader, state.isr, state.leader_epoch) == (1, (1,), 1)

            peers[1].heard.clear()
            await peers[1].listen()
            await _until(lambda: _brokers(recorder)[-1] == ("broker_up", 2))
            await _until(lambda: any(api == 4 for api, _ in peers[1].heard))
            task.cancel()
            await asyncio.wait([task])
            for peer in peers:
                peer.die()
            for client in clients:
                await client.close()

    run(main())


def _brokers(recorder: Recorder) -> list[tuple[str, Any]]:
    return [(e, f["broker"]) for e, f in recorder.notes if e in ("broker_up", "broker_down")]


async def _state(client: ZooKeeperClient) -> Any:
    path = paths.partition_state_path("t", 0)
    data, stat = await client.get(path)
    return decode_partition_state(path, data, stat.version)
