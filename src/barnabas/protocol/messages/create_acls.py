"""CreateAcls: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class CreateAclsResponse(ResponseMessage, kw_only=True):
    """CreateAcls, v0-3."""

    API_KEY: ClassVar[ApiKey] = ApiKey.CREATE_ACLS

    class AclCreationResult(MessageStruct, kw_only=True):
        """v0-3."""

        error_code: int
        error_message: str | None

    throttle_time: int
    results: Sequence[CreateAclsResponse.AclCreationResult]


class CreateAclsRequest(RequestMessage[CreateAclsResponse], kw_only=True):
    """CreateAcls, v0-3."""

    API_KEY: ClassVar[ApiKey] = ApiKey.CREATE_ACLS

    class AclCreation(MessageStruct, kw_only=True):
        """v0-3."""

        resource_type: int
        resource_name: str
        principal: str
        host: str
        operation: int
        permission_type: int
        resource_pattern_type: int = 3  # v1-3

    creations: Sequence[CreateAclsRequest.AclCreation]
