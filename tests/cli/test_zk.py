"""The command zk, and its watches, on an embedded coordinator."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.kit import fails, here

from barnabas.broker.main import system_env
from barnabas.cli.zookeeper_watch import Change, Watcher
from barnabas.testing import Cluster
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.errors import NoNode


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(1, in_process=True) as running:
        running.create_topic("orders", 1)
        yield running


def zk(cluster: Cluster, *arguments: str) -> Any:
    done = here("zk", *arguments, "--zookeeper", cluster.zookeeper, "-o", "json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_children_are_listed(cluster: Cluster) -> None:
    top = {row["path"]: row for row in zk(cluster, "ls")}
    assert {"/controller", "/brokers", "/config"} <= set(top)
    assert top["/controller"]["session"].startswith("0x")
    assert top["/brokers"]["session"] is None
    assert [row["path"] for row in zk(cluster, "ls", "/brokers/ids/")] == ["/brokers/ids/1"]
    every = [row["path"] for row in zk(cluster, "ls", "-R", "/brokers/topics")]
    assert every == [
        "/brokers/topics/orders",
        "/brokers/topics/orders/partitions",
        "/brokers/topics/orders/partitions/0",
        "/brokers/topics/orders/partitions/0/state",
    ]
    table = here("zk", "ls", "/brokers", "-z", cluster.zookeeper).stdout.splitlines()
    assert table[0].split() == ["PATH", "VERSION", "BYTES", "CHILDREN", "SESSION"]


def test_without_an_address_the_brokers_are_asked(cluster: Cluster) -> None:
    done = here("zk", "get", "/controller", "-b", cluster.bootstrap)
    assert json.loads(done.stdout)["brokerid"] == 1


def test_bodies_are_read_and_those_with_credentials_are_hidden(cluster: Cluster) -> None:
    state = zk(cluster, "get", "/brokers/topics/orders/partitions/0/state")
    assert state["body"]["leader"] == 1
    assert state["stat"]["version"] == 0
    user = "/config/users/alice"
    run_on(cluster, lambda client: client.create(user, b'{"secret":1}', make_parents=True))
    run_on(cluster, lambda client: client.create("/raw", b"\xff\x1b[2J"))
    assert "hidden" in zk(cluster, "get", user)["body"]
    assert zk(cluster, "get", user, "--show-secrets")["body"] == {"secret": 1}
    text = here("zk", "get", "/raw", "-s", "-z", cluster.zookeeper).stdout
    assert text.splitlines()[0] == "0xff1b5b324a"
    assert any(line.split() == ["bytes", "5"] for line in text.splitlines())
    empty = here("zk", "get", "/brokers", "-z", cluster.zookeeper)
    assert (empty.returncode, empty.stdout) == (0, "")


def test_what_cannot_be_read_is_one_line(cluster: Cluster, tmp_path: Path) -> None:
    where = ("-z", cluster.zookeeper)
    fails(here("zk", "get", "/none", *where), 1, "no such node", "/none")
    fails(here("zk", "ls", "/none", *where), 1, "no such node")
    fails(here("zk", "get", "/a//b", *where), 1, "zookeeper: ")
    fails(here("zk", "ls", "-z", "127.0.0.1:x"), 1, "zookeeper.connect")
    fails(here("zk", "ls", "-z", "127.0.0.1:1"), 1, "no ZooKeeper at 127.0.0.1:1")
    missing = here("zk", "ls", *where, "--zk-tls-config-file", str(tmp_path / "none"))
    fails(missing, 1, "--zk-tls-config-file: cannot read")


def test_a_chroot_that_is_missing_is_not_made(cluster: Cluster) -> None:
    done = here("zk", "ls", "/", "-z", f"{cluster.zookeeper}/kafka")
    fails(done, 1, "no such node")
    assert "/kafka" not in [row["path"] for row in zk(cluster, "ls")]
    inside = here("zk", "ls", "/ids", "-z", f"{cluster.zookeeper}/brokers", "-o", "json")
    assert [row["path"] for row in json.loads(inside.stdout)] == ["/ids/1"]


def run_on(cluster: Cluster, *steps: Any) -> None:
    """Do something with a client of its own."""

    async def run() -> None:
        client = ZooKeeperClient(system_env(), cluster.zookeeper, 6000)
        await client.connect(timeout_ms=6000)
        for step in steps:
            await step(client)
        await client.close()

    asyncio.run(run())


async def seen(changes: Any, count: int) -> list[tuple[str, str]]:
    found: list[Change] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            found.append(await anext(changes))
    return [(change.kind, change.path) for change in found]


def test_changes_are_seen_also_after_the_session_has_expired(cluster: Cluster) -> None:
    async def run() -> None:
        env = system_env()
        writer = ZooKeeperClient(env, cluster.zookeeper, 6000)
        await writer.connect(timeout_ms=6000)
        await writer.create("/w/a/b", b"1", make_parents=True)
        reader = ZooKeeperClient(env, cluster.zookeeper, 6000)
        await reader.connect(timeout_ms=6000)
        watcher = Watcher(reader, "/w", recursive=True)
        await watcher.begin("/a")
        changes = watcher.changes()
        await writer.set("/w/a/b", b"2")
        assert await seen(changes, 1) == [("changed", "/a/b")]
        await writer.create("/w/a/c/d", b"3", make_parents=True)
        assert await seen(changes, 2) == [("created", "/a/c"), ("created", "/a/c/d")]
        await writer.delete("/w/a/c/d")
        assert await seen(changes, 1) == [("deleted", "/a/c/d")]
        await writer.delete("/w/a/b")
        await writer.create("/w/a/b", b"4")
        kinds = await seen(changes, 2)
        assert kinds == [("deleted", "/a/b"), ("created", "/a/b")]
        await writer.delete("/w/a/c")
        assert await seen(changes, 1) == [("deleted", "/a/c")]
        # A session that has ended: everything is read anew, and what changed meanwhile is seen.
        await expire(reader, cluster)
        await writer.set("/w/a/b", b"5")
        assert await seen(changes, 1) == [("changed", "/a/b")]
        await writer.delete("/w/a/b")
        await writer.delete("/w/a")
        assert await seen(changes, 2) == [("deleted", "/a/b"), ("deleted", "/a")]
        await writer.create("/w/a", b"6")
        assert await seen(changes, 1) == [("created", "/a")]
        await reader.close()
        await writer.close()

    asyncio.run(run())


async def expire(client: ZooKeeperClient, cluster: Cluster) -> None:
    """End a session as another client may that knows its password."""
    twin = ZooKeeperClient(system_env(), cluster.zookeeper, 6000)
    twin._session = client._session
    await twin.connect(timeout_ms=6000)
    await twin.close()


def test_watch_shows_changes_and_stops_after_some(cluster: Cluster) -> None:
    run_on(cluster, lambda client: client.create("/seen", b"1"))
    stop = threading.Event()

    def change() -> None:
        # The watch may not be set yet: change until it has been seen.
        number = 0
        while not stop.is_set():
            number += 1
            run_on(cluster, lambda client, number=number: client.set("/seen", b"%d" % number))

    changing = threading.Thread(target=change)
    changing.start()
    try:
        where = ("-z", cluster.zookeeper)
        done = here("zk", "watch", "/seen", "-c", "2", "-o", "jsonl", *where)
        text = here("zk", "watch", "/seen", "-c", "1", *where)
    finally:
        stop.set()
        changing.join()
    one, two = [json.loads(line) for line in done.stdout.splitlines()]
    assert (one["change"], one["path"]) == ("changed", "/seen")
    assert two["body"] > one["body"]
    assert done.stderr == "watching /seen\n"
    assert text.stdout.split()[1:3] == ["changed", "/seen"]


def test_a_node_that_is_not_there_yet_is_watched(cluster: Cluster) -> None:
    async def run() -> None:
        reader = ZooKeeperClient(system_env(), cluster.zookeeper, 6000)
        await reader.connect(timeout_ms=6000)
        watcher = Watcher(reader, "", recursive=False)
        await watcher.begin("/later")
        with pytest.raises(NoNode):
            await reader.get("/later")
        changes = watcher.changes()
        await reader.create("/later", b"")
        assert await seen(changes, 1) == [("created", "/later")]
        await reader.close()

    asyncio.run(run())
