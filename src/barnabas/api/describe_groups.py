"""DescribeGroups v0-5: state, protocol, members and assignments of groups. An unknown group is
Dead.

From v3 a client may also ask which operations it is allowed on the group.
"""

from __future__ import annotations

from barnabas.api.access import NOT_ASKED, allowed, operations
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request, Steps, each
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.coordinator.group.classic.member import GroupView
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.describe_groups import DescribeGroupsRequest, DescribeGroupsResponse


@serves(ApiKey.DESCRIBE_GROUPS, of_each((ResourceType.GROUP, AclOperation.DESCRIBE)))
def handle(services: Services, request: Request) -> Answer:
    """Describes each group separately."""
    return request.in_steps_if_long(_answer(services, request))


def _answer(services: Services, request: Request) -> Steps[Pieces]:
    decoded = request.decode(DescribeGroupsRequest)
    asked = decoded.include_authorized_operations
    described = allowed(services, request, AclOperation.DESCRIBE, ResourceType.GROUP)

    def group(name: str) -> DescribeGroupsResponse.DescribedGroup:
        if name not in described:
            return _group(GroupView(id=name, error=ErrorCode.GROUP_AUTHORIZATION_FAILED), NOT_ASKED)
        view, may = services.groups.describe(name), NOT_ASKED
        if asked and view.error == ErrorCode.NONE:
            may = operations(services, request, ResourceType.GROUP, name)
        return _group(view, may)

    groups = yield from each(decoded.groups, group)
    return (
        yield from request.answer_in_steps(DescribeGroupsResponse(throttle_time=0, groups=groups))
    )


def _group(group: GroupView, may: int) -> DescribeGroupsResponse.DescribedGroup:
    return DescribeGroupsResponse.DescribedGroup(
        error_code=group.error,
        group_id=group.id,
        group_state=group.state,
        protocol_type=group.protocol_type,
        protocol_data=group.protocol,
        members=[
            DescribeGroupsResponse.DescribedGroupMember(
                member_id=m.id,
                group_instance_id=m.instance_id,
                client_id=m.client_id,
                client_host=m.client_host,
                member_metadata=m.metadata,
                member_assignment=m.assignment,
            )
            for m in group.members
        ],
        authorized_operations=may,
    )
