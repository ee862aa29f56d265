"""ApiVersions v0-4: what this broker serves, with which versions.

A version that is not known is answered in the form of v0 with UNSUPPORTED_VERSION and the whole
list, so that any client can step down (KIP-35; the original names only ApiVersions there since
KIP-511, which says less). The feature epoch is the version of ``/feature``.
"""

from __future__ import annotations

import logging
import re

from barnabas.api.request import Answer, Request
from barnabas.api.services import Services
from barnabas.errors import ErrorCode
from barnabas.protocol.api import API_TABLE, CONSUMER_PROTOCOL_APIS, SERVED, ApiKey, advertised
from barnabas.protocol.codec import encode_response
from barnabas.protocol.message import Message

log = logging.getLogger("kafka.request.logger")

_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")


def handle(services: Services, request: Request) -> Answer:
    """Answer with what ``protocol/api.py`` says is served; ``api/dispatch.py`` serves it."""
    consumer_protocol = services.groups.consumer_groups.settings.enabled
    rows = advertised((*SERVED, *CONSUMER_PROTOCOL_APIS) if consumer_protocol else SERVED)
    body = Message(
        error_code=ErrorCode.NONE,
        api_keys=rows,
        throttle_time=0,
        supported_features=[],
        finalized_features_epoch=services.features.epoch,
        finalized_features=[],
        zk_migration_ready=False,
    )
    api = API_TABLE[ApiKey.API_VERSIONS]
    if not api.min_version <= request.api_version <= api.max_version:
        body.error_code = ErrorCode.UNSUPPORTED_VERSION
        return [encode_response(ApiKey.API_VERSIONS, 0, request.correlation_id, body)]
    if request.api_version >= 3:
        decoded = request.decode()
        name, version = decoded.client_software_name, decoded.client_software_version
        if not (_NAME.fullmatch(name) and _NAME.fullmatch(version)):
            body = Message(error_code=ErrorCode.INVALID_REQUEST, api_keys=[], throttle_time=0)
        else:
            log.debug("client %s %s at %s", name, version, request.client_host)
    return request.answer(body)
