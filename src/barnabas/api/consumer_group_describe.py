"""ConsumerGroupDescribe v0-1 (KIP-848): epochs and members, with current and target assignments.

For a classic group the answer is GROUP_ID_NOT_FOUND; clients then send DescribeGroups. v1 adds the
type of each member.
"""

from __future__ import annotations

from barnabas.api.access import NOT_ASKED, allowed, denied, operations
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.coordinator.group.consumer.group import ConsumerGroup
from barnabas.coordinator.group.records.assignment import Assignment
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.consumer_group_describe import (
    ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse,
)

CONSUMER_MEMBER = 1
HIDDEN = "The described group uses topics that the client is not authorized to describe."


@serves(
    ApiKey.CONSUMER_GROUP_DESCRIBE,
    of_each(
        (ResourceType.GROUP, AclOperation.DESCRIBE), (ResourceType.TOPIC, AclOperation.DESCRIBE)
    ),
)
def handle(services: Services, request: Request) -> Answer:
    """Waits until pending changes of the groups are replicated, so that it shows nothing that could
    be lost."""
    return _describe(services, request)


async def _describe(services: Services, request: Request) -> Pieces:
    groups = []
    decoded = request.decode(ConsumerGroupDescribeRequest)
    described = allowed(services, request, AclOperation.DESCRIBE, ResourceType.GROUP)
    topics = allowed(services, request, AclOperation.DESCRIBE, ResourceType.TOPIC)
    for name in decoded.group_ids:
        try:
            if services.groups.consumer_groups.settings.enabled and name not in described:
                raise denied(ErrorCode.GROUP_AUTHORIZATION_FAILED)
            group = await services.groups.consumer_groups.describe(name)
            if any(topic not in topics for topic in _topics_of(services, group)):
                raise KafkaError(ErrorCode.TOPIC_AUTHORIZATION_FAILED, HIDDEN)
            may = NOT_ASKED
            if decoded.include_authorized_operations:
                may = operations(services, request, ResourceType.GROUP, name)
            groups.append(_group(services, group, may))
        except KafkaError as error:
            groups.append(_refusal(name, error))
    return request.answer(ConsumerGroupDescribeResponse(throttle_time=0, groups=groups))


def _refusal(name: str, error: KafkaError) -> ConsumerGroupDescribeResponse.DescribedGroup:
    return ConsumerGroupDescribeResponse.DescribedGroup(
        error_code=error.code,
        error_message=error.message or None,
        group_id=name,
        group_state="",
        group_epoch=0,
        assignment_epoch=0,
        assignor_name="",
        members=[],
        authorized_operations=NOT_ASKED,
    )


def _topics_of(services: Services, group: ConsumerGroup) -> set[str]:
    """The topics that the group's members subscribe to or have assigned."""
    found: set[str] = set()
    for member_id, facts in group.members.items():
        found.update(facts.topics)
        for given in (group.now_of(member_id).assigned, group.targets.get(member_id, {})):
            names = map(services.metadata.topic_name, given)
            found.update(name for name in names if name is not None)
    return found


def _group(
    services: Services, group: ConsumerGroup, may: int
) -> ConsumerGroupDescribeResponse.DescribedGroup:
    default = services.groups.consumer_groups.settings.assignors[0]
    return ConsumerGroupDescribeResponse.DescribedGroup(
        error_code=ErrorCode.NONE,
        error_message=None,
        group_id=group.id,
        group_state=group.state.value,
        group_epoch=group.epoch,
        assignment_epoch=group.target_epoch,
        assignor_name=group.assignor(default),
        members=[_member(services, group, member_id) for member_id in group.members],
        authorized_operations=may,
    )


def _member(
    services: Services, group: ConsumerGroup, member_id: str
) -> ConsumerGroupDescribeResponse.Member:
    facts, now = group.members[member_id], group.now_of(member_id)
    return ConsumerGroupDescribeResponse.Member(
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


def _assignment(
    services: Services, assignment: Assignment
) -> ConsumerGroupDescribeResponse.Assignment:
    """An assignment. Deleted topics have no name and are left out, as in Kafka."""
    return ConsumerGroupDescribeResponse.Assignment(
        topic_partitions=[
            ConsumerGroupDescribeResponse.TopicPartitions(
                topic_id=topic_id, topic_name=name, partitions=list(numbers)
            )
            for topic_id, numbers in assignment.items()
            if (name := services.metadata.topic_name(topic_id)) is not None
        ]
    )
