"""UpdateFeatures v0-1 (KIP-584): refuses every change, since there are no features.

Kafka's brokers have none in ZooKeeper mode either. Only the controller serves it.
"""

from __future__ import annotations

from barnabas.api.access import refuse_without_items
from barnabas.api.registry import on_cluster, serves
from barnabas.api.request import Answer, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation
from barnabas.errors import TEXTS, ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.update_features import UpdateFeaturesRequest, UpdateFeaturesResponse

UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE = 1, 2, 3
KINDS_FROM = 1
"""The first version with a kind of change; v0 only says whether a downgrade is allowed."""


@serves(ApiKey.UPDATE_FEATURES, on_cluster(AclOperation.ALTER, refuse_without_items))
def handle(services: Services, request: Request) -> Answer:
    """Answers the reason for each feature, once."""
    decoded = request.decode(UpdateFeaturesRequest)
    answer = UpdateFeaturesResponse(
        throttle_time=0, error_code=ErrorCode.NONE, error_message=None, results=[]
    )
    if not services.controller.is_active:
        answer.error_code = ErrorCode.NOT_CONTROLLER
        answer.error_message = TEXTS[ErrorCode.NOT_CONTROLLER]
        return request.answer(answer)
    first: dict[str, UpdateFeaturesRequest.FeatureUpdateKey] = {}
    for update in decoded.feature_updates:
        first.setdefault(update.feature, update)
    answer.results = [
        UpdateFeaturesResponse.UpdatableFeatureResult(
            feature=name,
            error_code=ErrorCode.INVALID_REQUEST,
            error_message=_reason(update, _kind(update, request.api_version)),
        )
        for name, update in first.items()
    ]
    return request.answer(answer)


def _kind(update: UpdateFeaturesRequest.FeatureUpdateKey, version: int) -> int:
    if version >= KINDS_FROM:
        return int(update.upgrade_type)
    return SAFE_DOWNGRADE if update.allow_downgrade else UPGRADE


def _reason(update: UpdateFeaturesRequest.FeatureUpdateKey, kind: int) -> str:
    level = update.max_version_level
    if not update.feature:
        return "Feature name can not be empty."
    if kind not in (UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE):
        return "Received unknown upgrade type."
    if level < 1 and kind != UPGRADE:
        return "Can not delete non-existing finalized feature."
    if level < 1:
        return (
            f"Can not provide versionLevel: {level} less than 1 without setting the SAFE"
            " downgradeType in the request."
        )
    return "Could not apply finalized feature update because the provided feature is not supported."
