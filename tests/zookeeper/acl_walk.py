"""Which ACL every node of a tree has."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.zookeeper.clients import connected

from barnabas.zk.acls import CREATOR_ALL_ACL, secure_acls
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.client.operations import Root, absolute
from barnabas.zookeeper.client.security import ZooKeeperSecurity
from barnabas.zookeeper.errors import NoNode
from barnabas.zookeeper.messages import OPEN_ACL_UNSAFE, Acl, OpCode, PathRequest


class GetAclOp(NamedTuple):
    """The ACL of a node."""

    path: str

    def request(self, root: Root) -> tuple[int, Any]:
        return OpCode.GET_ACL, PathRequest(absolute(root.chroot, self.path))

    def result(self, record: Any, chroot: str) -> tuple[Acl, ...]:
        return tuple(record.acl)


async def walk(client: ZooKeeperClient, path: str = "/") -> dict[str, tuple[Acl, ...]]:
    """Of every node from ``path`` on, but ZooKeeper's own."""
    try:
        found = {path: await client.submit(GetAclOp(path))}
        names, _ = await client.children(path)
    except NoNode:  # it went while we looked
        return {}
    for name in names:
        child = f"{path.rstrip('/')}/{name}"
        if child != "/zookeeper":
            found |= await walk(client, child)
    return found


async def acls_at(connect_string: str, security: ZooKeeperSecurity) -> dict[str, tuple[Acl, ...]]:
    """The same of a whole server."""
    async with connected(connect_string, security=security) as client:
        return await walk(client)


def expected(path: str, who: tuple[Acl, ...]) -> tuple[Acl, ...]:
    """What a node should have whose creator is ``who``."""
    if path == "/":
        return OPEN_ACL_UNSAFE
    acls: tuple[Acl, ...] = ()
    for entry in secure_acls(path):
        acls += who if entry == CREATOR_ALL_ACL[0] else (entry,)
    return acls
