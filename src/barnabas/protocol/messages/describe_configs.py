"""DescribeConfigs: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class DescribeConfigsResponse(ResponseMessage, kw_only=True):
    """DescribeConfigs, v0-4."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DESCRIBE_CONFIGS

    class Result(MessageStruct, kw_only=True):
        """v0-4."""

        error_code: int
        error_message: str | None
        resource_type: int
        resource_name: str
        configs: Sequence[DescribeConfigsResponse.ResourceResult]

    class ResourceResult(MessageStruct, kw_only=True):
        """v0-4."""

        name: str
        value: str | None
        read_only: bool
        is_default: bool = False  # v0
        is_sensitive: bool
        config_source: int = -1  # v1-4
        synonyms: Sequence[DescribeConfigsResponse.Synonym] = ()  # v1-4
        config_type: int = 0  # v3-4
        documentation: str | None = None  # v3-4

    class Synonym(MessageStruct, kw_only=True):
        """v1-4."""

        name: str
        value: str | None
        source: int

    throttle_time: int
    results: Sequence[DescribeConfigsResponse.Result]


class DescribeConfigsRequest(RequestMessage[DescribeConfigsResponse], kw_only=True):
    """DescribeConfigs, v0-4."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DESCRIBE_CONFIGS

    class Resource(MessageStruct, kw_only=True):
        """v0-4."""

        resource_type: int
        resource_name: str
        configuration_keys: Sequence[str] | None

    resources: Sequence[DescribeConfigsRequest.Resource]
    include_synonyms: bool = False  # v1-4
    include_documentation: bool = False  # v3-4
