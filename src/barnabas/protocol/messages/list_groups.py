"""ListGroups: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class ListGroupsResponse(ResponseMessage, kw_only=True):
    """ListGroups, v0-5."""

    API_KEY: ClassVar[ApiKey] = ApiKey.LIST_GROUPS

    class ListedGroup(MessageStruct, kw_only=True):
        """v0-5."""

        group_id: str
        protocol_type: str
        group_state: str = ""  # v4-5
        group_type: str = ""  # v5

    error_code: int
    groups: Sequence[ListGroupsResponse.ListedGroup]
    throttle_time: int = 0  # v1-5


class ListGroupsRequest(RequestMessage[ListGroupsResponse], kw_only=True):
    """ListGroups, v0-5."""

    API_KEY: ClassVar[ApiKey] = ApiKey.LIST_GROUPS

    states_filter: Sequence[str] = ()  # v4-5
    types_filter: Sequence[str] = ()  # v5
