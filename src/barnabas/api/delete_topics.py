"""DeleteTopics v0-6: deletes topics by name, or by id from v6. Only the controller serves it.

The marker ``/admin/delete_topics/T`` starts the deletion. The answer is sent once this broker's
metadata no longer shows the topic. If that takes too long it is REQUEST_TIMED_OUT, and the deletion
continues. As in Kafka there are only error codes without texts, and an id only if one was given.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence

from barnabas.api.access import allowed
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.api.throttling import mutation_charge
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse
from barnabas.zk.admin import mark_for_deletion, mark_for_deletion_by_id

DELETION_DISABLED_FROM_VERSION = 3
STRICT_FROM = 5
"""Clients of this version know THROTTLING_QUOTA_EXCEEDED (KIP-599)."""
TOPICS_FROM_VERSION = 6
MARKED_AT_ONCE = 200
"""Topics that are marked side by side, so that their markers become durable together."""


@serves(
    ApiKey.DELETE_TOPICS,
    of_each((ResourceType.TOPIC, AclOperation.DELETE), (ResourceType.TOPIC, AclOperation.DESCRIBE)),
)
def handle(services: Services, request: Request) -> Answer:
    """Deletes each topic separately."""
    return _delete_all(services, request)


async def _delete_all(services: Services, request: Request) -> Pieces:
    decoded = request.decode(DeleteTopicsRequest)
    results: list[DeleteTopicsResponse.DeletableTopicResult] = []
    accepted: list[DeleteTopicsResponse.DeletableTopicResult] = []
    wanted = _wanted(decoded, request.api_version)
    deletable = allowed(services, request, AclOperation.DELETE, ResourceType.TOPIC)
    described = allowed(services, request, AclOperation.DESCRIBE, ResourceType.TOPIC)
    charge = mutation_charge(services, request, strict=request.api_version >= STRICT_FROM)
    both = any(name is not None and topic_id is not None for name, topic_id in wanted)
    for position, (name, topic_id) in enumerate(wanted):
        await request.give_way_at(position)
        result = DeleteTopicsResponse.DeletableTopicResult(
            name=name, topic_id=topic_id, error_code=ErrorCode.NONE, error_message=None
        )
        results.append(result)
        try:
            _check_allowed(services, request.api_version)
            if both:
                raise KafkaError(ErrorCode.INVALID_REQUEST)
            known, known_id = _resolve(services, name, topic_id)
            if name is None and known not in described:
                raise KafkaError(ErrorCode.TOPIC_AUTHORIZATION_FAILED)
            result.name = known
            if known not in deletable:
                raise KafkaError(ErrorCode.TOPIC_AUTHORIZATION_FAILED)
            if name is not None and services.metadata.partitions(name) is None:
                raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
            result.topic_id = known_id
            charge(len(services.metadata.partitions(known) or ()))
            accepted.append(result)
        except KafkaError as error:
            result.error_code = error.code
    await _mark(services, accepted)
    await request.while_asked(_wait(services, results, decoded.timeout))
    message = DeleteTopicsResponse(throttle_time=0, responses=results)
    return await request.in_turns_if_long(request.answer_in_steps(message))


def _check_allowed(services: Services, version: int) -> None:
    if not services.controller.is_active:
        raise KafkaError(ErrorCode.NOT_CONTROLLER)
    if not services.config.flag("delete.topic.enable"):
        code = ErrorCode.TOPIC_DELETION_DISABLED
        if version < DELETION_DISABLED_FROM_VERSION:
            code = ErrorCode.INVALID_REQUEST
        raise KafkaError(code)


def _wanted(
    decoded: DeleteTopicsRequest, version: int
) -> list[tuple[str | None, uuid.UUID | None]]:
    if version >= TOPICS_FROM_VERSION:
        return [(t.name, t.topic_id) for t in decoded.topics]
    return [(name, None) for name in decoded.topic_names]


def _resolve(
    services: Services, name: str | None, topic_id: uuid.UUID | None
) -> tuple[str, uuid.UUID | None]:
    if name is None:
        known = services.metadata.topic_name(topic_id) if topic_id is not None else None
        if known is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_ID)
        return known, topic_id
    return name, None


async def _mark(
    services: Services, results: Sequence[DeleteTopicsResponse.DeletableTopicResult]
) -> None:
    """Mark topics for deletion: by id if the result has one, since only then one was given."""

    async def mark(result: DeleteTopicsResponse.DeletableTopicResult) -> None:
        zookeeper, name = services.zookeeper, result.name or ""
        if result.topic_id is None:
            marking = mark_for_deletion(zookeeper, name)
        else:
            marking = mark_for_deletion_by_id(zookeeper, name, result.topic_id)
        try:
            await services.in_zookeeper(marking)
        except KafkaError as error:
            result.error_code = error.code

    for at in range(0, len(results), MARKED_AT_ONCE):
        await asyncio.gather(*map(mark, results[at : at + MARKED_AT_ONCE]))


async def _wait(
    services: Services, results: list[DeleteTopicsResponse.DeletableTopicResult], timeout_ms: int
) -> None:
    marked = [r for r in results if r.error_code == ErrorCode.NONE]

    def gone(result: DeleteTopicsResponse.DeletableTopicResult) -> bool:
        return services.metadata.partitions(result.name or "") is None

    for result in await services.metadata_late(marked, gone, timeout_ms):
        result.error_code = ErrorCode.REQUEST_TIMED_OUT
