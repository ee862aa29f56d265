"""JoinGroup v0-9: a member joins the next generation; it is answered when that begins.

v0 has no rebalance timeout, so the session timeout is used. In v4 and later a new member first gets
its id (MEMBER_ID_REQUIRED). v5 adds static members, v7 the protocol type in the answer, v8 a reason
(which Kafka logs; it is ignored here). v9 lets a returning static leader skip the assignment.
"""

from __future__ import annotations

from barnabas.api.access import is_allowed
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.api.when import when
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.coordinator.group.classic.member import JoinRequest, JoinResult
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse

MEMBER_ID_REQUIRED_FROM = 4
REBALANCE_TIMEOUT_FROM = 1
NULLABLE_PROTOCOL_FROM = 7
SKIP_ASSIGNMENT_FROM = 9


@serves(ApiKey.JOIN_GROUP, of_each((ResourceType.GROUP, AclOperation.READ)))
def handle(services: Services, request: Request) -> Answer:
    """Waits for the other members, up to the rebalance timeout."""
    decoded = request.decode(JoinGroupRequest)
    if not is_allowed(services, request, AclOperation.READ, ResourceType.GROUP, decoded.group_id):
        return _answer(request, JoinResult(error=ErrorCode.GROUP_AUTHORIZATION_FAILED))
    version = request.api_version
    session_timeout_ms = decoded.session_timeout
    rebalance_timeout_ms = (
        decoded.rebalance_timeout if version >= REBALANCE_TIMEOUT_FROM else session_timeout_ms
    )
    instance_id = decoded.group_instance_id
    client_id = request.client_id or ""
    new_id = services.groups.new_member_id(instance_id or client_id)
    result = services.groups.join(
        decoded.group_id,
        JoinRequest(
            member_id=decoded.member_id,
            instance_id=instance_id,
            client_id=client_id,
            client_host=f"/{request.client_host}",
            rebalance_timeout_ms=rebalance_timeout_ms,
            session_timeout_ms=session_timeout_ms,
            protocol_type=decoded.protocol_type,
            protocols=tuple((p.name, p.metadata) for p in decoded.protocols),
            new_member_id=new_id,
            require_known_member_id=version >= MEMBER_ID_REQUIRED_FROM,
            can_skip_assignment=version >= SKIP_ASSIGNMENT_FROM,
        ),
    )

    def answer(joined: JoinResult) -> Pieces:
        return _answer(request, joined)

    return when(result, answer)


def _answer(request: Request, joined: JoinResult) -> Pieces:
    protocol = joined.protocol
    if protocol is None and request.api_version < NULLABLE_PROTOCOL_FROM:
        protocol = ""
    return request.answer(
        JoinGroupResponse(
            throttle_time=0,
            error_code=joined.error,
            generation_id=joined.generation,
            protocol_type=joined.protocol_type,
            protocol_name=protocol,
            leader=joined.leader,
            skip_assignment=joined.skip_assignment,
            member_id=joined.member_id,
            members=[
                JoinGroupResponse.Member(
                    member_id=member_id, group_instance_id=instance_id, metadata=metadata
                )
                for member_id, instance_id, metadata in joined.members
            ],
        )
    )
