"""DescribeAcls: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class DescribeAclsResponse(ResponseMessage, kw_only=True):
    """DescribeAcls, v0-3."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DESCRIBE_ACLS

    class Resource(MessageStruct, kw_only=True):
        """v0-3."""

        resource_type: int
        resource_name: str
        acls: Sequence[DescribeAclsResponse.AclDescription]
        pattern_type: int = 3  # v1-3

    class AclDescription(MessageStruct, kw_only=True):
        """v0-3."""

        principal: str
        host: str
        operation: int
        permission_type: int

    throttle_time: int
    error_code: int
    error_message: str | None
    resources: Sequence[DescribeAclsResponse.Resource]


class DescribeAclsRequest(RequestMessage[DescribeAclsResponse], kw_only=True):
    """DescribeAcls, v0-3."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DESCRIBE_ACLS

    resource_type_filter: int
    resource_name_filter: str | None
    principal_filter: str | None
    host_filter: str | None
    operation: int
    permission_type: int
    pattern_type_filter: int = 3  # v1-3
