"""DeleteAcls: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class DeleteAclsResponse(ResponseMessage, kw_only=True):
    """DeleteAcls, v0-3."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DELETE_ACLS

    class FilterResult(MessageStruct, kw_only=True):
        """v0-3."""

        error_code: int
        error_message: str | None
        matching_acls: Sequence[DeleteAclsResponse.MatchingAcl]

    class MatchingAcl(MessageStruct, kw_only=True):
        """v0-3."""

        error_code: int
        error_message: str | None
        resource_type: int
        resource_name: str
        principal: str
        host: str
        operation: int
        permission_type: int
        pattern_type: int = 3  # v1-3

    throttle_time: int
    filter_results: Sequence[DeleteAclsResponse.FilterResult]


class DeleteAclsRequest(RequestMessage[DeleteAclsResponse], kw_only=True):
    """DeleteAcls, v0-3."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DELETE_ACLS

    class Filter(MessageStruct, kw_only=True):
        """v0-3."""

        resource_type_filter: int
        resource_name_filter: str | None
        principal_filter: str | None
        host_filter: str | None
        operation: int
        permission_type: int
        pattern_type_filter: int = 3  # v1-3

    filters: Sequence[DeleteAclsRequest.Filter]
