"""OffsetDelete v0: deletes positions of a group, but not of topics that a member reads.

It answers once that is replicated. Kafka does not wait.
"""

from __future__ import annotations

from barnabas.api.access import allowed, is_allowed
from barnabas.api.positions import answered
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.coordinator.group.offset_manager import Errors
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.offset_delete import OffsetDeleteRequest, OffsetDeleteResponse
from barnabas.types import TopicPartition


@serves(
    ApiKey.OFFSET_DELETE,
    of_each((ResourceType.GROUP, AclOperation.DELETE), (ResourceType.TOPIC, AclOperation.READ)),
)
def handle(services: Services, request: Request) -> Answer:
    """Waits for the in-sync replicas of the group's partition."""
    return _delete(services, request)


async def _delete(services: Services, request: Request) -> Pieces:
    decoded = request.decode(OffsetDeleteRequest)
    kind, group_id = ResourceType.GROUP, decoded.group_id
    if not is_allowed(services, request, AclOperation.DELETE, kind, group_id):
        error_code = ErrorCode.GROUP_AUTHORIZATION_FAILED
        return request.answer(
            OffsetDeleteResponse(error_code=error_code, throttle_time=0, topics=[])
        )
    readable = allowed(services, request, AclOperation.READ, ResourceType.TOPIC)
    errors: Errors = {}
    for topic in decoded.topics:
        for partition in topic.partitions:
            errors[TopicPartition(topic.name, partition.partition_index)] = ErrorCode.NONE
    for name in errors:
        if name.topic not in readable:
            errors[name] = ErrorCode.TOPIC_AUTHORIZATION_FAILED
        elif name not in services.metadata:
            errors[name] = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    known = [name for name, error in errors.items() if error == ErrorCode.NONE]
    try:
        errors.update(await services.groups.offsets.delete(decoded.group_id, known))
    except KafkaError as error:
        return request.answer(
            OffsetDeleteResponse(error_code=error.code, throttle_time=0, topics=[])
        )
    answers = answered(
        decoded.topics,
        errors.__getitem__,
        OffsetDeleteResponse.Topic,
        OffsetDeleteResponse.Partition,
    )
    topics = await request.in_turns_if_long(answers)
    message = OffsetDeleteResponse(error_code=ErrorCode.NONE, throttle_time=0, topics=topics)
    return await request.in_turns_if_long(request.answer_in_steps(message))
