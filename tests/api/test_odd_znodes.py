"""Znodes that another tool wrote, or nobody meant: left alone, and the others are served."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.api import kit
from tests.api.kit import Client

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.zookeeper.client.client import ZooKeeperClient

GOOD = b'{"partitions":{"0":[1]},"version":1}'
ODD_TOPICS = {
    "a b": GOOD,
    "x" * 250: GOOD,
    "\u00e4": GOOD,
    "empty": b"",
    "no-json": b"\xff{",
    "list": b"[]",
    "no-partitions": b'{"version":1}',
    "text": b'{"partitions":{"a":[1]},"version":1}',
    "endless": b'{"partitions":{"99999999999999999999":[1]},"version":1}',
    "bad-id": b'{"partitions":{"0":[1]},"topic_id":"?","version":3}',
}
HALF_ODD = (
    b'{"partitions":{"0":[1],"-1":[1],"2147483648":[1],"1":[],"2":[-1],"3":[4294967296]},'
    b'"version":1}'
)


async def _write(zookeeper: ZooKeeperClient, path: str, data: bytes) -> None:
    try:
        await zookeeper.create(path, data, make_parents=True)
    except Exception:
        await zookeeper.set(path, data)


async def _partitions(client: Client, name: str) -> list[int]:
    view = await client.ask(ApiKey.METADATA, 9, Message(topics=None))
    return [p.partition_index for t in view.topics if t.name == name for p in t.partitions]


async def _until_served(client: Client, name: str) -> Any:
    while True:
        try:
            result = await client.produce(name, b"v")
            if result.error_code == ErrorCode.NONE:
                return result
        except OSError:
            pass  # it is starting
        await asyncio.sleep(0.1)


def test_odd_topics_are_left_alone_and_others_served() -> None:
    async def scenario(client: Client) -> None:
        zookeeper = await kit.zookeeper(client.env)
        for name, body in ODD_TOPICS.items():
            await _write(zookeeper, f"/brokers/topics/{name}", body)
        await _write(zookeeper, "/brokers/topics/half", HALF_ODD)
        assert (await client.create("good")).error_code == ErrorCode.NONE
        await _until_served(client, "good")
        await _until_served(client, "half")
        assert await _partitions(client, "half") == [0]
        for name in ODD_TOPICS:
            assert await _partitions(client, name) == []
        # ... and by the next controller, which reads everything anew.
        await zookeeper.delete("/controller")
        assert (await client.create("later")).error_code in (
            ErrorCode.NONE,
            ErrorCode.NOT_CONTROLLER,
            ErrorCode.REQUEST_TIMED_OUT,
        )
        await _until_served(client, "good")

    kit.run(scenario)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/admin/preferred_replica_election", b"\0garbage"),
        ("/admin/preferred_replica_election", b'{"partitions":[{"topic":"../x","partition":-1}]}'),
        ("/admin/reassign_partitions", b"[1]"),
        (
            "/admin/reassign_partitions",
            b'{"partitions":[{"topic":"a/b","partition":-1,"replicas":[-1,99999999999]}]}',
        ),
        ("/controller", b"garbage"),
        ("/admin/delete_topics/a b", b""),
        ("/config/changes/config_change_x", b"garbage"),
        ("/config/changes/config_change_0000000000", b"garbage"),
        ("/config/changes/config_change_0000000099", b'{"version":2,"entity_path":"topics/../x"}'),
        ("/config/topics/good", b"garbage"),
        ("/config/brokers/1", b"garbage"),
        ("/config/topics/a b", b'{"version":1,"config":{"x":"y"}}'),
        ("/brokers/ids/007", b"garbage"),
        ("/brokers/ids/\u00b2", b"garbage"),
        ("/brokers/ids/9", b'{"endpoints":["A://h:1"],"version":5}'),
        (
            "/brokers/ids/9",
            b'{"listener_security_protocol_map":{"A":"NONE"},"endpoints":["A://h:1"],"version":5}',
        ),
        ("/isr_change_notification/isr_change_0000000001", b"garbage"),
        ("/log_dir_event_notification/log_dir_event_0000000001", b'{"broker":-9,"event":7}'),
    ],
)
def test_an_odd_node_ends_nothing(path: str, body: bytes) -> None:
    async def scenario(client: Client) -> None:
        assert (await client.create("good")).error_code == ErrorCode.NONE
        await _until_served(client, "good")
        zookeeper = await kit.zookeeper(client.env)
        await _write(zookeeper, path, body)
        await _write(
            zookeeper,
            "/config/changes/config_change_0000000100",
            b'{"version":2,"entity_path":"topics/good"}',
        )
        await asyncio.sleep(2)
        await _until_served(client, "good")
        # A broker that starts now, and becomes the controller, meets it as well.
        process = client.simulation.host("b1").processes["b1"]
        process.restart()
        await _until_served(client, "good")
        assert (await client.create("another")).error_code == ErrorCode.NONE

    kit.run(scenario)


def test_names_that_are_not_legal_reach_no_znode() -> None:
    async def scenario(client: Client) -> None:
        assert (await client.create("t")).error_code == ErrorCode.NONE
        await _until_served(client, "t")
        for name in ("", "nul\0l", "a/b", "t/partitions", "..", "x" * 300):
            topic = Message(name=name, count=3, assignments=None)
            message = Message(topics=(topic,), timeout=1000, validate_only=False)
            answer = await client.ask(ApiKey.CREATE_PARTITIONS, 3, message)
            assert answer.results[0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            gone = Message(topic_names=(name,), timeout=1000)
            answer = await client.ask(ApiKey.DELETE_TOPICS, 5, gone)
            assert answer.responses[0].error_code != ErrorCode.NONE

    kit.run(scenario)
