"""DeleteGroups: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class DeleteGroupsResponse(ResponseMessage, kw_only=True):
    """DeleteGroups, v0-2."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DELETE_GROUPS

    class DeletableGroupResult(MessageStruct, kw_only=True):
        """v0-2."""

        group_id: str
        error_code: int

    throttle_time: int
    results: Sequence[DeleteGroupsResponse.DeletableGroupResult]


class DeleteGroupsRequest(RequestMessage[DeleteGroupsResponse], kw_only=True):
    """DeleteGroups, v0-2."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DELETE_GROUPS

    groups_names: Sequence[str]
