"""ConsumerOffset: the positions of very old consumers, below ``/consumers``. OffsetCommit v0 writes
and OffsetFetch v0 reads them. They have nothing to do with the positions that a coordinator keeps.

A position is the offset in ASCII digits. Each function waits while the connection is lost, and
repeats what it did: a position may be written twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from barnabas.errors import ErrorCode, KafkaError
from barnabas.names import is_path_name
from barnabas.types import TopicPartition
from barnabas.zk import paths
from barnabas.zk.startup import persist, read_all
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.client.operations import GetOp, Operation, SetOp
from barnabas.zookeeper.errors import MalformedZNode, NodeExists, NoNode
from barnabas.zookeeper.messages import Stat

INT64_DIGITS_MAX = 20


def check_group(group: str) -> None:
    """Raise INVALID_GROUP_ID for a group whose name cannot be a part of a path."""
    if not is_path_name(group):
        raise KafkaError(ErrorCode.INVALID_GROUP_ID, "The group id cannot be a name in ZooKeeper.")


async def store(
    zookeeper: ZooKeeperClient, group: str, positions: Mapping[TopicPartition, int]
) -> None:
    """Write positions, whatever was there; nodes that are missing are created. The group has been
    checked, and the topics exist."""
    wanted = {paths.consumer_offset_path(group, n): b"%d" % o for n, o in positions.items()}
    ops: list[Operation[Stat]] = [SetOp(path, data) for path, data in wanted.items()]
    for op, outcome in zip(wanted.items(), await read_all(zookeeper, ops), strict=True):
        if isinstance(outcome, NoNode):
            await _create(zookeeper, *op)


async def _create(zookeeper: ZooKeeperClient, path: str, data: bytes) -> None:
    async def attempt() -> None:
        try:
            await zookeeper.create(path, data, make_parents=True)
        except NodeExists:
            await zookeeper.set(path, data)

    while True:
        try:
            return await persist(zookeeper, attempt)
        except NoNode:
            continue  # somebody deletes the group meanwhile


async def fetch(
    zookeeper: ZooKeeperClient, group: str, names: Sequence[TopicPartition]
) -> list[int | MalformedZNode | None]:
    """The positions of a group, None where there is none, and what is wrong with a node that is no
    number."""
    where = [paths.consumer_offset_path(group, name) for name in names]
    ops: list[Operation[tuple[bytes, Stat]]] = [GetOp(path) for path in where]
    return [
        None if isinstance(found, NoNode) else _decode(path, found[0])
        for path, found in zip(where, await read_all(zookeeper, ops), strict=True)
    ]


def _decode(path: str, data: bytes) -> int | MalformedZNode:
    text = data.decode("ascii", "replace")
    sign = text[:1] in ("-", "+")
    if not text[sign:].isdigit() or len(text) > INT64_DIGITS_MAX:
        return MalformedZNode(path, "not an offset")
    offset = int(text)
    return offset if -(2**63) <= offset < 2**63 else MalformedZNode(path, "not an offset")
