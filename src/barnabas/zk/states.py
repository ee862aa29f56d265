"""Who leads partitions, read by a broker that is not the controller."""

from __future__ import annotations

from collections.abc import Sequence

from barnabas.types import LeaderAndIsr, TopicPartition
from barnabas.zk import paths
from barnabas.zk.znodes import decode_partition_state
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.client.operations import GetOp
from barnabas.zookeeper.errors import MalformedZNode, ZooKeeperError


async def read_states(
    zookeeper: ZooKeeperClient, partitions: Sequence[TopicPartition]
) -> list[LeaderAndIsr | None]:
    """The states of partitions as they are now, in order. None for those that cannot be read,
    without a connection for all of them."""
    wanted = [paths.partition_state_path(tp.topic, tp.partition) for tp in partitions]
    outcomes = await zookeeper.submit_all([GetOp(path) for path in wanted])
    states: list[LeaderAndIsr | None] = []
    for path, outcome in zip(wanted, outcomes, strict=True):
        state = None
        if not isinstance(outcome, ZooKeeperError):
            data, stat = outcome
            try:
                state = decode_partition_state(path, data, stat.version)
            except MalformedZNode:
                pass
        states.append(state)
    return states
