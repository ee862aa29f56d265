"""ApiVersions v0-4: the APIs that this broker serves, with their versions.

An unknown version is answered in the format of v0, with UNSUPPORTED_VERSION and the versions of
ApiVersions only, so that the client can ask again (KIP-511). Client libraries guess Kafka's version
from the list. So it has every API of 3.9 in ZooKeeper mode, including some that are always refused.
The feature epoch is the version of ``/feature``.
"""

from __future__ import annotations

import logging
import re

from barnabas.api.registry import ANYBODY, serves
from barnabas.api.request import Answer, Request
from barnabas.api.services import Services
from barnabas.errors import ErrorCode
from barnabas.protocol.api import API_TABLE, ApiKey
from barnabas.protocol.codec import encode_response
from barnabas.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse

SHOWN_MAX = 64
"""Characters of a client's name and version that are kept while it is connected."""

log = logging.getLogger("kafka.request.logger")

CONSUMER_PROTOCOL = (ApiKey.CONSUMER_GROUP_HEARTBEAT, ApiKey.CONSUMER_GROUP_DESCRIBE)
_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")


@serves(ApiKey.API_VERSIONS, ANYBODY)
def handle(services: Services, request: Request) -> Answer:
    """Lists all APIs of the table; each has a handler."""
    body = ApiVersionsResponse(
        error_code=ErrorCode.NONE,
        api_keys=_rows(services),
        throttle_time=0,
        supported_features=[],
        finalized_features_epoch=services.features.epoch,
        finalized_features=[],
        zk_migration_ready=False,
    )
    api = API_TABLE[ApiKey.API_VERSIONS]
    if not api.serves(request.api_version):
        body.error_code = ErrorCode.UNSUPPORTED_VERSION
        body.api_keys = [_row(api.key, api.max_version)]
        return [encode_response(ApiKey.API_VERSIONS, 0, request.correlation_id, body)]
    if request.api_version >= 3:
        decoded = request.decode(ApiVersionsRequest)
        name, version = decoded.client_software_name, decoded.client_software_version
        if not (_NAME.fullmatch(name) and _NAME.fullmatch(version)):
            body = ApiVersionsResponse(
                error_code=ErrorCode.INVALID_REQUEST, api_keys=[], throttle_time=0
            )
        else:
            log.debug("client %s %s at %s", name, version, request.client_host)
            if request.line is not None:
                request.line.software = (name[:SHOWN_MAX], version[:SHOWN_MAX])
    return request.answer(body)


def _rows(services: Services) -> list[ApiVersionsResponse.ApiVersion]:
    """The APIs in order of their keys. Kafka has only v0 of the consumer group protocol's APIs.
    Later versions are listed only where the protocol is on, since clients conclude that from them.
    """
    consumer_protocol = services.groups.consumer_groups.settings.enabled
    rows = []
    for key, api in sorted(API_TABLE.items()):
        greatest = api.max_version
        if key in CONSUMER_PROTOCOL and not consumer_protocol:
            greatest = 0
        rows.append(_row(key, greatest))
    return rows


def _row(key: int, greatest: int) -> ApiVersionsResponse.ApiVersion:
    return ApiVersionsResponse.ApiVersion(api_key=key, min_version=0, max_version=greatest)
