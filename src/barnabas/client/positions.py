"""How far a group has read, and where it could begin again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from barnabas.client.cluster import ClusterClient
from barnabas.client.consumer import EARLIEST, LATEST, list_offset
from barnabas.client.groups import GroupDescription, committed_offsets, owners, topics_of
from barnabas.types import TopicPartition


async def group_positions(
    client: ClusterClient, group: GroupDescription
) -> list[dict[str, object]]:
    """One row for each partition that is read or has a position: topic, partition, committed, end,
    lag, client, member. Raises ClientError, Unreachable."""
    committed = await committed_offsets(client, group.name)
    readers = owners(group.members)
    partitions = sorted(dict.fromkeys([*committed, *readers]))
    ends = await _offsets_of(client, partitions, LATEST)
    rows: list[dict[str, object]] = []
    for partition in partitions:
        position, end = committed.get(partition), ends.get(partition)
        reader = readers.get(partition)
        rows.append(
            {
                "topic": partition.topic,
                "partition": partition.partition,
                "committed": position,
                "end": end,
                "lag": None if position is None or end is None else max(end - position, 0),
                "client": None if reader is None else reader.client_id,
                "member": None if reader is None else reader.id,
            }
        )
    return rows


async def _offsets_of(
    client: ClusterClient, partitions: Sequence[TopicPartition], timestamp: int
) -> dict[TopicPartition, int]:
    """The offset of a time in each partition that still exists."""
    view = await client.metadata(topics_of(partitions))
    found = {}
    for partition in partitions:
        topic = view.topics.get(partition.topic)
        if topic is not None and partition.partition < len(topic.partitions):
            found[partition] = await list_offset(client, partition, timestamp)
    return found


async def reset_targets(
    client: ClusterClient,
    partitions: Sequence[TopicPartition],
    committed: Mapping[TopicPartition, int],
    kind: str,
    value: int,
) -> dict[TopicPartition, int]:
    """New positions, none before the first record or beyond the end. ``kind`` is ``to_earliest``,
    ``to_latest``, ``to_offset``, ``shift_by`` or ``to_time`` (``value`` in ms). Raises ClientError,
    Unreachable."""
    earliest = await _offsets_of(client, partitions, EARLIEST)
    latest = await _offsets_of(client, partitions, LATEST)
    at_time: dict[TopicPartition, int] = {}
    if kind == "to_time":
        at_time = await _offsets_of(client, partitions, value)
    new: dict[TopicPartition, int] = {}
    for partition, start in earliest.items():
        end = latest[partition]
        if kind == "to_earliest":
            target = start
        elif kind == "to_latest":
            target = end
        elif kind == "to_time":
            target = at_time[partition] if at_time[partition] >= 0 else end
        else:
            target = value + (committed.get(partition, start) if kind == "shift_by" else 0)
        new[partition] = min(max(target, start), end)
    return new
