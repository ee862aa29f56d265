"""SyncGroup v0-5: the leader sends the assignment of a generation, each member gets its part.

It answers once the assignment is replicated. From v5 a member names the protocol that it expects.
"""

from __future__ import annotations

from barnabas.api.access import is_allowed
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.api.when import when
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.coordinator.group.classic.member import SyncRequest, SyncResult
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse

PROTOCOL_FROM = 5


@serves(ApiKey.SYNC_GROUP, of_each((ResourceType.GROUP, AclOperation.READ)))
def handle(services: Services, request: Request) -> Answer:
    """Waits for the leader of the group."""
    decoded = request.decode(SyncGroupRequest)
    protocol_type = decoded.protocol_type
    protocol = decoded.protocol_name
    if request.api_version >= PROTOCOL_FROM and (protocol_type is None or protocol is None):
        refused = SyncResult(error=ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
        return _answer(request, refused)
    if not is_allowed(services, request, AclOperation.READ, ResourceType.GROUP, decoded.group_id):
        return _answer(request, SyncResult(error=ErrorCode.GROUP_AUTHORIZATION_FAILED))
    result = services.groups.sync(
        decoded.group_id,
        SyncRequest(
            member_id=decoded.member_id,
            instance_id=decoded.group_instance_id,
            generation=decoded.generation_id,
            protocol_type=protocol_type,
            protocol=protocol,
            assignments=tuple((a.member_id, a.assignment) for a in decoded.assignments),
        ),
    )

    def answer(synced: SyncResult) -> Pieces:
        return _answer(request, synced)

    return when(result, answer)


def _answer(request: Request, synced: SyncResult) -> Pieces:
    return request.answer(
        SyncGroupResponse(
            throttle_time=0,
            error_code=synced.error,
            protocol_type=synced.protocol_type,
            protocol_name=synced.protocol,
            assignment=synced.assignment,
        )
    )
