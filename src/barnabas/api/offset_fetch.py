"""OffsetFetch v0-9: positions of a group, from v8 of several. Without topics (v2 and later) it
answers all positions. v0 reads the positions that OffsetCommit v0 has stored in ZooKeeper.

A partition without a position has offset -1 and no error. From v7 a client may ask for stable
positions: a partition with a pending transactional commit is then UNSTABLE_OFFSET_COMMIT. v1 has no
field for an error of the whole group, so each partition has it. Members of consumer groups
(KIP-848) send their id and epoch with v9.
"""

from __future__ import annotations

from functools import partial
from typing import Protocol, TypeVar

from barnabas.api.access import allowed, is_allowed
from barnabas.api.positions import MakeTopic
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request, Steps
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.coordinator.group.offset_manager import FetchedOffset
from barnabas.coordinator.group.records.group_metadata import CommittedOffset
from barnabas.errors import ErrorCode, KafkaError
from barnabas.names import is_path_name
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchResponse
from barnabas.types import TopicPartition
from barnabas.zk import consumer_offsets
from barnabas.zookeeper.errors import ZooKeeperError

T = TypeVar("T")
P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)

GROUP_ERROR_FROM = 2
BATCHED_FROM = 8
NAMES_AT_ONCE = 64


@serves(
    ApiKey.OFFSET_FETCH,
    of_each(
        (ResourceType.GROUP, AclOperation.DESCRIBE), (ResourceType.TOPIC, AclOperation.DESCRIBE)
    ),
)
def handle(services: Services, request: Request) -> Answer:
    """Answers for each group separately."""
    return request.in_steps_if_long(_answer(services, request))


def _answer(services: Services, request: Request) -> Steps[Answer]:
    decoded = request.decode(OffsetFetchRequest)
    if request.api_version == 0:
        return _fetch_from_zookeeper(services, request, decoded)
    stable = decoded.require_stable
    if request.api_version >= BATCHED_FROM:
        groups = []
        for asked in decoded.groups:
            groups.append((yield from _group(services, request, asked, stable)))
            yield 1
        return (
            yield from request.answer_in_steps(OffsetFetchResponse(throttle_time=0, groups=groups))
        )
    asked = OffsetFetchRequest.Group(
        group_id=decoded.group_id,
        topics=None
        if decoded.topics is None
        else [
            OffsetFetchRequest.Topics(name=t.name, partition_indexes=t.partition_indexes)
            for t in decoded.topics
        ],
    )
    error, found = yield from _fetch(services, request, asked, stable)
    if error != ErrorCode.NONE and request.api_version < GROUP_ERROR_FROM:
        if error == ErrorCode.GROUP_AUTHORIZATION_FAILED:
            # an empty answer, as Kafka's
            return request.answer(OffsetFetchResponse(topics=[]))
        nothing = CommittedOffset(-1)
        names = (yield from _names(asked)) or ()
        found = [FetchedOffset(partition=n, value=nothing, error=error) for n in names]
    topics = yield from _topics(found, OffsetFetchResponse.Topic, OffsetFetchResponse.Partition)
    message = OffsetFetchResponse(throttle_time=0, topics=topics, error_code=error)
    return (yield from request.answer_in_steps(message))


async def _fetch_from_zookeeper(
    services: Services, request: Request, decoded: OffsetFetchRequest
) -> Pieces:
    """A position that is not there, or of a partition that does not exist, is
    UNKNOWN_TOPIC_OR_PARTITION."""
    group_id = decoded.group_id
    asked = OffsetFetchRequest.Group(
        group_id=group_id,
        topics=[
            OffsetFetchRequest.Topics(name=t.name, partition_indexes=t.partition_indexes)
            for t in decoded.topics or ()
        ],
    )
    names = await request.in_turns_if_long(_names(asked)) or []
    errors = dict.fromkeys(names, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    offsets: dict[TopicPartition, int] = {}
    if is_allowed(services, request, AclOperation.DESCRIBE, ResourceType.GROUP, group_id):
        described = allowed(services, request, AclOperation.DESCRIBE, ResourceType.TOPIC)
        for name in names:
            if name.topic not in described:
                errors[name] = ErrorCode.TOPIC_AUTHORIZATION_FAILED
        known = [n for n in errors if n.topic in described and n in services.metadata]
        offsets = await _read(services, group_id, known, errors)
    else:
        errors = dict.fromkeys(names, ErrorCode.GROUP_AUTHORIZATION_FAILED)
    found = [
        FetchedOffset(
            partition=name,
            value=CommittedOffset(offsets.get(name, -1)),
            error=ErrorCode.NONE if name in offsets else error,
        )
        for name, error in errors.items()
    ]
    topics = await request.in_turns_if_long(
        _topics(found, OffsetFetchResponse.Topic, OffsetFetchResponse.Partition)
    )
    return await request.in_turns_if_long(
        request.answer_in_steps(OffsetFetchResponse(topics=topics))
    )


async def _read(
    services: Services,
    group_id: str,
    names: list[TopicPartition],
    errors: dict[TopicPartition, ErrorCode],
) -> dict[TopicPartition, int]:
    """The positions that ZooKeeper has. What goes wrong is put into ``errors``."""
    offsets: dict[TopicPartition, int] = {}
    if not names or not is_path_name(group_id):
        return offsets
    try:
        fetch = consumer_offsets.fetch(services.zookeeper, group_id, names)
        for name, offset in zip(names, await services.in_zookeeper(fetch), strict=True):
            if isinstance(offset, int):
                offsets[name] = offset
            elif offset is not None:
                errors[name] = ErrorCode.UNKNOWN_SERVER_ERROR
    except KafkaError as error:
        errors.update(dict.fromkeys(names, error.code))
    except ZooKeeperError:  # such as a node that others may not read
        errors.update(dict.fromkeys(names, ErrorCode.UNKNOWN_SERVER_ERROR))
    return offsets


def _names(asked: OffsetFetchRequest.Group) -> Steps[list[TopicPartition] | None]:
    if asked.topics is None:
        return None
    names = []
    for topic in asked.topics:
        for index in topic.partition_indexes:
            names.append(TopicPartition(topic.name, index))
            yield 1
    return names


def _group(
    services: Services, request: Request, asked: OffsetFetchRequest.Group, stable: bool
) -> Steps[OffsetFetchResponse.Group]:
    error, found = yield from _fetch(services, request, asked, stable)
    topics = yield from _topics(found, OffsetFetchResponse.Topics, OffsetFetchResponse.Partitions)
    return OffsetFetchResponse.Group(group_id=asked.group_id, topics=topics, error_code=error)


def _fetch(
    services: Services, request: Request, asked: OffsetFetchRequest.Group, stable: bool
) -> Steps[tuple[ErrorCode, list[FetchedOffset]]]:
    """The positions of a group, or its error. Denied topics come last; if all positions were asked
    for, they are left out."""
    group_id = asked.group_id
    if not is_allowed(services, request, AclOperation.DESCRIBE, ResourceType.GROUP, group_id):
        return ErrorCode.GROUP_AUTHORIZATION_FAILED, []
    quiet = asked.topics is None
    described = allowed(services, request, AclOperation.DESCRIBE, ResourceType.TOPIC, quiet=quiet)
    fetch = partial(
        services.groups.offsets.fetch,
        group_id,
        require_stable=stable,
        member_id=asked.member_id,
        member_epoch=asked.member_epoch,
    )
    named = yield from _names(asked)
    nothing, denied = CommittedOffset(-1), ErrorCode.TOPIC_AUTHORIZATION_FAILED
    found: list[FetchedOffset] = []
    hidden: list[FetchedOffset] = []
    try:
        found += fetch(())
        names = services.groups.offsets.committed(group_id) if named is None else named
        for start in range(0, len(names), NAMES_AT_ONCE):
            if start:
                yield 1
            some = names[start : start + NAMES_AT_ONCE]
            found += fetch([name for name in some if name.topic in described])
            if named is not None:
                hidden += [
                    FetchedOffset(partition=name, value=nothing, error=denied)
                    for name in some
                    if name.topic not in described
                ]
    except KafkaError as error:
        return error.code, []
    return ErrorCode.NONE, found + hidden


class _MakePartition(Protocol[P_co]):
    def __call__(
        self,
        *,
        partition_index: int,
        committed_offset: int,
        committed_leader_epoch: int,
        metadata: str | None,
        error_code: int,
    ) -> P_co: ...


def _topics(
    found: list[FetchedOffset], make_topic: MakeTopic[P, T], make_partition: _MakePartition[P]
) -> Steps[list[T]]:
    topics: dict[str, list[P]] = {}
    for position in found:
        value = position.value
        topics.setdefault(position.partition.topic, []).append(
            make_partition(
                partition_index=position.partition.partition,
                committed_offset=value.offset,
                committed_leader_epoch=value.leader_epoch,
                metadata=value.metadata,
                error_code=position.error,
            )
        )
        yield 1
    return [make_topic(name=name, partitions=parts) for name, parts in topics.items()]
