"""Which log directories brokers have replicas in, and moves to others (KIP-113)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from barnabas.client.cluster import ClusterClient
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.alter_replica_log_dirs import AlterReplicaLogDirsRequest
from barnabas.protocol.messages.describe_log_dirs import (
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
)
from barnabas.types import TopicPartition

ALTER_VERSION: Final = 2
DESCRIBE_VERSION: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a broker has a replica."""

    directory: str | None = None
    """None: it has none yet."""
    moving_to: str | None = None
    lag: int = 0
    """Records that the copy in ``moving_to`` lacks."""

    def is_at(self, path: str) -> bool:
        """Whether the replica is in this directory, and stays there."""
        return self.directory == path and self.moving_to in (None, path)


async def locations(
    client: ClusterClient, wanted: Mapping[int, Collection[TopicPartition]]
) -> dict[int, dict[TopicPartition, Location]]:
    """Where each broker has these partitions. Raises OSError if one cannot be asked."""
    found = await asyncio.gather(*(_locations(client, b, tps) for b, tps in wanted.items()))
    return dict(zip(wanted, found, strict=True))


async def _locations(
    client: ClusterClient, broker: int, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, Location]:
    topics = [
        DescribeLogDirsRequest.DescribableLogDirTopic(topic=topic, partitions=numbers)
        for topic, numbers in _by_topic(partitions).items()
    ]
    request = DescribeLogDirsRequest(topics=topics)
    answer = await client.broker(broker, ApiKey.DESCRIBE_LOG_DIRS, DESCRIBE_VERSION, request)
    at: dict[TopicPartition, str] = {}
    going: dict[TopicPartition, tuple[str, int]] = {}
    for path, tp, p in _listed(answer):
        if p.is_future_key:
            going[tp] = path, int(p.offset_lag)
        else:
            at[tp] = path
    return {
        tp: Location(
            directory=at.get(tp),
            moving_to=going[tp][0] if tp in going else None,
            lag=going[tp][1] if tp in going else 0,
        )
        for tp in partitions
    }


def _listed(
    answer: DescribeLogDirsResponse,
) -> Iterable[tuple[str, TopicPartition, DescribeLogDirsResponse.Partition]]:
    for result in answer.results:
        for topic in result.topics:
            for p in topic.partitions:
                yield result.log_dir, TopicPartition(topic.name, int(p.partition_index)), p


async def move_replicas(
    client: ClusterClient, broker: int, targets: Mapping[TopicPartition, str]
) -> dict[TopicPartition, int]:
    """Begin to move a broker's replicas to these directories. Returns the error code of each:
    REPLICA_NOT_AVAILABLE for one that the broker does not have yet, and will make there. Raises
    OSError if the broker cannot be asked."""
    directories: dict[str, list[TopicPartition]] = {}
    for tp, path in targets.items():
        directories.setdefault(path, []).append(tp)
    request = AlterReplicaLogDirsRequest(
        dirs=[
            AlterReplicaLogDirsRequest.AlterReplicaLogDir(
                path=path,
                topics=[
                    AlterReplicaLogDirsRequest.AlterReplicaLogDirTopic(
                        name=topic, partitions=numbers
                    )
                    for topic, numbers in _by_topic(partitions).items()
                ],
            )
            for path, partitions in directories.items()
        ]
    )
    answer = await client.broker(broker, ApiKey.ALTER_REPLICA_LOG_DIRS, ALTER_VERSION, request)
    codes = {
        TopicPartition(topic.topic_name, int(p.partition_index)): int(p.error_code)
        for topic in answer.results
        for p in topic.partitions
    }
    return {tp: codes.get(tp, ErrorCode.UNKNOWN_SERVER_ERROR) for tp in targets}


def _by_topic(partitions: Iterable[TopicPartition]) -> dict[str, list[int]]:
    topics: dict[str, list[int]] = {}
    for tp in partitions:
        topics.setdefault(tp.topic, []).append(tp.partition)
    return topics
