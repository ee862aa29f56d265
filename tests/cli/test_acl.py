"""The command acl."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.cli.kit import fails, ok
from tests.cluster_kit import Cluster, barnabas

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One broker with an authorizer, whose own connections may do everything."""
    overrides = {
        "authorizer.class.name": "kafka.security.authorizer.AclAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    directory = tmp_path_factory.mktemp("acls")
    with Cluster(directory=directory, brokers=1, overrides=overrides) as running:
        yield running


def test_acls_from_addition_to_deletion(guarded: Cluster) -> None:
    added = ok(guarded, "acl", "add", "alice", "--producer", "--topic", "orders")
    assert added.splitlines() == [
        "added User:alice may Write Topic orders",
        "added User:alice may Describe Topic orders",
        "added User:alice may Create Topic orders",
    ]
    consumer = ("--consumer", "--topic", "or", "--group", "g-", "--prefixed")
    assert ok(guarded, "acl", "add", "bob", *consumer).splitlines() == [
        "added User:bob may Read Topic or...",
        "added User:bob may Describe Topic or...",
        "added User:bob may Read Group g-...",
    ]
    denial = ("-O", "all", "--topic", "*", "--host", "10.0.0.1", "--deny")
    assert ok(guarded, "acl", "add", "User:bob", *denial) == (
        "added User:bob may not All Topic * from 10.0.0.1\n"
    )
    assert "User:bob" in ok(guarded, "acl", "list")
    listed = json.loads(ok(guarded, "acl", "list", "--principal", "bob", "-o", "json"))
    assert listed[0] == {
        "principal": "User:bob",
        "permission": "Deny",
        "operation": "All",
        "resource": "Topic",
        "name": "*",
        "pattern": "Literal",
        "host": "10.0.0.1",
    }
    assert len(listed) == 4

    def check(code: int, *arguments: str) -> str:
        done = guarded.cli("acl", "check", *arguments)
        assert done.returncode == code, done
        return done.stdout.strip()

    read = ("-O", "Read", "--topic", "orders")
    assert check(0, "bob", *read) == "allowed: Read Topic orders: User:bob may Read Topic or..."
    assert check(1, "bob", *read, "--host", "10.0.0.1") == (
        "denied: Read Topic orders: User:bob may not All Topic * from 10.0.0.1"
    )
    assert check(1, "alice", *read) == (
        "denied: Read Topic orders: it has ACLs, but none allows it to User:alice"
    )
    assert "it has no ACL" in check(1, "alice", "-O", "Alter", "--cluster")
    assert ok(guarded, "acl", "delete", "alice", "--topic", "orders", "-O", "Create") == (
        "deleted User:alice may Create Topic orders\n"
    )
    assert len(ok(guarded, "acl", "delete", "bob", "--all").splitlines()) == 4
    assert ok(guarded, "acl", "delete", "bob", "--all") == "nothing to delete: no such ACL\n"
    assert ok(guarded, "acl", "delete", "alice", "--all").count("deleted") == 2


def test_wrong_usage() -> None:
    for arguments, named in [
        (("add", "alice", "-O", "Read"), "name a resource"),
        (("add", "alice", "--topic", "t"), "give --operation"),
        (("add", "alice", "-O", "ClusterAction", "--topic", "t"), "is not an operation on a Topic"),
        (("add", "alice", "-O", "Fly", "--topic", "t"), "'Fly' is not one of"),
        (("delete", "alice"), "give --all"),
        (("check", "alice", "--topic", "t"), "give --operation"),
    ]:
        fails(barnabas("acl", *arguments), 2, named)


def test_brokers_without_an_authorizer_say_so(cluster: Cluster) -> None:
    for arguments in (
        ("add", "alice", "-O", "Read", "--topic", "t"),
        ("list",),
        ("delete", "alice", "--all"),
        ("check", "alice", "-O", "Read", "--topic", "t"),
    ):
        fails(cluster.cli("acl", *arguments), 1, "SECURITY_DISABLED", "No Authorizer")
