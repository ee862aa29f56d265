"""A broker's registration: its epoch, lost replies, left-over nodes, rivals."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.places import GOLDEN
from tests.zookeeper.client.puppet_server import PuppetServer
from tests.zookeeper.clients import Client, Notes, connected, make_env

from barnabas.broker.registration import BrokerRegistration
from barnabas.errors import ConfigError
from barnabas.types import Broker, Endpoint
from barnabas.zk import paths
from barnabas.zk import startup as cluster
from barnabas.zk.znodes import decode_broker, encode_broker
from barnabas.zookeeper import jute
from barnabas.zookeeper.client.client import SessionState
from barnabas.zookeeper.errors import SessionExpired
from barnabas.zookeeper.messages import CreateRequest, OpCode

ME = Broker(
    id=1, epoch=-1, endpoints=(Endpoint("PLAINTEXT", "PLAINTEXT", "h", 9092),), unclean_start=True
)
PATH = "/brokers/ids/1"
WIRE = GOLDEN / "zookeeper-wire.jsonl.gz"


class Case:
    """A server, a client, and the registration of broker 1."""

    def __init__(self, server: PuppetServer, client: Client) -> None:
        self.server = server
        self.client = client
        self.env = make_env()
        self.registration = BrokerRegistration(self.env, client)

    def owner(self) -> int:
        return self.server.tree.get(PATH).stat().ephemeralOwner

    async def watching(self) -> None:
        """Return when the registration waits for the node to go."""
        while self.client.watches == 0:
            await self.client.sync()

    def heard(self) -> list[str]:
        assert isinstance(self.env.observer, Notes)
        return self.env.observer.names()


def run(test: Callable[[Case], Awaitable[None]], timeout_ms: int = 6000) -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(20),
            PuppetServer() as server,
            connected(server.connect_string, timeout_ms) as client,
        ):
            await cluster.ensure_top_level_paths(client)
            server.requests.clear()
            await test(Case(server, client))

    asyncio.run(main())


def test_the_request_is_the_originals() -> None:
    """multi[create null, ephemeral; setData version 0], as recorded."""
    sent: list[bytes] = []

    async def test(case: Case) -> None:
        case.server.fault = lambda op, record: (
            sent.append(jute.encode_request(1, op, record)[4:]) if op == OpCode.MULTI else None
        )
        registered = await case.registration.register(ME)
        assert registered == replace(ME, epoch=case.server.zxid)
        assert case.server.requests[-1] == ("MULTI", "CREATE SET_DATA")
        node = case.server.tree.get(PATH)
        assert (node.stat().version, node.stat().czxid) == (1, registered.epoch)
        assert decode_broker(PATH, node.data, registered.epoch) == registered

    run(test)
    with gzip.open(WIRE, "rt") as lines:
        entries = [json.loads(line) for line in lines if '"op": 14' in line]
    first = next(e for e in entries if b"/brokers/ids/1" in bytes.fromhex(e["hex"]))
    _, _, recorded = jute.decode_request(bytes.fromhex(first["hex"]))
    _, _, ours = jute.decode_request(sent[0])
    assert [op for op, _ in ours.ops] == [op for op, _ in recorded.ops]
    assert ours.ops[0] == recorded.ops[0]
    assert ours.ops[1][1]._replace(data=b"") == recorded.ops[1][1]._replace(data=b"")


@pytest.mark.parametrize("fault", ["drop", "apply and drop"])
def test_a_lost_reply_is_found_out(fault: str) -> None:
    async def test(case: Case) -> None:
        faults = [fault]
        case.server.fault = lambda op, record: (
            faults.pop() if op == OpCode.MULTI and faults else None
        )
        registered = await case.registration.register(ME)
        stat = case.server.tree.get(PATH).stat()
        assert (stat.czxid, stat.ephemeralOwner) == (registered.epoch, case.client.session_id)
        assert case.heard() == ["broker_registered"]

    run(test)


def test_a_node_of_our_own_expired_session_is_replaced() -> None:
    async def test(case: Case) -> None:
        first = await case.registration.register(ME)
        old = case.client.session_id
        case.server.tree.ephemerals.pop(old)  # the server's race: the node outlives its session
        case.server.expire(old)
        await case.client.hear(SessionState.EXPIRED)
        await case.client.new_session()
        assert case.owner() == old
        second = await case.registration.register(ME)
        assert second.epoch > first.epoch
        assert case.owner() == case.client.session_id

    run(test)


def test_a_dead_predecessor_is_waited_for_and_mentioned_once() -> None:
    async def test(case: Case) -> None:
        rival = case.server.new_session_id()
        case.server.sessions[rival] = 6000
        case.server.write(OpCode.CREATE, CreateRequest(PATH, encode_broker(ME, 1), flags=1), rival)
        waiting = asyncio.create_task(case.registration.register(ME))
        await case.watching()
        case.server.cut()
        await case.client.hear(SessionState.CONNECTED, 2)
        assert not waiting.done()
        case.server.expire(rival)
        registered = await waiting
        assert case.owner() == case.client.session_id
        assert registered.epoch == case.server.zxid
        assert case.heard() == ["registration_waiting", "broker_registered"]

    run(test)


def test_a_living_rival_is_an_error_that_names_the_setting() -> None:
    async def test(case: Case) -> None:
        rival = case.server.new_session_id()
        case.server.sessions[rival] = 6000
        case.server.write(OpCode.CREATE, CreateRequest(PATH, encode_broker(ME, 1), flags=1), rival)
        with pytest.raises(ConfigError, match=r"broker\.id=1: another running broker"):
            await case.registration.register(ME)
        assert case.owner() == rival

    run(test, timeout_ms=200)


def test_a_pause_beyond_the_deadline_blames_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(case: Case) -> None:
        rival = case.server.new_session_id()
        case.server.sessions[rival] = 6000
        case.server.write(OpCode.CREATE, CreateRequest(PATH, encode_broker(ME, 1), flags=1), rival)

        async def unheard(path: str) -> None:
            """The node goes, and the time is up before anybody hears of it."""
            case.server.expire(rival)
            await asyncio.Event().wait()

        monkeypatch.setattr(case.client, "wait_deleted", unheard)
        await case.registration.register(ME)
        assert case.owner() == case.client.session_id

    run(test, timeout_ms=200)


def test_an_endpoint_of_another_broker_is_refused() -> None:
    async def test(case: Case) -> None:
        other = encode_broker(replace(ME, id=2), 1)
        case.server.write(OpCode.CREATE, CreateRequest("/brokers/ids/2", other))
        with pytest.raises(ConfigError, match=r"advertised\.listeners: broker 2 .* h:9092"):
            await case.registration.register(ME)
        assert PATH not in case.server.tree.nodes

    run(test)


def test_changed_endpoints_keep_the_epoch() -> None:
    async def test(case: Case) -> None:
        registered = await case.registration.register(ME)
        moved = replace(registered, endpoints=(Endpoint("X", "SSL", "g", 1),))
        await case.registration.update(moved)
        assert await cluster.read_brokers(case.client) == {1: moved}

    run(test)


def test_expiry_during_the_wait_ends_it() -> None:
    async def test(case: Case) -> None:
        rival = case.server.new_session_id()
        case.server.sessions[rival] = 6000
        case.server.write(OpCode.CREATE, CreateRequest(PATH, encode_broker(ME, 1), flags=1), rival)
        waiting: asyncio.Task[Any] = asyncio.create_task(case.registration.register(ME))
        await case.watching()
        case.server.expire(case.client.session_id)
        with pytest.raises(SessionExpired):
            await waiting

    run(test)


def test_paths_agree() -> None:
    assert paths.broker_id_path(ME.id) == PATH
