"""AlterConfigs: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class AlterConfigsResponse(ResponseMessage, kw_only=True):
    """AlterConfigs, v0-2."""

    API_KEY: ClassVar[ApiKey] = ApiKey.ALTER_CONFIGS

    class ResourceResponse(MessageStruct, kw_only=True):
        """v0-2."""

        error_code: int
        error_message: str | None
        resource_type: int
        resource_name: str

    throttle_time: int
    responses: Sequence[AlterConfigsResponse.ResourceResponse]


class AlterConfigsRequest(RequestMessage[AlterConfigsResponse], kw_only=True):
    """AlterConfigs, v0-2."""

    API_KEY: ClassVar[ApiKey] = ApiKey.ALTER_CONFIGS

    class Resource(MessageStruct, kw_only=True):
        """v0-2."""

        resource_type: int
        resource_name: str
        configs: Sequence[AlterConfigsRequest.AlterableConfig]

    class AlterableConfig(MessageStruct, kw_only=True):
        """v0-2."""

        name: str
        value: str | None

    resources: Sequence[AlterConfigsRequest.Resource]
    validate_only: bool
