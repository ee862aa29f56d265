"""Metadata v0-12: brokers, controller, and topics by name or id; creates missing topics.

Answers come from what the controller last announced. Topics that are missing are created if the
client allows it (v4 and later; older clients always do) and ``auto.create.topics.enable`` is set.
Before the first announcement a request waits, since an empty list of brokers would be useless. If a
leader that is asked about has just died, the request waits for its successor, half a second at most
(``replication/neighbours.py``).

A client that may not describe a topic is not told whether a topic of that name exists. For an id it
is told.
"""

from __future__ import annotations

import uuid
from collections.abc import Container, Coroutine, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from barnabas.admin.topics import PARTITIONS_PER_REQUEST_MAX
from barnabas.api.access import (
    EVERYTHING,
    NOT_ASKED,
    allowed,
    cluster_operations,
    is_allowed_on_cluster,
    operations,
)
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request, Steps, at_once, each
from barnabas.api.services import Services
from barnabas.api.throttling import mutation_charge
from barnabas.api.topic_creation import auto_create
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.config.broker_config import INTERNAL_TOPICS
from barnabas.errors import ErrorCode, KafkaError
from barnabas.metadata_cache import PartitionMetadata
from barnabas.names import check_topic
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.metadata import MetadataRequest, MetadataResponse
from barnabas.replication.neighbours import Standing
from barnabas.types import NO_LEADER

FIRST_UPDATE_TIMEOUT_MS = 10_000
SMALL = 32
"""Up to this many topics, with up to this many partitions in all, are answered without steps."""
MANY = 512
"""How many names or ids are looked at in one step; more are looked at in several steps."""
IDS_FROM_VERSION = 12
_SHORTLY_THERE = (ErrorCode.TOPIC_ALREADY_EXISTS, ErrorCode.REQUEST_TIMED_OUT)
"""Errors of a creation after which the topic will likely be there when the client asks again."""

Topics: TypeAlias = "Sequence[MetadataRequest.Topic]"


@serves(
    ApiKey.METADATA,
    of_each(
        (ResourceType.TOPIC, AclOperation.DESCRIBE),
        (ResourceType.TOPIC, AclOperation.CREATE),
        (ResourceType.CLUSTER, AclOperation.CREATE),
        (ResourceType.CLUSTER, AclOperation.DESCRIBE),
    ),
)
def handle(services: Services, request: Request) -> Answer:
    """Answers at once if nothing has to be created or waited for."""
    decoded = request.decode(MetadataRequest)
    listener, version = request.listener, request.api_version
    if decoded.topics is not None and len(decoded.topics) > MANY:
        return _many(services, request, decoded)
    if not _is_sound(decoded.topics or (), version):
        return request.answer(_refusal(at_once(_refused_topics(decoded.topics or ()))))
    wanted = _wanted(services, request, decoded, decoded.topics)
    if (
        not services.metadata.is_announced
        or _to_create(services, decoded, wanted)
        or services.neighbours.awaited(_leaders(services, wanted.names))
        or services.neighbours.unconfirmed(_asked_leaders(services, wanted))
    ):
        return _later(services, request, decoded)
    if _is_small(services, wanted):
        named: Named = {}
        topics = [_unknown(ErrorCode.UNKNOWN_TOPIC_ID, None, i) for i in wanted.unknown_ids]
        for name in wanted.names:
            known = _sorted_partitions(services, name)
            partitions = None
            if known is not None:
                partitions = [
                    partition_message(services, p, listener, version, named) for p in known
                ]
            topics.append(_topic(services, request, decoded, name, {}, partitions))
        topics += _denied(services, wanted)
        return request.answer(_body(services, request, decoded, topics))
    return _answer(services, request, decoded, wanted, {})


def _is_small(services: Services, wanted: _Wanted) -> bool:
    """Whether the answer is small enough to be made at once."""
    count = len(wanted.names) + len(wanted.unknown_ids)
    if wanted.is_all or count > SMALL:
        return False
    for name in wanted.names:
        count += len(services.metadata.partitions(name) or ())
    return count <= 2 * SMALL


def _many(
    services: Services, request: Request, decoded: MetadataRequest
) -> Steps[Pieces | Coroutine[Any, Any, Pieces]]:
    topics = decoded.topics or ()
    if not (yield from _are_sound(topics, request.api_version)):
        refused = yield from _refused_topics(topics)
        return (yield from request.answer_in_steps(_refusal(refused)))
    wanted = yield from _all_wanted(services, request, decoded)
    missing = yield from _all_to_create(services, decoded, wanted)
    there = yield from _there(services, wanted.names)
    if (
        not services.metadata.is_announced
        or missing
        or services.neighbours.awaited(_leaders(services, there))
        or services.neighbours.unconfirmed(_leaders(services, there))
    ):
        return _later(services, request, decoded)
    return (yield from _answer(services, request, decoded, wanted, {}))


async def _later(services: Services, request: Request, decoded: MetadataRequest) -> Pieces:
    await services.metadata_shows(lambda: services.metadata.is_announced, FIRST_UPDATE_TIMEOUT_MS)
    errors: dict[str, ErrorCode] = {}
    wanted = await request.in_turns(_all_wanted(services, request, decoded))
    charge = mutation_charge(services, request, strict=False, told=False)
    missing = await request.in_turns(_all_to_create(services, decoded, wanted))
    created = 0
    for position, name in enumerate(missing):
        if created >= PARTITIONS_PER_REQUEST_MAX:
            break  # the others are not there: who asks again has the next
        if position:
            await request.give_way()  # ends here if the client has gone
        try:
            created += await auto_create(services, name, charge)
            errors[name] = ErrorCode.LEADER_NOT_AVAILABLE
        except KafkaError as error:
            errors[name] = error.code
            if error.code in _SHORTLY_THERE:
                errors[name] = ErrorCode.LEADER_NOT_AVAILABLE
    there = await request.in_turns(_there(services, wanted.names))
    if not wanted.is_all:
        await services.neighbours.confirm(_leaders(services, there))
    await services.neighbours.successors(lambda: _leaders(services, there))
    wanted = await request.in_turns(_all_wanted(services, request, decoded))
    return await request.in_turns(_answer(services, request, decoded, wanted, errors))


def _is_sound(topics: Topics, version: int) -> bool:
    """Whether the topics are named correctly. v10 and v11 have a field for ids, but they are only
    used from v12 on. There each topic has an id or a name."""
    if version >= IDS_FROM_VERSION:
        return all(topic.name is not None or topic.topic_id is not None for topic in topics)
    return all(t.name is not None and t.topic_id is None for t in topics)


def _are_sound(topics: Topics, version: int) -> Steps[bool]:
    for start in range(0, len(topics), MANY):
        yield 1
        if not _is_sound(topics[start : start + MANY], version):
            return False
    return True


class _Wanted(NamedTuple):
    names: list[str]
    unknown_ids: list[uuid.UUID]
    by_id: bool
    is_all: bool
    denied: list[str]
    """Topics that were named but may not be described, or not created."""


def _wanted(
    services: Services, request: Request, decoded: MetadataRequest, topics: Topics | None
) -> _Wanted:
    """The topics asked for; those that the sender may not describe are in ``denied``."""
    asked = _asked(services, topics, request.api_version)
    if services.authorizer is None:
        return asked
    operation, kind = AclOperation.DESCRIBE, ResourceType.TOPIC
    described = allowed(services, request, operation, kind, quiet=asked.is_all)
    denied = [name for name in asked.names if name not in described]
    wanted = asked._replace(names=[name for name in asked.names if name in described])
    missing = _to_create(services, decoded, wanted)
    if missing:
        creatable = _creatable(services, request)
        refused = {name for name in missing if name not in creatable}
        wanted = wanted._replace(names=[name for name in wanted.names if name not in refused])
        denied = [*(name for name in missing if name in refused), *denied]
    return wanted if asked.is_all else wanted._replace(denied=denied)


def _all_wanted(services: Services, request: Request, decoded: MetadataRequest) -> Steps[_Wanted]:
    """``_wanted`` in steps."""
    topics = decoded.topics
    if topics is None or len(topics) <= MANY:
        return _wanted(services, request, decoded, topics)
    by_id = False
    names: dict[str, None] = {}
    unknown_ids: dict[uuid.UUID, None] = {}
    denied: dict[str, None] = {}
    for start in range(0, len(topics), MANY):
        yield 1
        part = _wanted(services, request, decoded, topics[start : start + MANY])
        if by_id and not part.by_id:
            continue
        if part.by_id and not by_id:
            by_id = True
            names, denied = {}, {}
        names.update(dict.fromkeys(part.names))
        unknown_ids.update(dict.fromkeys(part.unknown_ids))
        denied.update(dict.fromkeys(part.denied))
    return _Wanted(list(names), list(unknown_ids), by_id, False, list(denied))


def _asked(services: Services, topics: Topics | None, version: int) -> _Wanted:
    """The topics asked for, each once. If one is asked for by id, names are ignored."""
    cache = services.metadata
    if topics is None or (version == 0 and not topics):
        return _Wanted(cache.topics(), [], False, True, [])
    ids = [i for t in topics if (i := t.topic_id) is not None]
    if not ids:
        names = dict.fromkeys(t.name for t in topics if t.name is not None)
        return _Wanted(list(names), [], False, False, [])
    found = {topic_id: cache.topic_name(topic_id) for topic_id in ids}
    return _Wanted(
        [name for name in found.values() if name is not None],
        [topic_id for topic_id, name in found.items() if name is None],
        True,
        False,
        [],
    )


def _to_create(services: Services, decoded: MetadataRequest, wanted: _Wanted) -> list[str]:
    allowed = decoded.allow_auto_topic_creation
    if wanted.is_all or wanted.by_id or not allowed:
        return []
    if not services.config.flag("auto.create.topics.enable"):
        return []
    return [name for name in wanted.names if services.metadata.partitions(name) is None]


def _all_to_create(
    services: Services, decoded: MetadataRequest, wanted: _Wanted
) -> Steps[list[str]]:
    found: list[str] = []
    for start in range(0, len(wanted.names), MANY):
        some = wanted._replace(names=wanted.names[start : start + MANY])
        found += _to_create(services, decoded, some)
        yield 1
    return found


def _there(services: Services, names: list[str]) -> Steps[list[str]]:
    """The names of topics that exist."""
    found: list[str] = []
    for start in range(0, len(names), MANY):
        some = names[start : start + MANY]
        found += [name for name in some if services.metadata.partitions(name) is not None]
        yield 1
    return found


def _creatable(services: Services, request: Request) -> Container[str]:
    create = AclOperation.CREATE
    if is_allowed_on_cluster(services, request, create, quiet=True):
        return EVERYTHING
    return allowed(services, request, create, ResourceType.TOPIC)


def _leaders(services: Services, names: Iterable[str]) -> Iterator[int]:
    """The leaders of all partitions of these topics, as announced."""
    for name in names:
        for partition in (services.metadata.partitions(name) or {}).values():
            yield partition.leader


def _asked_leaders(services: Services, wanted: _Wanted) -> Iterator[int]:
    """The leaders of topics that were named. A request for all topics waits for no leader."""
    return iter(()) if wanted.is_all else _leaders(services, wanted.names)


def _answer(
    services: Services,
    request: Request,
    decoded: MetadataRequest,
    wanted: _Wanted,
    errors: dict[str, ErrorCode],
) -> Steps[Pieces]:
    """The answer, in steps: it may have every partition of the cluster."""
    listener, version = request.listener, request.api_version
    named: Named = {}
    topics: list[MetadataResponse.Topic] = []
    for topic_id in wanted.unknown_ids:
        topics.append(_unknown(ErrorCode.UNKNOWN_TOPIC_ID, None, topic_id))
        yield 1
    for name in wanted.names:
        partitions: list[MetadataResponse.Partition] | None = None
        known = _sorted_partitions(services, name)
        if known is not None:
            partitions = yield from each(
                known, lambda p: partition_message(services, p, listener, version, named)
            )
        topics.append(_topic(services, request, decoded, name, errors, partitions))
        yield 1
    topics += _denied(services, wanted)
    return (yield from request.answer_in_steps(_body(services, request, decoded, topics)))


def _body(
    services: Services,
    request: Request,
    decoded: MetadataRequest,
    topics: list[MetadataResponse.Topic],
) -> MetadataResponse:
    controller_id = services.metadata.controller_id
    return MetadataResponse(
        throttle_time=0,
        brokers=broker_messages(services, request.listener),
        cluster_id=services.cluster_id,
        controller_id=-1 if controller_id is None else controller_id,
        topics=topics,
        cluster_authorized_operations=cluster_operations(services, request)
        if decoded.include_cluster_authorized_operations
        else NOT_ASKED,
    )


def _denied(services: Services, wanted: _Wanted) -> list[MetadataResponse.Topic]:
    """The answers for topics that may not be described, whether or not they exist: without a name
    if they were asked for by id, otherwise without an id."""
    error = ErrorCode.TOPIC_AUTHORIZATION_FAILED
    if not wanted.by_id:
        return [_unknown(error, name, None) for name in wanted.denied]
    return [_unknown(error, None, services.metadata.topic_id(name)) for name in wanted.denied]


def _refused_topics(topics: Topics) -> Steps[list[MetadataResponse.Topic]]:
    return each(topics, lambda t: _unknown(ErrorCode.INVALID_REQUEST, t.name or "", t.topic_id))


def _refusal(topics: list[MetadataResponse.Topic]) -> MetadataResponse:
    """The answer to a malformed request: every topic is refused, as in Kafka."""
    return MetadataResponse(
        throttle_time=0,
        brokers=[],
        cluster_id=None,
        controller_id=-1,
        topics=topics,
        cluster_authorized_operations=NOT_ASKED,
    )


def broker_messages(services: Services, listener: str) -> list[MetadataResponse.Broker]:
    """The brokers that have the client's listener. Brokers that have just gone are still listed for
    a few seconds."""
    messages = []
    for broker in services.metadata.announced_brokers():
        endpoint = broker.endpoint(listener)
        if endpoint is not None:
            messages.append(
                MetadataResponse.Broker(
                    node_id=broker.id, host=endpoint.host, port=endpoint.port, rack=broker.rack
                )
            )
    return messages


def _unknown(
    error: ErrorCode, name: str | None, topic_id: uuid.UUID | None
) -> MetadataResponse.Topic:
    return MetadataResponse.Topic(
        error_code=error,
        name=name,
        topic_id=topic_id,
        is_internal=name in INTERNAL_TOPICS,
        partitions=[],
        topic_authorized_operations=NOT_ASKED,
    )


def _sorted_partitions(services: Services, name: str) -> list[PartitionMetadata] | None:
    partitions = services.metadata.partitions(name)
    return None if partitions is None else [p for _, p in sorted(partitions.items())]


def _topic(
    services: Services,
    request: Request,
    decoded: MetadataRequest,
    name: str,
    errors: dict[str, ErrorCode],
    partitions: list[MetadataResponse.Partition] | None,
) -> MetadataResponse.Topic:
    """The answer for one topic, asked for by name or by id."""
    if partitions is None:
        error = errors.get(name) or unknown_topic_error(name)
        topic = _unknown(error, name, services.metadata.topic_id(name))
    else:
        topic = MetadataResponse.Topic(
            error_code=ErrorCode.NONE,
            name=name,
            topic_id=services.metadata.topic_id(name),
            is_internal=name in INTERNAL_TOPICS,
            partitions=partitions,
            topic_authorized_operations=NOT_ASKED,
        )
    if decoded.include_topic_authorized_operations:
        may = operations(services, request, ResourceType.TOPIC, name)
        topic.topic_authorized_operations = may
    return topic


def check_known(services: Services, topic: str, message: str = "") -> None:
    """Raises INVALID_TOPIC_EXCEPTION or, with ``message``, UNKNOWN_TOPIC_OR_PARTITION."""
    check_topic(topic)
    if services.metadata.partitions(topic) is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message)


def unknown_topic_error(name: str) -> ErrorCode:
    """The error for a topic that does not exist: its name is illegal, or it was not created."""
    try:
        check_topic(name)
    except KafkaError as error:
        return error.code
    return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


Named: TypeAlias = "dict[int, tuple[ErrorCode, int]]"
"""By leader as announced: what an answer says of it. It is found out once for all partitions."""


def partition_message(
    services: Services,
    partition: PartitionMetadata,
    listener: str,
    version: int = 12,
    named: Named | None = None,
) -> MetadataResponse.Partition:
    """The answer for one partition. If its leader cannot be reached, it has an error (reference
    5.9). ``named``: of the whole answer."""
    if named is None:
        named = {}
    found = named.get(partition.leader)
    if found is None:
        found = named[partition.leader] = _named(services, partition.leader, listener, version)
    error, leader = found
    replicas: Sequence[int] = partition.replicas
    isr: Sequence[int] = partition.isr
    if version == 0:  # its clients expect that every replica can be reached
        replicas = [r for r in replicas if services.metadata.endpoint(r, listener) is not None]
        isr = [r for r in isr if r in replicas]
        if error is ErrorCode.NONE and len(replicas) < len(partition.replicas):
            error = ErrorCode.REPLICA_NOT_AVAILABLE
    return MetadataResponse.Partition(
        error_code=error,
        partition_index=partition.partition,
        leader_id=leader,
        leader_epoch=partition.leader_epoch,
        replica_nodes=replicas,
        isr_nodes=isr,
        offline_replicas=partition.offline_replicas,
    )


def _named(services: Services, leader: int, listener: str, version: int) -> tuple[ErrorCode, int]:
    """The error and the leader to name. One whose connection to this broker broke, and that has no
    successor yet, counts as one that cannot be reached too. After LEADER_NOT_AVAILABLE a client
    asks again until there is a leader."""
    if (
        leader == NO_LEADER
        or not services.metadata.is_alive(leader)
        or services.neighbours.standing(leader) is not Standing.NAMED
    ):
        return ErrorCode.LEADER_NOT_AVAILABLE, NO_LEADER
    if services.metadata.endpoint(leader, listener) is None:
        missing = ErrorCode.LISTENER_NOT_FOUND
        return missing if version >= 6 else ErrorCode.LEADER_NOT_AVAILABLE, NO_LEADER
    return ErrorCode.NONE, leader
