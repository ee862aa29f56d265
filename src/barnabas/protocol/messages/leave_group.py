"""LeaveGroup: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class LeaveGroupResponse(ResponseMessage, kw_only=True):
    """LeaveGroup, v0-5."""

    API_KEY: ClassVar[ApiKey] = ApiKey.LEAVE_GROUP

    class MemberResponse(MessageStruct, kw_only=True):
        """v3-5."""

        member_id: str
        group_instance_id: str | None
        error_code: int

    error_code: int
    throttle_time: int = 0  # v1-5
    members: Sequence[LeaveGroupResponse.MemberResponse] = ()  # v3-5


class LeaveGroupRequest(RequestMessage[LeaveGroupResponse], kw_only=True):
    """LeaveGroup, v0-5."""

    API_KEY: ClassVar[ApiKey] = ApiKey.LEAVE_GROUP

    class MemberIdentity(MessageStruct, kw_only=True):
        """v3-5."""

        member_id: str
        group_instance_id: str | None = None
        reason: str | None = None  # v5

    group_id: str
    member_id: str = ""  # v0-2
    members: Sequence[LeaveGroupRequest.MemberIdentity] = ()  # v3-5
