"""Requests for the fetch path, and what came of them."""

from __future__ import annotations

from typing import Any

from tests.replication.support import T0, TOPIC_ID, Cluster, settle

from barnabas.errors import ErrorCode
from barnabas.replication.fetch_params import FetchParams
from barnabas.replication.fetch_session import SessionPartition
from barnabas.replication.results import FetchedPartition, FetchResult


def only(result: object) -> FetchedPartition:
    assert isinstance(result, FetchResult), "answered at once"
    assert result.error == ErrorCode.NONE
    assert len(result.partitions) == 1
    return result.partitions[0]


def alone(cluster: Cluster, follower: int) -> None:
    """Take a follower's own fetcher out of the way."""
    cluster.nodes[follower].manager.fetchers.remove(T0)
    cluster.isolate(follower)


def follow(cluster: Cluster, offset: int, *, replica: int = 2, **fields: Any) -> object:
    node_epoch = cluster.nodes[replica].epoch
    values: dict[str, Any] = {
        "broker": 1,
        "replica_id": replica,
        "broker_epoch": node_epoch,
        "epoch": 0,
        **fields,
    }
    return cluster.consume(offset, **values)


async def written(cluster: Cluster, *values: str) -> None:
    for value in values:
        assert (await cluster.produced(value)).error == ErrorCode.NONE
    await settle()


def in_session(
    cluster: Cluster, session_id: int, epoch: int, offsets: dict[int, int], **fields: Any
) -> object:
    entries = [
        SessionPartition(
            topic=None,
            topic_id=TOPIC_ID,
            partition=p,
            fetch_offset=o,
            max_bytes=1 << 20,
            current_leader_epoch=fields.get("leader_epoch", -1),
        )
        for p, o in offsets.items()
    ]
    fields.pop("leader_epoch", None)
    values: dict[str, Any] = {"version": 17, "max_wait_ms": 0, **fields}
    return cluster.nodes[1].manager.fetch(
        FetchParams(session_id=session_id, session_epoch=epoch, partitions=entries, **values)
    )


def listed(result: object) -> list[int]:
    assert isinstance(result, FetchResult)
    return [p.partition for p in result.partitions]
