"""ConsumerGroupDescribe v0-1 (KIP-848): epochs, members, what they own and what they shall own.

Classic groups are answered GROUP_ID_NOT_FOUND, upon which clients ask DescribeGroups. v1 adds the
kind of each member. Whoever asks what it may do with a group may do everything.
"""

from __future__ import annotations

from barnabas.api.operations import GROUP_OPERATIONS, NO_OPERATIONS
from barnabas.api.registry import serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.coordinator.group.consumer.group import ConsumerGroup
from barnabas.coordinator.group.records.assignment import Assignment
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

CONSUMER_MEMBER = 1


@serves(ApiKey.CONSUMER_GROUP_DESCRIBE)
def handle(services: Services, request: Request) -> Answer:
    """Waits for what is on its way to the replicas: nothing is told that could be lost."""
    return _describe(services, request)


async def _describe(services: Services, request: Request) -> Pieces:
    groups = []
    decoded = request.decode()
    operations = GROUP_OPERATIONS if decoded.include_authorized_operations else NO_OPERATIONS
    for name in decoded.group_ids:
        try:
            group = await services.groups.consumer_groups.describe(name)
            groups.append(_group(services, group, operations))
        except KafkaError as error:
            groups.append(_refusal(name, error))
    return request.answer(Message(throttle_time=0, groups=groups))


def _refusal(name: str, error: KafkaError) -> Message:
    return Message(
        error_code=error.code,
        error_message=error.message or None,
        group_id=name,
        group_state="",
        group_epoch=0,
        assignment_epoch=0,
        assignor_name="",
        members=[],
        authorized_operations=NO_OPERATIONS,
    )


def _group(services: Services, group: ConsumerGroup, operations: int) -> Message:
    default = services.groups.consumer_groups.settings.assignors[0]
    return Message(
        error_code=ErrorCode.NONE,
        error_message=None,
        group_id=group.id,
        group_state=group.state.value,
        group_epoch=group.epoch,
        assignment_epoch=group.target_epoch,
        assignor_name=group.assignor(default),
        members=[_member(services, group, member_id) for member_id in group.members],
        authorized_operations=operations,
    )


def _member(services: Services, group: ConsumerGroup, member_id: str) -> Message:
    facts, now = group.members[member_id], group.now_of(member_id)
    return Message(
        member_id=member_id,
        instance_id=facts.instance_id,
        rack_id=facts.rack_id,
        member_epoch=now.epoch,
        client_id=facts.client_id,
        client_host=facts.client_host,
        subscribed_topic_names=list(facts.topics),
        subscribed_topic_regex=facts.regex or "",
        assignment=_assignment(services, now.assigned),
        target_assignment=_assignment(services, group.targets.get(member_id, {})),
        member_type=CONSUMER_MEMBER,
    )


def _assignment(services: Services, assignment: Assignment) -> Message:
    """Topics that are gone have no name and are left out, as in the original."""
    return Message(
        topic_partitions=[
            Message(topic_id=topic_id, topic_name=name, partitions=list(numbers))
            for topic_id, numbers in assignment.items()
            if (name := services.metadata.topic_name(topic_id)) is not None
        ]
    )
