"""CreatePartitions v0-3: adds partitions to topics. Only the controller serves it.

It answers once this broker's metadata shows the new partitions with leaders. If that takes too long
the answer is REQUEST_TIMED_OUT, and the creation continues.
"""

from __future__ import annotations

from collections import Counter

from barnabas.admin.topics import PARTITIONS_PER_REQUEST_MAX, Assignment, grow
from barnabas.api.access import allowed
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.api.throttling import Charge, mutation_charge
from barnabas.api.topic_creation import drained, open_brokers, shown_late
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.errors import ErrorCode, KafkaError
from barnabas.names import is_topic
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
)
from barnabas.zk.admin import add_partitions, read_topic
from barnabas.zk.paths import delete_topic_path

STRICT_FROM = 3
"""Clients of this version know THROTTLING_QUOTA_EXCEEDED (KIP-599)."""


@serves(ApiKey.CREATE_PARTITIONS, of_each((ResourceType.TOPIC, AclOperation.ALTER)))
def handle(services: Services, request: Request) -> Answer:
    """Adds partitions to each topic separately."""
    return _grow_all(services, request)


async def _grow_all(services: Services, request: Request) -> Pieces:
    decoded = request.decode(CreatePartitionsRequest)
    results: list[CreatePartitionsResponse.TopicResult] = []
    totals: dict[str, int] = {}
    created = 0
    asked = Counter(topic.name for topic in decoded.topics)
    alterable = allowed(services, request, AclOperation.ALTER, ResourceType.TOPIC)
    charge = mutation_charge(services, request, strict=request.api_version >= STRICT_FROM)
    for position, topic in enumerate({t.name: t for t in decoded.topics}.values()):
        await request.give_way_at(position)
        result = CreatePartitionsResponse.TopicResult(
            name=topic.name, error_code=ErrorCode.NONE, error_message=None
        )
        results.append(result)
        try:
            if not services.controller.is_active:
                raise KafkaError(ErrorCode.NOT_CONTROLLER)
            if asked[topic.name] > 1:
                raise KafkaError(ErrorCode.INVALID_REQUEST, "Duplicate topic in request.")
            if topic.name not in alterable:
                code = ErrorCode.TOPIC_AUTHORIZATION_FAILED
                raise KafkaError(code, "The topic authorization is failed.")
            growing = _grow_one(services, topic, decoded.validate_only, created, charge)
            added = await services.in_zookeeper(growing)
            created += len(added)
            if not decoded.validate_only:
                totals[topic.name] = max(added) + 1
        except KafkaError as error:
            result.error_code = error.code
            result.error_message = error.message or None
    await request.while_asked(_wait(services, totals, results, decoded.timeout))
    message = CreatePartitionsResponse(throttle_time=0, results=results)
    return await request.in_turns_if_long(request.answer_in_steps(message))


async def _grow_one(
    services: Services,
    topic: CreatePartitionsRequest.Topic,
    validate_only: bool,
    created: int,
    charge: Charge,
) -> Assignment:
    """Add partitions to one topic. ``created``: how many this request has added to others."""
    marker = delete_topic_path(topic.name)
    if is_topic(topic.name) and await services.zookeeper.exists(marker) is not None:
        raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, "The topic is queued for deletion.")
    if services.metadata.partitions(topic.name) is None:
        raise KafkaError(
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"The topic '{topic.name}' does not exist."
        )
    znode = await read_topic(services.zookeeper, topic.name)
    if znode is None:
        raise KafkaError(
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"The topic '{topic.name}' does not exist."
        )
    if znode.adding or znode.removing:
        raise KafkaError(
            ErrorCode.REASSIGNMENT_IN_PROGRESS,
            f"A partition reassignment is in progress for the topic '{topic.name}'.",
        )
    count = topic.count - len(znode.partitions)
    if count <= PARTITIONS_PER_REQUEST_MAX < created + count:
        raise KafkaError(
            ErrorCode.POLICY_VIOLATION, "Excessively large number of partitions per request."
        )
    placement, closed = None, frozenset[int]()
    if topic.assignments is None:
        closed = await drained(services)
    else:
        placement = [tuple(a.broker_ids) for a in topic.assignments]
    added = grow(
        znode.partitions,
        topic.count,
        open_brokers(services, closed),
        rng=services.env.random,
        placement=placement,
    )
    if not validate_only:
        charge(len(added))
        await add_partitions(services.zookeeper, topic.name, added)
    return added


async def _wait(
    services: Services,
    totals: dict[str, int],
    results: list[CreatePartitionsResponse.TopicResult],
    timeout_ms: int,
) -> None:
    late = set(await shown_late(services, totals, timeout_ms))
    for result in results:
        if result.name in late:
            result.error_code = ErrorCode.REQUEST_TIMED_OUT
