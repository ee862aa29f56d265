"""IncrementalAlterConfigs: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class IncrementalAlterConfigsResponse(ResponseMessage, kw_only=True):
    """IncrementalAlterConfigs, v0-1."""

    API_KEY: ClassVar[ApiKey] = ApiKey.INCREMENTAL_ALTER_CONFIGS

    class AlterConfigsResourceResponse(MessageStruct, kw_only=True):
        """v0-1."""

        error_code: int
        error_message: str | None
        resource_type: int
        resource_name: str

    throttle_time: int
    responses: Sequence[IncrementalAlterConfigsResponse.AlterConfigsResourceResponse]


class IncrementalAlterConfigsRequest(RequestMessage[IncrementalAlterConfigsResponse], kw_only=True):
    """IncrementalAlterConfigs, v0-1."""

    API_KEY: ClassVar[ApiKey] = ApiKey.INCREMENTAL_ALTER_CONFIGS

    class AlterConfigsResource(MessageStruct, kw_only=True):
        """v0-1."""

        resource_type: int
        resource_name: str
        configs: Sequence[IncrementalAlterConfigsRequest.AlterableConfig]

    class AlterableConfig(MessageStruct, kw_only=True):
        """v0-1."""

        name: str
        config_operation: int
        value: str | None

    resources: Sequence[IncrementalAlterConfigsRequest.AlterConfigsResource]
    validate_only: bool
