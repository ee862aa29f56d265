"""DescribeClientQuotas v0-1 and AlterClientQuotas v0-1 (KIP-546, KIP-612).

Any broker serves them. An alteration is answered once it is in ZooKeeper and this broker obeys it.
The other brokers obey it when they are notified.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

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
from barnabas.quotas.entities import (
    ABSENT,
    CLIENT_ID,
    USER,
    Entity,
    Filter,
    checked_value,
    entity_of,
    filter_of,
)
from barnabas.security.sasl.scram import HASHES
from barnabas.zk import paths
from barnabas.zk.quotas import change_quotas, read_quotas, text_of

Operations = Sequence[AlterClientQuotasRequest.OpData]


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
        AlterClientQuotasResponse.EntryData(
            error_code=refused.code,
            error_message=refused.message,
            entity=[
                AlterClientQuotasResponse.EntityData(
                    entity_type=part.entity_type, entity_name=part.entity_name
                )
                for part in entry.entity
            ],
        )
        for entry in request.decode(AlterClientQuotasRequest).entries
    ]
    return request.answer(AlterClientQuotasResponse(throttle_time=0, entries=entries))


@serves(
    ApiKey.DESCRIBE_CLIENT_QUOTAS, on_cluster(AclOperation.DESCRIBE_CONFIGS, _refuse_description)
)
def handle_describe(services: Services, request: Request) -> Answer:
    """The quotas that match a filter, by entity."""
    decoded = request.decode(DescribeClientQuotasRequest)
    components = [(c.entity_type, c.match_type, c.match) for c in decoded.components]
    try:
        wanted = filter_of(components, strict=decoded.strict)
    except KafkaError as error:
        return request.answer(_not_described(error))
    return _describe(services, request, wanted)


async def _describe(services: Services, request: Request, wanted: Filter) -> Pieces:
    try:
        found = await services.in_zookeeper(read_quotas(services.zookeeper, wanted))
    except KafkaError as error:
        return request.answer(_not_described(error))
    entries = [
        DescribeClientQuotasResponse.EntryData(
            entity=[
                DescribeClientQuotasResponse.EntityData(entity_type=kind, entity_name=name)
                for kind, name in entity.parts()
            ],
            values=[
                DescribeClientQuotasResponse.ValueData(key=key, value=value)
                for key, value in quotas.items()
            ],
        )
        for entity, quotas in found.items()
    ]
    message = DescribeClientQuotasResponse(
        throttle_time=0, error_code=ErrorCode.NONE, error_message="", entries=entries
    )
    return await request.in_turns(request.answer_in_steps(message))


def _not_described(error: KafkaError) -> DescribeClientQuotasResponse:
    return DescribeClientQuotasResponse(
        throttle_time=0, error_code=error.code, error_message=error.message, entries=None
    )


@serves(ApiKey.ALTER_CLIENT_QUOTAS, on_cluster(AclOperation.ALTER_CONFIGS, _refuse_alteration))
def handle_alter(services: Services, request: Request) -> Answer:
    """One result for each entity."""
    return _alter_all(services, request)


async def _alter_all(services: Services, request: Request) -> Pieces:
    decoded = request.decode(AlterClientQuotasRequest)
    results: dict[tuple[tuple[str, str | None], ...], KafkaError | None] = {}
    for position, entry in enumerate(decoded.entries):
        await request.give_way_at(position)
        parts = {part.entity_type: part.entity_name for part in entry.entity}
        try:
            entity = entity_of(parts.items())
            await _alter(services, entity, entry.ops, validate_only=decoded.validate_only)
            results[_in_order(parts)] = None
        except KafkaError as error:
            results[_in_order(parts)] = error
    entries = [
        AlterClientQuotasResponse.EntryData(
            error_code=ErrorCode.NONE if error is None else error.code,
            error_message=None if error is None else error.message or None,
            entity=[
                AlterClientQuotasResponse.EntityData(entity_type=kind, entity_name=name)
                for kind, name in parts
            ],
        )
        for parts, error in results.items()
    ]
    message = AlterClientQuotasResponse(throttle_time=0, entries=entries)
    return await request.in_turns_if_long(request.answer_in_steps(message))


def _in_order(parts: dict[str, str | None]) -> tuple[tuple[str, str | None], ...]:
    """The parts of an entity in the order of the answer: the client id before the user."""
    order = {CLIENT_ID: 0, USER: 1}
    return tuple(sorted(parts.items(), key=lambda part: order.get(part[0], 2)))


async def _alter(
    services: Services, entity: Entity, operations: Operations, *, validate_only: bool
) -> None:
    """Alter the quotas of one entity. Raises KafkaError."""
    if entity.is_address and entity.ip is not None and not _is_host(entity.ip):
        name = paths.sanitize(entity.ip)
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"{name} is not a valid IP or resolvable host.")
    changes = [(op.key, _text(entity, op)) for op in operations]

    def change(config: dict[str, str]) -> dict[str, str]:
        for key, text in changes:
            if text is None:
                config.pop(key, None)
            else:
                config[key] = text
        return config

    if not validate_only:
        await services.in_zookeeper(change_quotas(services.zookeeper, entity, change))
        await services.in_zookeeper(services.quota_configs.refresh(entity))


def _text(entity: Entity, operation: AlterClientQuotasRequest.OpData) -> str | None:
    """The text to store; None to remove the quota. Raises INVALID_REQUEST, also for the name of a
    credential, for which Kafka answers UNKNOWN_SERVER_ERROR."""
    key = operation.key
    if key in HASHES and entity.user != ABSENT:
        raise KafkaError(
            ErrorCode.INVALID_REQUEST, f"{key} is a credential, which is not altered here."
        )
    if operation.remove:
        return None
    return text_of(key, checked_value(entity, key, operation.value))


def _is_host(name: str) -> bool:
    """Whether it is an IPv4 address, or this machine. Other names are not resolved. Kafka accepts
    no IPv6 address either, since it escapes the colons before it resolves the name."""
    if name == "localhost":
        return True
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True
