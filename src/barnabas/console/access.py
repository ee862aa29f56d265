"""Who may do what, who can log in, and how much who may have."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request

from barnabas.authorizer.acl import AclOperation, AclPermissionType, PatternType, ResourceType
from barnabas.client.acls import describe_acls
from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError
from barnabas.client.quotas import describe_quotas
from barnabas.client.users import list_users
from barnabas.console.asking import asking
from barnabas.console.context import console_of
from barnabas.http.answers import Json
from barnabas.protocol.messages.describe_acls import DescribeAclsRequest
from barnabas.quotas.entities import Filter

_ANY = 1


async def access(request: Request) -> Json:
    """``GET /api/access``: ACLs, users and quotas. Of each: ``rows``, or why there are none."""
    async with asking(console_of(request)) as client:
        return Json(
            {
                "acls": await _part(_acls, client),
                "users": await _part(_users, client),
                "quotas": await _part(_quotas, client),
            }
        )


async def _part(
    ask: Callable[[ClusterClient], Awaitable[list[dict[str, object]]]], client: ClusterClient
) -> dict[str, object]:
    try:
        return {"rows": await ask(client)}
    except ClientError as error:
        return {"rows": [], "error": str(error)}


async def _acls(client: ClusterClient) -> list[dict[str, object]]:
    everything = DescribeAclsRequest(
        resource_type_filter=_ANY,
        resource_name_filter=None,
        pattern_type_filter=_ANY,
        principal_filter=None,
        host_filter=None,
        operation=_ANY,
        permission_type=_ANY,
    )
    found = await describe_acls(client, everything)
    rows: list[dict[str, object]] = [
        {
            "principal": acl.principal,
            "permission": _label(AclPermissionType, int(acl.permission_type)),
            "operation": _label(AclOperation, int(acl.operation)),
            "resource": _label(ResourceType, int(acl.resource_type)),
            "name": acl.resource_name,
            "pattern": _label(PatternType, int(acl.resource_pattern_type)),
            "host": acl.host,
        }
        for acl in found
    ]
    return sorted(rows, key=lambda row: [str(value) for value in row.values()])


def _label(
    kind: type[AclPermissionType] | type[AclOperation] | type[ResourceType] | type[PatternType],
    number: int,
) -> str:
    """The word for a number; brokers newer than this may send others."""
    return kind(number).label if number in list(kind) else f"type {number}"


async def _users(client: ClusterClient) -> list[dict[str, object]]:
    found = await list_users(client)
    return [
        {"user": user, "mechanism": mechanism, "iterations": iterations}
        for user, mechanisms in sorted(found.items())
        for mechanism, iterations in sorted(mechanisms.items())
    ]


async def _quotas(client: ClusterClient) -> list[dict[str, object]]:
    found = await describe_quotas(client, Filter())
    return [
        {"entity": str(entity), "quota": name, "value": value}
        for entity, quotas in sorted(found.items(), key=lambda pair: str(pair[0]))
        for name, value in sorted(quotas.items())
    ]
