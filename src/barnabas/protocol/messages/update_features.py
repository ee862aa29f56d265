"""UpdateFeatures: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class UpdateFeaturesResponse(ResponseMessage, kw_only=True):
    """UpdateFeatures, v0-1."""

    API_KEY: ClassVar[ApiKey] = ApiKey.UPDATE_FEATURES

    class UpdatableFeatureResult(MessageStruct, kw_only=True):
        """v0-1."""

        feature: str
        error_code: int
        error_message: str | None

    throttle_time: int
    error_code: int
    error_message: str | None
    results: Sequence[UpdateFeaturesResponse.UpdatableFeatureResult]


class UpdateFeaturesRequest(RequestMessage[UpdateFeaturesResponse], kw_only=True):
    """UpdateFeatures, v0-1."""

    API_KEY: ClassVar[ApiKey] = ApiKey.UPDATE_FEATURES

    class FeatureUpdateKey(MessageStruct, kw_only=True):
        """v0-1."""

        feature: str
        max_version_level: int
        allow_downgrade: bool = False  # v0
        upgrade_type: int = 1  # v1

    timeout: int = 60000
    feature_updates: Sequence[UpdateFeaturesRequest.FeatureUpdateKey]
    validate_only: bool = False  # v1
