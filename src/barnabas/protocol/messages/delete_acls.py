"""DeleteAcls: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class DeleteAclsResponse(ResponseMessage, kw_only=True):
    """DeleteAcls, v1-3."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DELETE_ACLS

    class FilterResult(MessageStruct, kw_only=True):
        """v1-3."""

        error_code: int
        error_message: str | None
        matching_acls: Sequence[DeleteAclsResponse.MatchingAcl]

    class MatchingAcl(MessageStruct, kw_only=True):
        """v1-3."""

        error_code: int
        error_message: str | None
        resource_type: int
        resource_name: str
        pattern_type: int = 3
        principal: str
        host: str
        operation: int
        permission_type: int

    throttle_time: int
    filter_results: Sequence[DeleteAclsResponse.FilterResult]


class DeleteAclsRequest(RequestMessage[DeleteAclsResponse], kw_only=True):
    """DeleteAcls, v1-3."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DELETE_ACLS

    class Filter(MessageStruct, kw_only=True):
        """v1-3."""

        resource_type_filter: int
        resource_name_filter: str | None
        pattern_type_filter: int = 3
        principal_filter: str | None
        host_filter: str | None
        operation: int
        permission_type: int

    filters: Sequence[DeleteAclsRequest.Filter]
