"""ACLs of one cluster with brokers of both kinds: written at one, obeyed at the other.

Nobody authenticates here, so everybody is ``User:ANONYMOUS``: a resource without ACLs is open to
all, and one ACL for somebody else closes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.cluster_kit import Cluster, wait_for
from tests.interop.original import java_broker, output

from barnabas.client.cluster import ClusterClient
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.timeout(400),
    pytest.mark.usefixtures("original"),
]

ACLS = "kafka.admin.AclCommand"
SETTINGS = {
    "authorizer.class.name": "kafka.security.authorizer.AclAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}
TOPIC, LITERAL, PREFIXED, READ, ALLOW, DENY = 2, 3, 4, 3, 3, 2
DENIED = 29


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Broker 1 of ours, and our coordinator."""
    with Cluster(directory=tmp_path / "ours", brokers=1, overrides=SETTINGS) as running:
        yield running


def ask(cluster: Cluster, broker: int, api: ApiKey, version: int, message: Message) -> Any:
    async def run() -> Any:
        async with ClusterClient(cluster.bootstrap, "acls") as client:
            await client.metadata([])
            return await client.broker(broker, api, version, message)

    return asyncio.run(run())


def code(cluster: Cluster, broker: int, topic: str) -> int:
    """What Metadata says of a topic at one broker."""
    wanted = Message(topics=[Message(name=topic)], allow_auto_topic_creation=False)
    answer = ask(cluster, broker, ApiKey.METADATA, 12, wanted)
    return int(answer.topics[0].error_code)


def acl(name: str, pattern: int, principal: str = "User:alice", permission: int = ALLOW) -> Message:
    return Message(
        creations=[
            Message(
                resource_type=TOPIC,
                resource_name=name,
                resource_pattern_type=pattern,
                principal=principal,
                host="*",
                operation=READ,
                permission_type=permission,
            )
        ]
    )


def filter_(name: str | None, pattern: int) -> Message:
    return Message(
        resource_type_filter=TOPIC if name else 1,
        resource_name_filter=name,
        pattern_type_filter=pattern,
        principal_filter=None,
        host_filter=None,
        operation=1,
        permission_type=1,
    )


def described(cluster: Cluster, broker: int) -> list[tuple[Any, ...]]:
    answer = ask(cluster, broker, ApiKey.DESCRIBE_ACLS, 3, filter_(None, 1))
    assert answer.error_code == 0
    return sorted(
        (r.resource_name, r.pattern_type, a.principal, a.host, a.operation, a.permission_type)
        for r in answer.resources
        for a in r.acls
    )


def test_an_acl_written_at_one_is_obeyed_at_the_other(cluster: Cluster, tmp_path: Path) -> None:
    settings: dict[str, Any] = {name.replace(".", "_"): value for name, value in SETTINGS.items()}
    with java_broker(cluster, tmp_path / "java", **settings) as java:
        both = (1, java.broker_id)

        def says(broker: int, expected: int) -> bool:
            return code(cluster, broker, "secret") == expected

        cluster.create_topic("secret", 1, 1)
        wait_for(lambda: all(code(cluster, b, "secret") == 0 for b in both), 30, "it is known")
        for writer, remover in (both, both[::-1]):
            for name, pattern in (("secret", LITERAL), ("sec", PREFIXED), ("*", LITERAL)):
                done = ask(cluster, writer, ApiKey.CREATE_ACLS, 3, acl(name, pattern))
                assert [r.error_code for r in done.results] == [0]
                assert code(cluster, writer, "secret") == DENIED
                for broker in both:
                    wait_for(partial(says, broker, DENIED), 10, "it is obeyed")
                assert described(cluster, 1) == described(cluster, java.broker_id) != []
                filters = Message(filters=[filter_(name, pattern)])
                done = ask(cluster, remover, ApiKey.DELETE_ACLS, 3, filters)
                assert len(done.filter_results[0].matching_acls) == 1
                for broker in both:
                    wait_for(partial(says, broker, 0), 10, "it is gone")
                assert described(cluster, 1) == described(cluster, java.broker_id) == []


def test_the_originals_tool_by_both_of_its_ways(cluster: Cluster) -> None:
    cluster.create_topic("secret", 1, 1)
    servers = ("--bootstrap-server", cluster.bootstrap)
    zookeeper = f"zookeeper.connect=127.0.0.1:{cluster.zookeeper_port}"
    directly = ("--authorizer-properties", zookeeper)
    for there, here in ((servers, directly), (directly, servers)):
        add = ("--add", "--allow-principal", "User:alice", "--operation", "Read")
        output(ACLS, *there, *add, "--topic", "secret")
        wait_for(lambda: code(cluster, 1, "secret") == DENIED, 10, "it is obeyed")
        output(ACLS, *there, *add, "--group", "g-", "--resource-pattern-type", "prefixed")
        for way in (there, here):
            listed = output(ACLS, *way, "--list")
            assert "ResourcePattern(resourceType=TOPIC, name=secret, patternType=LITERAL)" in listed
            assert "ResourcePattern(resourceType=GROUP, name=g-, patternType=PREFIXED)" in listed
            assert "(principal=User:alice, host=*, operation=READ, permissionType=ALLOW)" in listed
        remove = ("--remove", "--force")
        output(ACLS, *here, *remove, "--topic", "secret")
        output(ACLS, *here, *remove, "--group", "g-", "--resource-pattern-type", "prefixed")
        wait_for(lambda: code(cluster, 1, "secret") == 0, 10, "it is gone")
        wait_for(lambda: described(cluster, 1) == [], 10, "both are gone")
