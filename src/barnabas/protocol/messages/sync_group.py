"""SyncGroup: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class SyncGroupResponse(ResponseMessage, kw_only=True):
    """SyncGroup, v0-5."""

    API_KEY: ClassVar[ApiKey] = ApiKey.SYNC_GROUP

    error_code: int
    assignment: bytes
    throttle_time: int = 0  # v1-5
    protocol_type: str | None = None  # v5
    protocol_name: str | None = None  # v5


class SyncGroupRequest(RequestMessage[SyncGroupResponse], kw_only=True):
    """SyncGroup, v0-5."""

    API_KEY: ClassVar[ApiKey] = ApiKey.SYNC_GROUP

    class Assignment(MessageStruct, kw_only=True):
        """v0-5."""

        member_id: str
        assignment: bytes

    group_id: str
    generation_id: int
    member_id: str
    assignments: Sequence[SyncGroupRequest.Assignment]
    group_instance_id: str | None = None  # v3-5
    protocol_type: str | None = None  # v5
    protocol_name: str | None = None  # v5
