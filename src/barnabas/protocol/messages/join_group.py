"""JoinGroup: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class JoinGroupResponse(ResponseMessage, kw_only=True):
    """JoinGroup, v0-9."""

    API_KEY: ClassVar[ApiKey] = ApiKey.JOIN_GROUP

    class Member(MessageStruct, kw_only=True):
        """v0-9."""

        member_id: str
        metadata: bytes
        group_instance_id: str | None = None  # v5-9

    error_code: int
    generation_id: int = -1
    protocol_name: str | None
    leader: str
    member_id: str
    members: Sequence[JoinGroupResponse.Member]
    throttle_time: int = 0  # v2-9
    protocol_type: str | None = None  # v7-9
    skip_assignment: bool = False  # v9


class JoinGroupRequest(RequestMessage[JoinGroupResponse], kw_only=True):
    """JoinGroup, v0-9."""

    API_KEY: ClassVar[ApiKey] = ApiKey.JOIN_GROUP

    class Protocol(MessageStruct, kw_only=True):
        """v0-9."""

        name: str
        metadata: bytes

    group_id: str
    session_timeout: int
    member_id: str
    protocol_type: str
    protocols: Sequence[JoinGroupRequest.Protocol]
    rebalance_timeout: int = -1  # v1-9
    group_instance_id: str | None = None  # v5-9
    reason: str | None = None  # v8-9
