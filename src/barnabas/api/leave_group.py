"""LeaveGroup v0-5: members leave a group. v0-2 names one member, later versions several; a static
member is named by its instance id alone.

The answer does not wait until the record of an empty group is replicated, as in Kafka.
"""

from __future__ import annotations

from barnabas.api.access import is_allowed
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse

BATCHED_FROM = 3


@serves(ApiKey.LEAVE_GROUP, of_each((ResourceType.GROUP, AclOperation.READ)))
def handle(services: Services, request: Request) -> Answer:
    """Answers at once."""
    decoded = request.decode(LeaveGroupRequest)
    if not is_allowed(services, request, AclOperation.READ, ResourceType.GROUP, decoded.group_id):
        return request.answer(
            LeaveGroupResponse(
                throttle_time=0, error_code=ErrorCode.GROUP_AUTHORIZATION_FAILED, members=[]
            )
        )
    if request.api_version < BATCHED_FROM:
        error, errors = services.groups.leave(decoded.group_id, [(decoded.member_id, None)])
        if error == ErrorCode.NONE:
            error = errors[0]
        return request.answer(LeaveGroupResponse(throttle_time=0, error_code=error))
    members = [(m.member_id, m.group_instance_id) for m in decoded.members]
    error, errors = services.groups.leave(decoded.group_id, members)
    return request.answer(
        LeaveGroupResponse(
            throttle_time=0,
            error_code=error,
            members=[
                LeaveGroupResponse.MemberResponse(
                    member_id=member_id, group_instance_id=instance_id, error_code=code
                )
                for (member_id, instance_id), code in zip(members, errors, strict=False)
            ],
        )
    )
