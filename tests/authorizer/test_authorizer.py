"""ACLs in ZooKeeper: read, followed, changed; what losses and other writers do to that."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import pytest
from tests.places import GOLDEN
from tests.zookeeper.client.puppet_server import PuppetServer
from tests.zookeeper.clients import Client, connected, make_env

from barnabas.authorizer.acl import (
    AccessControlEntry,
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    PatternType,
    ResourcePattern,
    ResourceType,
)
from barnabas.authorizer.authorizer import AclAuthorizer
from barnabas.authorizer.decision import Policy, Question
from barnabas.authorizer.requests import AT_ONCE_MAX, create, delete
from barnabas.authorizer.znodes import encode_entries
from barnabas.errors import KafkaError
from barnabas.security.principal import KafkaPrincipal
from barnabas.zookeeper.client.client import SessionState
from barnabas.zookeeper.errors import MalformedZNode, NoNode
from barnabas.zookeeper.messages import CreateRequest, DeleteRequest, OpCode, SetDataRequest

ALICE, ADMIN = KafkaPrincipal("User", "alice"), KafkaPrincipal("User", "admin")
FOO = ResourcePattern(ResourceType.TOPIC, "foo")
BAR = ResourcePattern(ResourceType.TOPIC, "bar", PatternType.PREFIXED)
READ = AccessControlEntry("User:alice", "*", AclOperation.READ, AclPermissionType.ALLOW)
WRITE = READ._replace(operation=AclOperation.WRITE)
RECORDED = json.loads((GOLDEN / "security/acl-znodes.json").read_text())
POLICY = Policy(super_users=frozenset({ADMIN}))


def added(*entries: AccessControlEntry) -> Callable[[Any], Any]:
    return lambda found: (*found, *entries)


def without(entry: AccessControlEntry) -> Callable[[Any], Any]:
    return lambda found: tuple(e for e in found if e != entry)


def may_read(authorizer: AclAuthorizer, name: str, who: KafkaPrincipal = ALICE) -> bool:
    question = Question(who, "10.0.0.1", AclOperation.READ, ResourceType.TOPIC, name)
    return authorizer.decide(question).allowed


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  (it has no event of its own)
            await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def running(client: Client) -> AsyncIterator[AclAuthorizer]:
    """One broker's authorizer, following."""
    authorizer = AclAuthorizer(make_env(), client, POLICY)

    def on_session(state: SessionState) -> None:
        if state is SessionState.EXPIRED:
            task = asyncio.ensure_future(client.new_session(20_000))
            task.add_done_callback(lambda _: authorizer.on_new_session())

    client.on_event, client.on_session = authorizer.on_event, on_session
    await authorizer.load()
    task = asyncio.ensure_future(authorizer.run())
    try:
        yield authorizer
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def run(test: Callable[[PuppetServer, Client, AclAuthorizer], Awaitable[None]]) -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(30),
            PuppetServer() as server,
            connected(server.connect_string) as client,
            running(client) as authorizer,
        ):
            await test(server, client, authorizer)

    asyncio.run(main())


def test_a_start_makes_the_nodes_of_the_original() -> None:
    async def test(server: PuppetServer, client: Client, authorizer: AclAuthorizer) -> None:
        assert set(RECORDED["at_start"]) <= set(server.tree.nodes)
        assert all(server.tree.get(path).data is None for path in RECORDED["at_start"])

    run(test)


def test_changes_are_written_and_told_of_as_by_the_original() -> None:
    async def test(server: PuppetServer, client: Client, authorizer: AclAuthorizer) -> None:
        assert await authorizer.update(FOO, added(READ)) == ((), (READ,))
        await authorizer.update(BAR, added(READ))
        for path in ("/kafka-acl/Topic/foo", "/kafka-acl-extended/prefixed/Topic/bar"):
            assert [path, (server.tree.get(path).data or b"").decode()] in RECORDED["bodies"]
        first = server.tree.get("/kafka-acl-changes/acl_changes_0000000000")
        assert first.data == b"TOPIC:foo"
        first = server.tree.get("/kafka-acl-extended-changes/acl_changes_0000000000")
        assert first.data == (
            b'{"version":1,"resourceType":"TOPIC","name":"bar","patternType":"PREFIXED"}'
        )
        # The same once more is written and told of once more.
        assert await authorizer.update(FOO, added(READ)) == ((READ,), (READ,))
        assert server.tree.get("/kafka-acl/Topic/foo").version == 1
        assert "/kafka-acl-changes/acl_changes_0000000001" in server.tree.nodes
        # The last entry takes the node with it.
        assert await authorizer.update(FOO, without(READ)) == ((READ,), ())
        assert "/kafka-acl/Topic/foo" not in server.tree.nodes
        assert await authorizer.update(FOO, without(READ)) == ((), ())
        assert not may_read(authorizer, "foo")
        assert may_read(authorizer, "barbara")

    run(test)


def test_who_writes_sees_it_at_once_and_others_when_they_are_told() -> None:
    async def test(server: PuppetServer, client: Client, authorizer: AclAuthorizer) -> None:
        async with connected(server.connect_string) as second, running(second) as other:
            assert not may_read(other, "foo")
            await authorizer.update(FOO, added(READ))
            assert may_read(authorizer, "foo")
            await until(lambda: may_read(other, "foo"))
            await other.update(FOO, without(READ))
            assert not may_read(other, "foo")
            await until(lambda: not may_read(authorizer, "foo"))
            assert len(server.tree.nodes["/kafka-acl-changes"].children) == 2  # kept for others

    run(test)


def _has(authorizer: AclAuthorizer, entries: Sequence[object]) -> bool:
    return set(authorizer.index.get(FOO)) == set(entries)


def test_two_who_write_at_once_lose_nothing() -> None:
    async def test(server: PuppetServer, client: Client, authorizer: AclAuthorizer) -> None:
        async with connected(server.connect_string) as second, running(second) as other:
            entries = [READ._replace(host=f"10.0.0.{n}") for n in range(20)]
            await asyncio.gather(
                *(
                    (authorizer, other)[n % 2].update(FOO, added(entry))
                    for n, entry in enumerate(entries)
                )
            )
            for each in (authorizer, other):
                await until(partial(_has, each, entries))
            await asyncio.gather(
                *(
                    (authorizer, other)[n % 2].update(FOO, without(entry))
                    for n, entry in enumerate(entries)
                )
            )
            for each in (authorizer, other):
                await until(partial(_has, each, []))
            assert "/kafka-acl/Topic/foo" not in server.tree.nodes

    run(test)


@pytest.mark.parametrize("fault", ["drop", "apply and drop"])
def test_a_lost_connection_loses_no_change(fault: str) -> None:
    async def test(server: PuppetServer, client: Client, authorizer: AclAuthorizer) -> None:
        for change, before, after in (
            (added(READ), (), (READ,)),
            (added(WRITE), (READ,), (READ, WRITE)),
            (without(READ), (READ, WRITE), (WRITE,)),
            (without(WRITE), (WRITE,), ()),
        ):
            left = 1

            def once(op: int, record: Any) -> str | None:
                nonlocal left
                if op == OpCode.MULTI and left:
                    left -= 1
                    return fault
                return None

            server.fault = once
            found, now = await authorizer.update(FOO, change)
            assert not left
            assert set(before) <= set(found)
            assert now == after == authorizer.index.get(FOO)

    run(test)


def test_what_happened_while_a_session_was_gone_is_read_with_the_next() -> None:
    async def test(server: PuppetServer, client: Client, authorizer: AclAuthorizer) -> None:
        await authorizer.update(FOO, added(READ))
        await authorizer.update(BAR, added(READ))
        session = client.session_id
        server.stop_listening()
        server.cut()
        # Without notifications: they may have been deleted by the time the broker is back.
        server.write(OpCode.DELETE, DeleteRequest("/kafka-acl/Topic/foo", -1))
        server.write(OpCode.CREATE, CreateRequest("/kafka-acl/Topic/new", encode_entries([READ])))
        assert may_read(authorizer, "foo")
        server.expire(session)
        await server.listen()
        await until(lambda: may_read(authorizer, "new"))
        assert not may_read(authorizer, "foo")
        assert may_read(authorizer, "bar")

    run(test)


def test_what_cannot_be_read_denies() -> None:
    async def test(server: PuppetServer, client: Client, authorizer: AclAuthorizer) -> None:
        await authorizer.update(FOO, added(READ))
        await authorizer.update(ResourcePattern(ResourceType.TOPIC, "*"), added(READ))
        assert may_read(authorizer, "foo")
        server.write(OpCode.SET_DATA, SetDataRequest("/kafka-acl/Topic/foo", b"?", -1))
        server.write(
            OpCode.CREATE, CreateRequest("/kafka-acl-changes/acl_changes_", b"TOPIC:foo", flags=2)
        )
        await until(lambda: not may_read(authorizer, "foo"))
        assert may_read(authorizer, "foo", ADMIN)
        assert may_read(authorizer, "other")
        with pytest.raises(MalformedZNode):
            await authorizer.update(FOO, added(WRITE))
        again = AclAuthorizer(make_env(), client, POLICY)
        await again.load()
        assert not may_read(again, "foo")

    run(test)


def test_odd_notifications_are_passed_over() -> None:
    async def test(server: PuppetServer, client: Client, authorizer: AclAuthorizer) -> None:
        for body in (b"", b"?", b"TOPIC:a/../../brokers", b"FLY:a"):
            server.write(
                OpCode.CREATE, CreateRequest("/kafka-acl-changes/acl_changes_", body, flags=2)
            )
        server.write(OpCode.CREATE, CreateRequest("/kafka-acl/Topic/foo", encode_entries([READ])))
        server.write(
            OpCode.CREATE, CreateRequest("/kafka-acl-changes/acl_changes_", b"TOPIC:foo", flags=2)
        )
        await until(lambda: may_read(authorizer, "foo"))

    run(test)


def test_a_directory_that_somebody_deleted_is_made_again() -> None:
    async def test(server: PuppetServer, client: Client, authorizer: AclAuthorizer) -> None:
        for path in ("/kafka-acl/Topic", "/kafka-acl-changes"):
            server.write(OpCode.DELETE, DeleteRequest(path, -1))
        await authorizer.update(FOO, added(READ))
        assert (await client.get("/kafka-acl-changes/acl_changes_0000000000"))[0] == b"TOPIC:foo"

    run(test)


def test_more_than_a_node_can_hold_is_refused() -> None:
    async def test(server: PuppetServer, client: Client, authorizer: AclAuthorizer) -> None:
        many = [READ._replace(host="x" * 1000 + str(n)) for n in range(1000)]
        with pytest.raises(KafkaError, match="too many ACLs"):
            await authorizer.update(FOO, added(*many))
        with pytest.raises(NoNode):
            await client.get("/kafka-acl/Topic/foo")
        assert not authorizer.index.get(FOO)

    run(test)


def test_what_a_list_names_often_is_read_once() -> None:
    async def test(server: PuppetServer, client: Client, authorizer: AclAuthorizer) -> None:
        node = CreateRequest("/kafka-acl/Topic/foo", encode_entries([READ]))
        server.write(OpCode.CREATE, node)
        for number in range(300):
            told = CreateRequest(f"/kafka-acl-changes/acl_changes_{number:010d}", b"TOPIC:foo")
            server.write(OpCode.CREATE, told)
        server.requests.clear()
        await until(lambda: len(server.requests) >= 300 and may_read(authorizer, "foo"))
        await asyncio.sleep(0)
        read = [path for _, path in server.requests]
        assert read.count("/kafka-acl/Topic/foo") <= 4  # one for each part of a long list
        assert read.count("/kafka-acl-changes/acl_changes_0000000007") == 1

    run(test)


def test_many_patterns_are_written_side_by_side() -> None:
    async def test(server: PuppetServer, client: Client, authorizer: AclAuthorizer) -> None:
        patterns = [ResourcePattern(ResourceType.TOPIC, f"t{n}") for n in range(100)]
        server.requests.clear()
        errors = await create(authorizer.update, [AclBinding(p, READ) for p in patterns])
        assert errors == [None] * 100
        paths = [path for _, path in server.requests[:AT_ONCE_MAX]]
        assert paths == [f"/kafka-acl/Topic/t{n}" for n in range(AT_ONCE_MAX)]
        assert all(may_read(authorizer, pattern.name) for pattern in patterns)
        changes = server.tree.nodes["/kafka-acl-changes"].children
        assert [server.tree.get(f"/kafka-acl-changes/{c}").data for c in sorted(changes)] == [
            f"TOPIC:{pattern.name}".encode() for pattern in patterns
        ]
        everything = AclBindingFilter(
            resource_type=ResourceType.ANY,
            name=None,
            pattern_type=PatternType.ANY,
            principal=None,
            host=None,
            operation=AclOperation.ANY,
            permission=AclPermissionType.ANY,
        )
        (deleted,) = await delete(authorizer.update, authorizer, [everything])
        assert list(deleted) == [AclBinding(pattern, READ) for pattern in patterns]
        assert set(deleted.values()) == {None}
        assert not any(may_read(authorizer, pattern.name) for pattern in patterns)

    run(test)
