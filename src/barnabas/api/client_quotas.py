"""DescribeClientQuotas v0-1 and AlterClientQuotas v0-1 (KIP-546), where quotas are not enforced.

There are none to describe. Whoever sets one is told that it would have no effect: nothing is stored
(SKIPPED.md). Wrong requests are refused as the original refuses them, but for filters that make no
sense at all, which are INVALID_REQUEST here and UNKNOWN_SERVER_ERROR there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from barnabas.api.access import denied
from barnabas.api.registry import on_cluster, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.alter_client_quotas import (
    AlterClientQuotasRequest,
    AlterClientQuotasResponse,
)
from barnabas.protocol.messages.describe_client_quotas import (
    DescribeClientQuotasRequest,
    DescribeClientQuotasResponse,
)

USER, CLIENT_ID, IP = "user", "client-id", "ip"
_FILTER_NAMES = {USER: "user", CLIENT_ID: "client", IP: "ip"}
_KEYS_OF_CLIENTS = {
    "producer_byte_rate": "LONG",
    "consumer_byte_rate": "LONG",
    "request_percentage": "DOUBLE",
    "controller_mutation_rate": "DOUBLE",
}
_KEYS_OF_ADDRESSES = {"connection_creation_rate": "INT"}
_GREATEST = {"LONG": 2**63 - 1, "INT": 2**31 - 1}
_EPSILON = 1e-6
"""A whole number may be off by as much."""
EXACT, DEFAULT, ANY = range(3)
"""How a filter matches an entity's name."""


def _invalid(message: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_REQUEST, message)


def _refuse_description(services: Services, request: Request) -> Pieces:
    error = ErrorCode.CLUSTER_AUTHORIZATION_FAILED
    return request.answer(
        DescribeClientQuotasResponse(
            throttle_time=0, error_code=error, error_message=None, entries=None
        )
    )


def _refuse_alteration(services: Services, request: Request) -> Pieces:
    refused = denied(ErrorCode.CLUSTER_AUTHORIZATION_FAILED)
    entries = [
        _answer(entry, refused) for entry in request.decode(AlterClientQuotasRequest).entries
    ]
    return request.answer(AlterClientQuotasResponse(throttle_time=0, entries=entries))


@serves(
    ApiKey.DESCRIBE_CLIENT_QUOTAS, on_cluster(AclOperation.DESCRIBE_CONFIGS, _refuse_description)
)
def handle_describe(services: Services, request: Request) -> Answer:
    """An empty list, if the filter is one."""
    answer = DescribeClientQuotasResponse(
        throttle_time=0, error_code=ErrorCode.NONE, error_message="", entries=[]
    )
    try:
        _check_filter(request.decode(DescribeClientQuotasRequest).components)
    except KafkaError as error:
        answer.error_code, answer.error_message = error.code, error.message
        answer.entries = None
    return request.answer(answer)


def _check_filter(components: Sequence[DescribeClientQuotasRequest.ComponentData]) -> None:
    seen: set[str] = set()
    for component in components:
        if component.match_type not in (EXACT, DEFAULT, ANY):
            raise _invalid(f"There is no match type {component.match_type}.")
        if component.match_type == EXACT and component.match is None:
            raise _invalid("A filter for one entity has to name it.")
    for component in components:
        kind = component.entity_type
        if not kind:
            raise _invalid("Unexpected empty filter component entity type")
        if kind not in _FILTER_NAMES:
            raise KafkaError(
                ErrorCode.UNSUPPORTED_VERSION, f"Custom entity type '{kind}' not supported"
            )
        if kind in seen:
            raise _invalid(f"Duplicate {_FILTER_NAMES[kind]} filter component entity type")
        seen.add(kind)
    if IP in seen and len(seen) > 1:
        raise _invalid(
            "Invalid entity filter component combination, IP filter component should not be used"
            " with user or clientId filter component."
        )


@serves(ApiKey.ALTER_CLIENT_QUOTAS, on_cluster(AclOperation.ALTER_CONFIGS, _refuse_alteration))
def handle_alter(services: Services, request: Request) -> Answer:
    """A refusal for each entity."""
    entries = [
        _answer(entry, _refusal(entry))
        for entry in request.decode(AlterClientQuotasRequest).entries
    ]
    return request.answer(AlterClientQuotasResponse(throttle_time=0, entries=entries))


def _answer(
    entry: AlterClientQuotasRequest.EntryData, refused: KafkaError
) -> AlterClientQuotasResponse.EntryData:
    return AlterClientQuotasResponse.EntryData(
        error_code=refused.code,
        error_message=refused.message,
        entity=[
            AlterClientQuotasResponse.EntityData(
                entity_type=part.entity_type, entity_name=part.entity_name
            )
            for part in entry.entity
        ],
    )


def _refusal(entry: AlterClientQuotasRequest.EntryData) -> KafkaError:
    try:
        keys = _settable({e.entity_type: e.entity_name for e in entry.entity})
    except KafkaError as error:
        return error
    for op in entry.ops:
        if op.remove:
            continue
        if op.key not in keys:
            return _invalid(f"Invalid configuration key {op.key}")
        if not _fits(op.value, keys[op.key]):
            return _invalid(f"Configuration {op.key} must be a {keys[op.key]} value")
    return KafkaError(ErrorCode.UNSUPPORTED_VERSION, "This broker does not enforce quotas.")


def _fits(value: float, kind: str) -> bool:
    greatest = _GREATEST.get(kind)
    if greatest is None:
        return True
    return abs(value) <= greatest and abs(math.floor(value + _EPSILON) - value) <= _EPSILON


def _settable(entity: dict[str, str | None]) -> Mapping[str, str]:
    """The quotas that an entity can have, and the types of their values. Raises INVALID_REQUEST."""
    if not entity:
        raise _invalid("Invalid empty client quota entity")
    for kind, name in entity.items():
        if kind not in _FILTER_NAMES:
            raise _invalid(f"Unhandled client quota entity type: {kind}")
        if name == "":
            raise _invalid(f"Empty {kind} not supported")
    if IP in entity:
        if len(entity) > 1:
            raise _invalid(
                "Invalid quota entity combination, IP entity should not be used with"
                " user/client ID entity."
            )
        return _KEYS_OF_ADDRESSES
    return _KEYS_OF_CLIENTS
