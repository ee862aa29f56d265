"""What a broker reads and writes at its start."""

from __future__ import annotations

import asyncio
import random
import uuid
from typing import Any

import pytest
from tests.zk.test_admin import recorded_requests
from tests.zookeeper.client.puppet_server import PuppetServer
from tests.zookeeper.clients import connected

from barnabas.types import Broker, Endpoint, parse_topic_id, topic_id_text
from barnabas.zk import paths
from barnabas.zk import startup as cluster
from barnabas.zk.znodes import ControllerZNode, encode_broker, encode_controller
from barnabas.zookeeper.messages import CreateRequest, OpCode


@pytest.mark.parametrize("fault", [None, "drop", "apply and drop"])
def test_a_broker_starts_with_the_originals_requests(fault: str | None) -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(20),
            PuppetServer() as server,
            connected(server.connect_string) as client,
        ):
            faults = [] if fault is None else [fault] * 3

            def choose(op: int, record: Any) -> str | None:
                early = len(server.requests) % 4
                return faults.pop() if faults and op == OpCode.CREATE and early == 0 else None

            server.fault = choose
            await cluster.ensure_top_level_paths(client)
            made = await cluster.read_or_create_cluster_id(client, random.Random(1))
            if fault is None:
                recorded = recorded_requests("/consumers", paths.CLUSTER_ID)
                retried = [("CREATE", "/cluster"), ("CREATE", "/cluster/id")]
                assert server.requests == recorded + retried
            assert not faults
            assert set(paths.TOP_LEVEL_PATHS) < set(server.tree.nodes)
            again = await cluster.read_or_create_cluster_id(client, random.Random(2))
            assert again == made
            assert len(made) == 22

    asyncio.run(main())


def test_ids_are_never_reserved_and_never_start_with_a_dash() -> None:
    drawn = [0xF8 << 120, 5 << 100]

    class Chance(random.Random):
        def getrandbits(self, k: int, /) -> int:
            return drawn.pop(0)

    assert cluster.generate_id(Chance()) == uuid.UUID(int=5 << 100, version=4)
    text = topic_id_text(cluster.generate_id(random.Random(3)))
    assert parse_topic_id(text).version == 4


def test_brokers_controller_and_generated_ids() -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(20),
            PuppetServer() as server,
            connected(server.connect_string) as client,
        ):
            assert await cluster.read_brokers(client) == {}
            assert await cluster.read_controller(client) is None
            assert await cluster.generate_broker_id(client) == 1001
            await cluster.ensure_top_level_paths(client)
            assert await cluster.generate_broker_id(client) == 1002
            for broker_id in (10, 9):
                endpoint = Endpoint("P", "PLAINTEXT", "h", broker_id)
                broker = Broker(id=broker_id, epoch=-1, endpoints=(endpoint,))
                body = encode_broker(broker, 1)
                server.write(OpCode.CREATE, CreateRequest(paths.broker_id_path(broker_id), body))
            brokers = await cluster.read_brokers(client)
            assert list(brokers) == [9, 10]
            assert brokers[9].epoch == brokers[10].epoch + 1
            znode = ControllerZNode(broker_id=9, timestamp_ms=5)
            server.write(OpCode.CREATE, CreateRequest(paths.CONTROLLER, encode_controller(znode)))
            found = await cluster.read_controller(client)
            assert found is not None
            assert found[0] == znode

    asyncio.run(main())
