"""How many bytes of each partition brokers have."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from barnabas.client.cluster import ClusterClient
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.describe_log_dirs import DescribeLogDirsRequest
from barnabas.types import TopicPartition

VERSION: Final = 4

Sizes = Mapping[int, Mapping[TopicPartition, int]]
"""Broker, partition, bytes."""


async def replica_sizes(
    client: ClusterClient, brokers: Iterable[int], partitions: Collection[TopicPartition] | None
) -> Sizes:
    """The sizes of these partitions' replicas (None: of all) on some brokers. A broker that cannot
    be asked is left out. Copies for moves between directories do not count."""
    topics: dict[str, list[int]] = {}
    for tp in partitions or ():
        topics.setdefault(tp.topic, []).append(tp.partition)
    asked = [
        DescribeLogDirsRequest.DescribableLogDirTopic(topic=topic, partitions=numbers)
        for topic, numbers in topics.items()
    ]
    request = DescribeLogDirsRequest(topics=None if partitions is None else asked)

    async def of(broker: int) -> tuple[int, Mapping[TopicPartition, int] | None]:
        try:
            answer = await client.broker(broker, ApiKey.DESCRIBE_LOG_DIRS, VERSION, request)
        except OSError:
            return broker, None
        return broker, {
            TopicPartition(topic.name, int(p.partition_index)): int(p.partition_size)
            for result in answer.results
            for topic in result.topics
            for p in topic.partitions
            if not p.is_future_key
        }

    found = await asyncio.gather(*map(of, brokers))
    return {broker: sizes for broker, sizes in found if sizes is not None}
