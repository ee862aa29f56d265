"""Heartbeat: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import RequestMessage, ResponseMessage


class HeartbeatResponse(ResponseMessage, kw_only=True):
    """Heartbeat, v0-4."""

    API_KEY: ClassVar[ApiKey] = ApiKey.HEARTBEAT

    error_code: int
    throttle_time: int = 0  # v1-4


class HeartbeatRequest(RequestMessage[HeartbeatResponse], kw_only=True):
    """Heartbeat, v0-4."""

    API_KEY: ClassVar[ApiKey] = ApiKey.HEARTBEAT

    group_id: str
    generation_id: int
    member_id: str
    group_instance_id: str | None = None  # v3-4
