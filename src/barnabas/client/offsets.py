"""Offsets of many partitions at once, each asked of the broker that knows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from barnabas.client.cluster import ClusterClient
from barnabas.client.consumer import LATEST, LIST_OFFSETS_VERSION
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.list_offsets import ListOffsetsRequest
from barnabas.types import (
    CONSUMER_REPLICA_ID,
    DEBUG_CONSUMER_REPLICA_ID,
    NO_EPOCH,
    NO_OFFSET,
    TopicPartition,
)


async def list_offsets(
    client: ClusterClient, partitions: Iterable[TopicPartition], timestamp: int
) -> dict[TopicPartition, int]:
    """The offset of a time, or of EARLIEST or LATEST, in each partition whose leader says it.
    ``client`` must know the partitions' metadata. Raises ConnectionError, Unreachable."""
    by_leader: dict[int, list[TopicPartition]] = {}
    for tp in partitions:
        leader = client.view.leader(tp.topic, tp.partition)
        if leader is not None:
            by_leader.setdefault(leader, []).append(tp)
    found: dict[TopicPartition, int] = {}
    for leader, led in by_leader.items():
        found.update(await _ask(client, leader, led, timestamp, CONSUMER_REPLICA_ID))
    return found


async def log_ends(
    client: ClusterClient, broker: int, partitions: Iterable[TopicPartition]
) -> Mapping[TopicPartition, int]:
    """Where the logs of one broker end, whether it leads or follows: the replica id of a debugging
    consumer asks for the broker's own log, as kafka-replica-verification does. Raises
    ConnectionError."""
    return await _ask(client, broker, partitions, LATEST, DEBUG_CONSUMER_REPLICA_ID)


async def _ask(
    client: ClusterClient,
    broker: int,
    partitions: Iterable[TopicPartition],
    timestamp: int,
    replica_id: int,
) -> dict[TopicPartition, int]:
    topics: dict[str, list[ListOffsetsRequest.Partition]] = {}
    for tp in partitions:
        asked = ListOffsetsRequest.Partition(
            partition_index=tp.partition, current_leader_epoch=NO_EPOCH, timestamp=timestamp
        )
        topics.setdefault(tp.topic, []).append(asked)
    if not topics:
        return {}
    request = ListOffsetsRequest(
        replica_id=replica_id,
        isolation_level=0,
        topics=[ListOffsetsRequest.Topic(name=n, partitions=p) for n, p in topics.items()],
    )
    answer = await client.broker(broker, ApiKey.LIST_OFFSETS, LIST_OFFSETS_VERSION, request)
    return {
        TopicPartition(topic.name, int(p.partition_index)): int(p.offset)
        for topic in answer.topics
        for p in topic.partitions
        if int(p.error_code) == ErrorCode.NONE and int(p.offset) != NO_OFFSET
    }
