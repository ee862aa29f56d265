"""Metadata v0-12: brokers, controller, topics by name or by id, auto-creation.

Answers come from what the controller last announced. Topics that are missing are created if the
client allows it (v4+; older clients always do) and ``auto.create.topics.enable`` is set.
A client that comes before the first announcement waits for it: an empty broker list helps nobody.
"""

from __future__ import annotations

from typing import Any

from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.api.topic_creation import auto_create
from barnabas.config.broker_config import INTERNAL_TOPICS
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.message import Message
from barnabas.replication.metadata_cache import PartitionMetadata
from barnabas.types import NO_LEADER

FIRST_UPDATE_TIMEOUT_MS = 10_000
NO_OPERATIONS = -(2**31)


def handle(services: Services, request: Request) -> Answer:
    """At once when nothing has to be created or waited for."""
    decoded = request.decode()
    names = _names_wanted(services, decoded, request.api_version)
    if services.metadata.controller_id is None or _to_create(services, decoded, request, names):
        return _later(services, request, decoded)
    return request.answer(_body(services, request, decoded, {}))


async def _later(services: Services, request: Request, decoded: Any) -> Pieces:
    await services.metadata_shows(
        lambda: services.metadata.controller_id is not None, FIRST_UPDATE_TIMEOUT_MS
    )
    errors: dict[str, ErrorCode] = {}
    names = _names_wanted(services, decoded, request.api_version)
    for name in _to_create(services, decoded, request, names):
        try:
            await auto_create(services, name)
            errors[name] = ErrorCode.LEADER_NOT_AVAILABLE
        except KafkaError as error:
            if error.code != ErrorCode.TOPIC_ALREADY_EXISTS:
                errors[name] = error.code
            else:
                errors[name] = ErrorCode.LEADER_NOT_AVAILABLE
    return request.answer(_body(services, request, decoded, errors))


def _names_wanted(services: Services, decoded: Any, version: int) -> list[str] | None:
    """Names asked for; None means all topics (null, or empty in v0)."""
    if decoded.topics is None or (version == 0 and not decoded.topics):
        return None
    return [t.name for t in decoded.topics if t.name is not None]


def _to_create(
    services: Services, decoded: Any, request: Request, names: list[str] | None
) -> list[str]:
    allowed = getattr(decoded, "allow_auto_topic_creation", True)
    if not names or not allowed or not services.config.flag("auto.create.topics.enable"):
        return []
    return [n for n in dict.fromkeys(names) if services.metadata.partitions(n) is None]


def _body(
    services: Services, request: Request, decoded: Any, errors: dict[str, ErrorCode]
) -> Message:
    cache = services.metadata
    names = _names_wanted(services, decoded, request.api_version)
    topics: list[Message] = []
    if names is None:
        topics = [_topic(services, request, n, errors) for n in cache.topics()]
    else:
        for wanted in decoded.topics:
            topic_id = getattr(wanted, "topic_id", None)
            name = wanted.name
            if name is None and topic_id is not None:
                name = cache.topic_name(topic_id)
                if name is None:
                    topics.append(_unknown_id(topic_id))
                    continue
            topics.append(_topic(services, request, name or "", errors))
    return Message(
        throttle_time=0,
        brokers=broker_messages(services, request.listener),
        cluster_id=services.cluster_id,
        controller_id=-1 if cache.controller_id is None else cache.controller_id,
        topics=topics,
        cluster_authorized_operations=NO_OPERATIONS,
    )


def broker_messages(services: Services, listener: str) -> list[Message]:
    """Brokers that have the listener through which the client came; those that have just gone are
    named for a few seconds more."""
    messages = []
    for broker in services.metadata.announced_brokers():
        endpoint = broker.endpoint(listener)
        if endpoint is not None:
            messages.append(
                Message(node_id=broker.id, host=endpoint.host, port=endpoint.port, rack=broker.rack)
            )
    return messages


def _unknown_id(topic_id: object) -> Message:
    return Message(
        error_code=ErrorCode.UNKNOWN_TOPIC_ID,
        name=None,
        topic_id=topic_id,
        is_internal=False,
        partitions=[],
        topic_authorized_operations=NO_OPERATIONS,
    )


def _topic(
    services: Services, request: Request, name: str, errors: dict[str, ErrorCode]
) -> Message:
    partitions = services.metadata.partitions(name)
    error = ErrorCode.NONE
    if partitions is None:
        error = errors.get(name, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    return Message(
        error_code=error,
        name=name,
        topic_id=services.metadata.topic_id(name),
        is_internal=name in INTERNAL_TOPICS,
        partitions=[
            partition_message(services, p, request.listener, request.api_version)
            for _, p in sorted((partitions or {}).items())
        ],
        topic_authorized_operations=NO_OPERATIONS,
    )


def partition_message(
    services: Services, partition: PartitionMetadata, listener: str, version: int = 12
) -> Message:
    """One partition; an unreachable leader is said as an error (reference 5.9).

    Unreachable is also a leader whose connection to this broker has just broken: clients that lost
    theirs ask at once, before any election, and one told the old leader again may not ask for a
    second. One told LEADER_NOT_AVAILABLE asks until there is a leader."""
    error = ErrorCode.NONE
    leader = partition.leader
    if (
        leader == NO_LEADER
        or not services.metadata.is_alive(leader)
        or services.replicas.fetchers.has_lost(leader)
    ):
        error, leader = ErrorCode.LEADER_NOT_AVAILABLE, NO_LEADER
    elif services.metadata.endpoint(leader, listener) is None:
        error = ErrorCode.LISTENER_NOT_FOUND if version >= 6 else ErrorCode.LEADER_NOT_AVAILABLE
        leader = NO_LEADER
    return Message(
        error_code=error,
        partition_index=partition.partition,
        leader_id=leader,
        leader_epoch=partition.leader_epoch,
        replica_nodes=list(partition.replicas),
        isr_nodes=list(partition.isr),
        offline_replicas=list(partition.offline_replicas),
        eligible_leader_replicas=None,
        last_known_elr=None,
    )
