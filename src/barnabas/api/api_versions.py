"""ApiVersions v0-4: the APIs that this broker serves, with their versions.

An unknown version is answered in the format of v0, with UNSUPPORTED_VERSION and the versions of
ApiVersions only, so that the client can ask again (KIP-511). Client libraries guess Kafka's version
from the list. So it has every API of 3.9 in ZooKeeper mode, including some that are always refused.
The feature epoch is the version of ``/feature``.
"""

from __future__ import annotations

import logging
import re
from functools import lru_cache

from barnabas.api.registry import ANYBODY, serves
from barnabas.api.request import Answer, Request
from barnabas.api.services import Services
from barnabas.errors import ErrorCode
from barnabas.protocol.api import API_TABLE, ApiKey
from barnabas.protocol.codec import encode_body, encode_response
from barnabas.protocol.header import response_start
from barnabas.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse

SHOWN_MAX = 64
"""Characters of a client's name and version that are kept while it is connected."""

log = logging.getLogger("kafka.request.logger")

CONSUMER_PROTOCOL = (ApiKey.CONSUMER_GROUP_HEARTBEAT, ApiKey.CONSUMER_GROUP_DESCRIBE)
_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")


@serves(ApiKey.API_VERSIONS, ANYBODY)
def handle(services: Services, request: Request) -> Answer:
    """Lists all APIs of the table; each has a handler."""
    api = API_TABLE[ApiKey.API_VERSIONS]
    if not api.serves(request.api_version):
        answer = _answer(services.features.epoch, [_row(api.key, api.max_version)])
        answer.error_code = ErrorCode.UNSUPPORTED_VERSION
        return [encode_response(ApiKey.API_VERSIONS, 0, request.correlation_id, answer)]
    if request.api_version >= 3:
        decoded = request.decode(ApiVersionsRequest)
        name, version = decoded.client_software_name, decoded.client_software_version
        if not (_NAME.fullmatch(name) and _NAME.fullmatch(version)):
            return request.answer(
                ApiVersionsResponse(
                    error_code=ErrorCode.INVALID_REQUEST, api_keys=[], throttle_time=0
                )
            )
        log.debug("client %s %s at %s", name, version, request.client_host)
        if request.line is not None:
            request.line.software = (name[:SHOWN_MAX], version[:SHOWN_MAX])
    consumer_protocol = services.groups.consumer_groups.settings.enabled
    served = request.api_version
    body = _encoded(served, services.features.epoch, consumer_protocol)
    return [response_start(ApiKey.API_VERSIONS, served, request.correlation_id, len(body)) + body]


@lru_cache(maxsize=32)
def _encoded(version: int, feature_epoch: int, consumer_protocol: bool) -> bytes:
    """The answer without its header. Brokers ask each other for it all the time, as a sign of
    life, and it stays the same."""
    answer = _answer(feature_epoch, _rows(consumer_protocol))
    return encode_body(ApiKey.API_VERSIONS, version, answer, response=True)


def _answer(feature_epoch: int, rows: list[ApiVersionsResponse.ApiVersion]) -> ApiVersionsResponse:
    return ApiVersionsResponse(
        error_code=ErrorCode.NONE,
        api_keys=rows,
        throttle_time=0,
        supported_features=[],
        finalized_features_epoch=feature_epoch,
        finalized_features=[],
        zk_migration_ready=False,
    )


def _rows(consumer_protocol: bool) -> list[ApiVersionsResponse.ApiVersion]:
    """The APIs in order of their keys. Kafka has only v0 of the consumer group protocol's APIs.
    Later versions are listed only where the protocol is on, since clients conclude that from them.
    """
    rows = []
    for key, api in sorted(API_TABLE.items()):
        greatest = api.max_version
        if key in CONSUMER_PROTOCOL and not consumer_protocol:
            greatest = 0
        rows.append(_row(key, greatest))
    return rows


def _row(key: int, greatest: int) -> ApiVersionsResponse.ApiVersion:
    return ApiVersionsResponse.ApiVersion(api_key=key, min_version=0, max_version=greatest)
