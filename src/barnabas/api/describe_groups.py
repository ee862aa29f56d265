"""DescribeGroups v0-5: state, protocol, members and what they own; an unknown group is Dead.

Nobody is told what they may do with a group: there are no authorizations.
"""

from __future__ import annotations

from barnabas.api.request import Answer, Request
from barnabas.api.services import Services
from barnabas.groups.member import GroupView
from barnabas.protocol.message import Message

NO_OPERATIONS = -(2**31)


def handle(services: Services, request: Request) -> Answer:
    """At once."""
    groups = [_group(services.groups.describe(name)) for name in request.decode().groups]
    return request.answer(Message(throttle_time=0, groups=groups))


def _group(group: GroupView) -> Message:
    return Message(
        error_code=group.error,
        group_id=group.id,
        group_state=group.state,
        protocol_type=group.protocol_type,
        protocol_data=group.protocol,
        members=[
            Message(
                member_id=m.id,
                group_instance_id=m.instance_id,
                client_id=m.client_id,
                client_host=m.client_host,
                member_metadata=m.metadata,
                member_assignment=m.assignment,
            )
            for m in group.members
        ],
        authorized_operations=NO_OPERATIONS,
    )
