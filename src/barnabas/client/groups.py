"""Lists, describes and changes consumer groups for a tool: members, partitions and positions."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from barnabas.client.cluster import ClusterClient
from barnabas.client.coordinators import GROUP, ask_all_coordinators, ask_coordinator
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from barnabas.protocol.messages.delete_groups import DeleteGroupsRequest
from barnabas.protocol.messages.describe_groups import DescribeGroupsRequest
from barnabas.protocol.messages.list_groups import ListGroupsRequest
from barnabas.protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitResponse
from barnabas.protocol.messages.offset_fetch import OffsetFetchRequest
from barnabas.types import NO_EPOCH, TopicPartition

LIST_GROUPS_VERSION = 5
DESCRIBE_GROUPS_VERSION = 5
CONSUMER_GROUP_DESCRIBE_VERSION = 0
OFFSET_FETCH_VERSION = 8
OFFSET_COMMIT_VERSION = 8
DELETE_GROUPS_VERSION = 2
NO_GENERATION = -1
CLASSIC, CONSUMER = "classic", "consumer"
DEAD = "Dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupListing:
    """One group as its coordinator lists it."""

    name: str
    state: str
    protocol_type: str
    coordinator: int
    kind: str = CLASSIC
    """The group's protocol: classic, or consumer (KIP-848)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberDescription:
    """One member; ``partitions`` is None if its assignment is not a consumer's."""

    id: str
    instance_id: str | None
    client_id: str
    host: str
    partitions: tuple[TopicPartition, ...] | None
    epoch: int | None = None
    """The member's epoch, in a consumer group (KIP-848) only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDescription:
    """One group; ``protocol`` is the assignor."""

    name: str
    state: str
    protocol_type: str
    protocol: str
    coordinator: int
    members: tuple[MemberDescription, ...]
    kind: str = CLASSIC
    epoch: int | None = None
    target_epoch: int | None = None
    """The epochs of a consumer group (KIP-848): the group's, and that of its target assignment."""


async def list_groups(client: ClusterClient) -> list[GroupListing]:
    """The groups of all registered brokers, by name. Raises ClientError, Unreachable."""
    found: dict[str, GroupListing] = {}
    responses = ask_all_coordinators(
        client,
        ApiKey.LIST_GROUPS,
        LIST_GROUPS_VERSION,
        ListGroupsRequest(states_filter=[], types_filter=[]),
        lambda response: int(response.error_code),
    )
    async for broker, response in responses:
        for group in response.groups:
            found[group.group_id] = GroupListing(
                name=group.group_id,
                state=group.group_state,
                protocol_type=group.protocol_type,
                coordinator=broker,
                kind=group.group_type.lower(),
            )
    return [found[name] for name in sorted(found)]


async def describe_group(client: ClusterClient, group: str) -> GroupDescription:
    """One group; its state is Dead if it does not exist. Raises ClientError, Unreachable."""
    coordinator, response = await ask_coordinator(
        client,
        GROUP,
        group,
        ApiKey.DESCRIBE_GROUPS,
        DESCRIBE_GROUPS_VERSION,
        DescribeGroupsRequest(groups=[group], include_authorized_operations=False),
        lambda response: int(response.groups[0].error_code),
    )
    found = response.groups[0]
    if found.group_state == DEAD:
        consumer_group = await _consumer_group(client, group, coordinator)
        if consumer_group is not None:
            return consumer_group
    return GroupDescription(
        name=group,
        state=found.group_state,
        protocol_type=found.protocol_type,
        protocol=found.protocol_data,
        coordinator=coordinator,
        members=tuple(
            MemberDescription(
                id=m.member_id,
                instance_id=m.group_instance_id,
                client_id=m.client_id,
                host=m.client_host,
                partitions=assigned_partitions(m.member_assignment),
            )
            for m in found.members
        ),
    )


async def _consumer_group(
    client: ClusterClient, group: str, coordinator: int
) -> GroupDescription | None:
    """The group, if it is a consumer group (KIP-848); else None."""
    try:
        response = await client.broker(
            coordinator,
            ApiKey.CONSUMER_GROUP_DESCRIBE,
            CONSUMER_GROUP_DESCRIBE_VERSION,
            ConsumerGroupDescribeRequest(group_ids=[group], include_authorized_operations=False),
        )
    except OSError:
        return None  # a broker that does not know the request closes the connection
    found = response.groups[0]
    if int(found.error_code):
        return None
    return GroupDescription(
        name=group,
        state=found.group_state,
        protocol_type=CONSUMER,
        protocol=found.assignor_name,
        coordinator=coordinator,
        members=tuple(
            MemberDescription(
                id=m.member_id,
                instance_id=m.instance_id,
                client_id=m.client_id,
                host=m.client_host,
                partitions=tuple(
                    TopicPartition(topic.topic_name, number)
                    for topic in m.assignment.topic_partitions
                    for number in topic.partitions
                ),
                epoch=m.member_epoch,
            )
            for m in found.members
        ),
        kind=CONSUMER,
        epoch=found.group_epoch,
        target_epoch=found.assignment_epoch,
    )


async def committed_offsets(client: ClusterClient, group: str) -> dict[TopicPartition, int]:
    """All positions of a group, by topic and partition. Raises ClientError, Unreachable."""
    _, response = await ask_coordinator(
        client,
        GROUP,
        group,
        ApiKey.OFFSET_FETCH,
        OFFSET_FETCH_VERSION,
        OffsetFetchRequest(
            groups=[OffsetFetchRequest.Group(group_id=group, topics=None)], require_stable=False
        ),
        lambda response: int(response.groups[0].error_code),
    )
    return {
        TopicPartition(topic.name, p.partition_index): int(p.committed_offset)
        for topic in sorted(response.groups[0].topics, key=lambda t: str(t.name))
        for p in sorted(topic.partitions, key=lambda p: int(p.partition_index))
    }


async def commit_offsets(
    client: ClusterClient, group: str, offsets: Mapping[TopicPartition, int]
) -> None:
    """Set positions of a group without members. Raises ClientError, Unreachable."""
    topics: dict[str, list[OffsetCommitRequest.Partition]] = {}
    for partition, offset in offsets.items():
        topics.setdefault(partition.topic, []).append(
            OffsetCommitRequest.Partition(
                partition_index=partition.partition,
                committed_offset=offset,
                committed_leader_epoch=NO_EPOCH,
                committed_metadata="",
            )
        )
    request = OffsetCommitRequest(
        group_id=group,
        generation_id_or_member_epoch=NO_GENERATION,
        member_id="",
        group_instance_id=None,
        topics=[
            OffsetCommitRequest.Topic(name=name, partitions=parts) for name, parts in topics.items()
        ],
    )

    def error(response: OffsetCommitResponse) -> int:
        codes = (int(p.error_code) for t in response.topics for p in t.partitions)
        return next((code for code in codes if code), 0)

    await ask_coordinator(
        client, GROUP, group, ApiKey.OFFSET_COMMIT, OFFSET_COMMIT_VERSION, request, error
    )


async def delete_group(client: ClusterClient, group: str) -> None:
    """Delete a group without members, with its positions. Raises ClientError, Unreachable."""
    await ask_coordinator(
        client,
        GROUP,
        group,
        ApiKey.DELETE_GROUPS,
        DELETE_GROUPS_VERSION,
        DeleteGroupsRequest(groups_names=[group]),
        lambda response: int(response.results[0].error_code),
    )


def assigned_partitions(data: bytes) -> tuple[TopicPartition, ...] | None:
    """The partitions in a consumer's assignment. Empty for an empty assignment; None if it is not a
    consumer's."""
    if not data:
        return ()
    found: list[TopicPartition] = []
    try:
        version, topics = struct.unpack_from(">hi", data)
        if version < 0:
            return None
        at = 6
        for _ in range(topics):
            (length,) = struct.unpack_from(">h", data, at)
            name = data[at + 2 : at + 2 + length].decode()
            at += 2 + length
            (count,) = struct.unpack_from(">i", data, at)
            numbers = struct.unpack_from(f">{count}i", data, at + 4)
            at += 4 + 4 * count
            found += [TopicPartition(name, number) for number in numbers]
    except (struct.error, UnicodeDecodeError):
        return None
    return tuple(sorted(found))


def owners(
    members: Iterable[MemberDescription],
) -> dict[TopicPartition, MemberDescription]:
    """The owner of each partition."""
    return {p: member for member in members for p in member.partitions or ()}


def topics_of(partitions: Iterable[TopicPartition]) -> Sequence[str]:
    """The topics of partitions, each once."""
    return list(dict.fromkeys(p.topic for p in partitions))
