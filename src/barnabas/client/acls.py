"""Lists and changes ACLs for a client. An ACL is an entry of CreateAcls."""

from __future__ import annotations

from collections.abc import Sequence

from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.create_acls import CreateAclsRequest
from barnabas.protocol.messages.delete_acls import DeleteAclsRequest
from barnabas.protocol.messages.describe_acls import DescribeAclsRequest

VERSION = 3


async def create_acls(
    client: ClusterClient, creations: Sequence[CreateAclsRequest.AclCreation]
) -> None:
    """Add ACLs. An existing one is not changed. Raises ClientError for the first that was refused,
    and Unreachable."""
    message = CreateAclsRequest(creations=list(creations))
    answer = await client.any_broker(ApiKey.CREATE_ACLS, VERSION, message)
    for asked, result in zip(creations, answer.results, strict=False):
        if result.error_code:
            what = f"ACL for {asked.principal}"
            raise ClientError(what, result.error_code, result.error_message)


async def describe_acls(
    client: ClusterClient, wanted: DescribeAclsRequest
) -> list[CreateAclsRequest.AclCreation]:
    """The ACLs that match a filter. Raises ClientError, Unreachable."""
    answer = await client.any_broker(ApiKey.DESCRIBE_ACLS, VERSION, wanted)
    if answer.error_code:
        raise ClientError("ACLs", answer.error_code, answer.error_message)
    return [
        CreateAclsRequest.AclCreation(
            resource_type=resource.resource_type,
            resource_name=resource.resource_name,
            resource_pattern_type=resource.pattern_type,
            principal=acl.principal,
            host=acl.host,
            operation=acl.operation,
            permission_type=acl.permission_type,
        )
        for resource in answer.resources
        for acl in resource.acls
    ]


async def delete_acls(
    client: ClusterClient, filters: Sequence[DeleteAclsRequest.Filter]
) -> list[CreateAclsRequest.AclCreation]:
    """Delete the ACLs that match the filters. Returns those that were deleted. Raises ClientError
    for the first that was refused, and Unreachable."""
    message = DeleteAclsRequest(filters=list(filters))
    answer = await client.any_broker(ApiKey.DELETE_ACLS, VERSION, message)
    deleted = []
    for result in answer.filter_results:
        if result.error_code:
            raise ClientError("ACLs", result.error_code, result.error_message)
        for acl in result.matching_acls:
            if acl.error_code:
                what = f"ACL for {acl.principal}"
                raise ClientError(what, acl.error_code, acl.error_message)
            deleted.append(
                CreateAclsRequest.AclCreation(
                    resource_type=acl.resource_type,
                    resource_name=acl.resource_name,
                    resource_pattern_type=acl.pattern_type,
                    principal=acl.principal,
                    host=acl.host,
                    operation=acl.operation,
                    permission_type=acl.permission_type,
                )
            )
    return deleted
