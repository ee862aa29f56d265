"""DeleteGroups v0-2: deletes groups without members, with their positions.

It answers once that is replicated, so that a deleted group does not come back with the next
coordinator. Kafka does not wait.
"""

from __future__ import annotations

import asyncio

from barnabas.api.access import allowed
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.delete_groups import DeleteGroupsRequest, DeleteGroupsResponse

GROUPS_AT_ONCE = 500
"""How many groups are deleted together. Between such parts other requests are served."""


@serves(ApiKey.DELETE_GROUPS, of_each((ResourceType.GROUP, AclOperation.DELETE)))
def handle(services: Services, request: Request) -> Answer:
    """Deletes each group separately."""
    return _delete(services, request)


async def _delete(services: Services, request: Request) -> Pieces:
    delete = services.groups.offsets.delete_group
    names = list(dict.fromkeys(request.decode(DeleteGroupsRequest).groups_names))
    deletable = allowed(services, request, AclOperation.DELETE, ResourceType.GROUP)
    denied = [name for name in names if name not in deletable]
    names = [name for name in names if name in deletable]
    error = ErrorCode.GROUP_AUTHORIZATION_FAILED
    results = [
        DeleteGroupsResponse.DeletableGroupResult(group_id=name, error_code=error)
        for name in denied
    ]
    for at in range(0, len(names), GROUPS_AT_ONCE):
        part = names[at : at + GROUPS_AT_ONCE]
        errors = await asyncio.gather(*map(delete, part))
        results += [
            DeleteGroupsResponse.DeletableGroupResult(group_id=name, error_code=error)
            for name, error in zip(part, errors, strict=True)
        ]
    return request.answer(DeleteGroupsResponse(throttle_time=0, results=results))
