"""Topics and settings in ZooKeeper: what is written, in which order, and what a loss does."""

from __future__ import annotations

import asyncio
import gzip
import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.places import GOLDEN
from tests.zookeeper.client.puppet_server import PuppetServer
from tests.zookeeper.clients import Client, connected

from barnabas.errors import ErrorCode, KafkaError
from barnabas.zk import admin as topics
from barnabas.zk import paths
from barnabas.zk import startup as cluster
from barnabas.zk.znodes import ControllerZNode, TopicZNode, encode_controller, encode_topic
from barnabas.zookeeper import jute
from barnabas.zookeeper.messages import CreateRequest, OpCode, SetDataRequest

WIRE = GOLDEN / "zookeeper-wire.jsonl.gz"
TOPIC_ID = uuid.UUID(int=12)


def run(test: Callable[[PuppetServer, Client], Awaitable[None]], controller: bool = True) -> None:
    """Run a test on a fresh tree with top-level paths and a controller."""

    async def main() -> None:
        async with (
            asyncio.timeout(20),
            PuppetServer() as server,
            connected(server.connect_string) as client,
        ):
            await cluster.ensure_top_level_paths(client)
            if controller:
                body = encode_controller(ControllerZNode(broker_id=1))
                server.write(OpCode.CREATE, CreateRequest(paths.CONTROLLER, body))
            server.requests.clear()
            await test(server, client)

    asyncio.run(main())


def recorded_requests(start: str, until: str) -> list[tuple[str, str]]:
    """What the original asked on one connection, from one path up to another's creation."""
    found: list[tuple[str, str]] = []
    connection = None
    with gzip.open(WIRE, "rt") as lines:
        for line in lines:
            entry = json.loads(line)
            if entry["dir"] != "request" or not isinstance(entry["op"], int):
                continue
            _, op, record = jute.decode_request(bytes.fromhex(entry["hex"]))
            path = getattr(record, "path", None)
            if path == start and connection is None:
                connection = entry["conn"]
            if connection == entry["conn"]:
                parts = getattr(record, "ops", ())
                found.append((OpCode(op).name, path or " ".join(OpCode(p).name for p, _ in parts)))
                if (op, path) == (OpCode.CREATE, until):
                    return found
    raise AssertionError(f"{until} was never created")


@pytest.mark.parametrize("topic", ["compacted", "__consumer_offsets"])
def test_a_topic_is_created_with_the_originals_requests(topic: str) -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        recorded = recorded_requests(f"/admin/delete_topics/{topic}", f"/brokers/topics/{topic}")
        settings = {"min.insync.replicas": "2"}
        await topics.create_topic(client, topic, {0: (2, 1), 1: (1, 3)}, TOPIC_ID, settings)
        assert server.requests == recorded
        znode = TopicZNode(partitions={0: (2, 1), 1: (1, 3)}, topic_id=TOPIC_ID)
        assert server.tree.get(f"/brokers/topics/{topic}").data == encode_topic(znode)
        assert server.tree.get(f"/config/topics/{topic}").data == (
            b'{"version":1,"config":{"min.insync.replicas":"2"}}'
        )

    run(test)


def test_names_with_dots_and_underscores_are_compared_with_all_others() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        await topics.create_topic(client, "a.b", {0: (1,)}, TOPIC_ID, {})
        with pytest.raises(KafkaError, match=r"'a_b' collides with existing topics: a\.b") as error:
            await topics.create_topic(client, "a_b", {0: (1,)}, TOPIC_ID, {})
        assert error.value.code == ErrorCode.INVALID_TOPIC_EXCEPTION
        await topics.create_topic(client, "a.c", {0: (1,)}, TOPIC_ID, {})
        assert await topics.list_topics(client) == ["a.b", "a.c"]

    run(test)


def test_a_topic_that_exists_or_is_being_deleted_is_not_created() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        await topics.create_topic(client, "t", {0: (1,)}, TOPIC_ID, {})
        for text in ("already exists", "marked for deletion"):
            with pytest.raises(KafkaError, match=text) as error:
                await topics.create_topic(client, "t", {0: (1,)}, TOPIC_ID, {})
            assert error.value.code == ErrorCode.TOPIC_ALREADY_EXISTS
            await topics.mark_for_deletion(client, "t")
        await topics.mark_for_deletion(client, "t")
        with pytest.raises(KafkaError) as error:
            await topics.mark_for_deletion(client, "none")
        assert error.value.code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION

    run(test)


def test_without_a_controller_nothing_is_written() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        for attempt in (
            topics.create_topic(client, "t", {0: (1,)}, TOPIC_ID, {}),
            topics.write_config(client, "topics/t", {}),
        ):
            with pytest.raises(KafkaError) as error:
                await attempt
            assert error.value.code == ErrorCode.NOT_CONTROLLER
        assert "/config/topics/t" not in server.tree.nodes

    run(test, controller=False)


def _at_every_step(test: Callable[[PuppetServer, Client], Awaitable[None]], steps: int) -> None:
    """Run a test once for every write, losing the connection before or after that write."""
    for fault in ("drop", "apply and drop"):
        for step in range(steps):

            async def faulty(server: PuppetServer, client: Client) -> None:
                left = step  # noqa: B023  # run at once
                done = fault  # noqa: B023

                def choose(op: int, record: Any) -> str | None:
                    nonlocal left
                    if op not in (OpCode.CREATE, OpCode.SET_DATA, OpCode.MULTI):
                        return None
                    left -= 1
                    return done if left == -1 else None

                server.fault = choose
                await test(server, client)
                assert left < 0

            run(faulty)


def test_a_topic_is_created_once_wherever_the_connection_is_lost() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        await topics.create_topic(client, "t", {0: (1,)}, TOPIC_ID, {"a": "b"})
        topic = await topics.read_topic(client, "t")
        assert topic is not None
        assert topic.topic_id == TOPIC_ID
        assert await topics.read_config(client, "topics/t") == {"a": "b"}

    _at_every_step(test, 3)


def test_somebody_elses_topic_is_not_taken_for_our_own_after_a_loss() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        def fault(op: int, record: Any) -> str | None:
            if op != OpCode.CREATE or record.path != "/brokers/topics/t":
                return None
            server.fault = lambda op, record: None
            other = encode_topic(TopicZNode(partitions={0: (9,)}, topic_id=uuid.UUID(int=99)))
            server.write(OpCode.CREATE, CreateRequest("/brokers/topics/t", other))
            return "drop"

        server.fault = fault
        with pytest.raises(KafkaError) as error:
            await topics.create_topic(client, "t", {0: (1,)}, TOPIC_ID, {})
        assert error.value.code == ErrorCode.TOPIC_ALREADY_EXISTS

    run(test)


def test_partitions_are_added_once_wherever_the_connection_is_lost() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        before = encode_topic(TopicZNode(partitions={0: (1,)}, topic_id=TOPIC_ID, adding={0: (2,)}))
        server.write(OpCode.CREATE, CreateRequest("/brokers/topics/t", before))
        after = await topics.add_partitions(client, "t", {1: (2,), 2: (1,)})
        assert after.partitions == {0: (1,), 1: (2,), 2: (1,)}
        assert after.adding == {0: (2,)}
        assert await topics.read_topic(client, "t") == after

    _at_every_step(test, 1)


def test_partitions_added_meanwhile_are_kept() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        await topics.create_topic(client, "t", {0: (1,)}, TOPIC_ID, {})
        moved = encode_topic(TopicZNode(partitions={0: (7,)}, topic_id=TOPIC_ID))

        def fault(op: int, record: Any) -> None:
            if op == OpCode.SET_DATA:
                server.fault = lambda op, record: None
                server.write(OpCode.SET_DATA, SetDataRequest("/brokers/topics/t", moved))

        server.fault = fault
        after = await topics.add_partitions(client, "t", {1: (2,)})
        assert after.partitions == {0: (7,), 1: (2,)}
        with pytest.raises(KafkaError) as error:
            await topics.add_partitions(client, "t", {1: (3,)})
        assert error.value.code == ErrorCode.INVALID_PARTITIONS
        with pytest.raises(KafkaError) as error:
            await topics.add_partitions(client, "none", {1: (3,)})
        assert error.value.code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION

    run(test)


def test_settings_are_written_and_told_wherever_the_connection_is_lost() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        await topics.write_config(client, "brokers/1", {"log.cleaner.threads": "2"})
        assert server.tree.get("/config/brokers/1").data == (
            b'{"version":1,"config":{"log.cleaner.threads":"2"}}'
        )
        names, _ = await client.children(paths.CONFIG_CHANGES)
        assert 1 <= len(names) <= 2
        for name in names:
            node = server.tree.get(f"{paths.CONFIG_CHANGES}/{name}")
            assert node.data == b'{"version":2,"entity_path":"brokers/1"}'

    _at_every_step(test, 4)


def test_reading_many_topics_and_settings_across_a_loss() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        names = [f"t{i}" for i in range(20)]
        for name in names[:15]:
            await topics.create_topic(client, name, {0: (1,)}, TOPIC_ID, {"k": name})
        reads = 0

        def fault(op: int, record: Any) -> str | None:
            nonlocal reads
            reads += op == OpCode.GET_DATA
            return "drop" if reads == 5 else None

        server.fault = fault
        found = await topics.read_topics(client, names)
        assert list(found) == names[:15]
        reads = 0
        configs = await topics.read_configs(client, [paths.topic_entity(name) for name in names])
        assert configs == {f"topics/{name}": {"k": name} for name in names[:15]}

    run(test)


def test_a_topic_is_deleted_by_its_id_only_if_it_is_still_that_one() -> None:
    async def test(server: PuppetServer, client: Client) -> None:
        await topics.create_topic(client, "t", {0: (1,)}, TOPIC_ID, {})
        with pytest.raises(KafkaError) as error:
            await topics.mark_for_deletion_by_id(client, "t", uuid.UUID(int=13))
        assert error.value.code == ErrorCode.UNKNOWN_TOPIC_ID
        assert "/admin/delete_topics/t" not in server.tree.nodes
        grown = [True]

        def grow(op: int, record: Any) -> str | None:
            if op == OpCode.MULTI and grown:
                grown.pop()
                body = encode_topic(TopicZNode(partitions={0: (1,), 1: (1,)}, topic_id=TOPIC_ID))
                server.write(OpCode.SET_DATA, SetDataRequest("/brokers/topics/t", body, -1))
            return None

        server.fault = grow
        for _ in range(2):
            await topics.mark_for_deletion_by_id(client, "t", TOPIC_ID)
        assert not grown
        assert "/admin/delete_topics/t" in server.tree.nodes
        with pytest.raises(KafkaError) as error:
            await topics.mark_for_deletion_by_id(client, "none", TOPIC_ID)
        assert error.value.code == ErrorCode.UNKNOWN_TOPIC_ID

    run(test)
