"""ListGroups v0-5: the groups that this broker coordinates; v4 filters by state, v5 by type."""

from __future__ import annotations

from collections.abc import Container

from barnabas.api.access import EVERYTHING, allowed, is_allowed_on_cluster
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.list_groups import ListGroupsRequest, ListGroupsResponse


@serves(
    ApiKey.LIST_GROUPS,
    of_each(
        (ResourceType.CLUSTER, AclOperation.DESCRIBE), (ResourceType.GROUP, AclOperation.DESCRIBE)
    ),
)
def handle(services: Services, request: Request) -> Answer:
    """Answers at once; COORDINATOR_LOAD_IN_PROGRESS while some groups are still being loaded."""
    decoded = request.decode(ListGroupsRequest)
    error, groups = services.groups.list(decoded.states_filter, decoded.types_filter)
    described: Container[str] = EVERYTHING
    if not is_allowed_on_cluster(services, request, AclOperation.DESCRIBE, quiet=True):
        described = allowed(
            services, request, AclOperation.DESCRIBE, ResourceType.GROUP, quiet=True
        )
    return request.answer(
        ListGroupsResponse(
            throttle_time=0,
            error_code=error,
            groups=[
                ListGroupsResponse.ListedGroup(
                    group_id=group.id,
                    protocol_type=group.protocol_type or "",
                    group_state=group.state.value,
                    group_type=group.kind,
                )
                for group in groups
                if group.id in described
            ],
        )
    )
