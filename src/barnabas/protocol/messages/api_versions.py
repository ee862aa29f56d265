"""ApiVersions: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class ApiVersionsResponse(ResponseMessage, kw_only=True):
    """ApiVersions, v0-4."""

    API_KEY: ClassVar[ApiKey] = ApiKey.API_VERSIONS

    class ApiVersion(MessageStruct, kw_only=True):
        """v0-4."""

        api_key: int
        min_version: int
        max_version: int

    class SupportedFeatureKey(MessageStruct, kw_only=True):
        """v3-4."""

        name: str
        min_version: int
        max_version: int

    class FinalizedFeatureKey(MessageStruct, kw_only=True):
        """v3-4."""

        name: str
        max_version_level: int
        min_version_level: int

    error_code: int
    api_keys: Sequence[ApiVersionsResponse.ApiVersion]
    throttle_time: int = 0  # v1-4
    supported_features: Sequence[ApiVersionsResponse.SupportedFeatureKey] = ()  # v3-4
    finalized_features_epoch: int = -1  # v3-4
    finalized_features: Sequence[ApiVersionsResponse.FinalizedFeatureKey] = ()  # v3-4
    zk_migration_ready: bool = False  # v3-4


class ApiVersionsRequest(RequestMessage[ApiVersionsResponse], kw_only=True):
    """ApiVersions, v0-4."""

    API_KEY: ClassVar[ApiKey] = ApiKey.API_VERSIONS

    client_software_name: str = ""  # v3-4
    client_software_version: str = ""  # v3-4
