"""ControlledShutdown: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class ControlledShutdownResponse(ResponseMessage, kw_only=True):
    """ControlledShutdown, v0-3."""

    API_KEY: ClassVar[ApiKey] = ApiKey.CONTROLLED_SHUTDOWN

    class RemainingPartition(MessageStruct, kw_only=True):
        """v0-3."""

        topic_name: str
        partition_index: int

    error_code: int
    remaining_partitions: Sequence[ControlledShutdownResponse.RemainingPartition]


class ControlledShutdownRequest(RequestMessage[ControlledShutdownResponse], kw_only=True):
    """ControlledShutdown, v0-3."""

    API_KEY: ClassVar[ApiKey] = ApiKey.CONTROLLED_SHUTDOWN

    broker_id: int
    broker_epoch: int = -1  # v2-3
