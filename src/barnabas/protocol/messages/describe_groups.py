"""DescribeGroups: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class DescribeGroupsResponse(ResponseMessage, kw_only=True):
    """DescribeGroups, v0-5."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DESCRIBE_GROUPS

    class DescribedGroup(MessageStruct, kw_only=True):
        """v0-5."""

        error_code: int
        group_id: str
        group_state: str
        protocol_type: str
        protocol_data: str
        members: Sequence[DescribeGroupsResponse.DescribedGroupMember]
        authorized_operations: int = -2147483648  # v3-5

    class DescribedGroupMember(MessageStruct, kw_only=True):
        """v0-5."""

        member_id: str
        client_id: str
        client_host: str
        member_metadata: bytes
        member_assignment: bytes
        group_instance_id: str | None = None  # v4-5

    groups: Sequence[DescribeGroupsResponse.DescribedGroup]
    throttle_time: int = 0  # v1-5


class DescribeGroupsRequest(RequestMessage[DescribeGroupsResponse], kw_only=True):
    """DescribeGroups, v0-5."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DESCRIBE_GROUPS

    groups: Sequence[str]
    include_authorized_operations: bool = False  # v3-5
