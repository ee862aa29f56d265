"""FindCoordinator: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class FindCoordinatorResponse(ResponseMessage, kw_only=True):
    """FindCoordinator, v0-6."""

    API_KEY: ClassVar[ApiKey] = ApiKey.FIND_COORDINATOR

    class Coordinator(MessageStruct, kw_only=True):
        """v4-6."""

        key: str
        node_id: int
        host: str
        port: int
        error_code: int
        error_message: str | None

    error_code: int = 0  # v0-3
    node_id: int = 0  # v0-3
    host: str = ""  # v0-3
    port: int = 0  # v0-3
    throttle_time: int = 0  # v1-6
    error_message: str | None = None  # v1-3
    coordinators: Sequence[FindCoordinatorResponse.Coordinator] = ()  # v4-6


class FindCoordinatorRequest(RequestMessage[FindCoordinatorResponse], kw_only=True):
    """FindCoordinator, v0-6."""

    API_KEY: ClassVar[ApiKey] = ApiKey.FIND_COORDINATOR

    key: str = ""  # v0-3
    key_type: int = 0  # v1-6
    coordinator_keys: Sequence[str] = ()  # v4-6
