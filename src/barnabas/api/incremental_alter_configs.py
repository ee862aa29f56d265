"""IncrementalAlterConfigs v0-1 (KIP-339): sets, deletes, appends to or subtracts from settings of
topics and brokers, and sets the levels of this broker's loggers (KIP-412).

If two clients alter the same settings at the same time, the last write wins, as in Kafka.
"""

from __future__ import annotations

from collections.abc import Mapping

from barnabas.api import loggers
from barnabas.api.config_alteration import (
    Before,
    alter_each,
    alter_persistent,
    invalid,
    refuse_nulls,
)
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.config.definition import Setting
from barnabas.config.dynamic import Operation, OpType, apply_operations
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.incremental_alter_configs import (
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from barnabas.types import ConfigResourceType


@serves(
    ApiKey.INCREMENTAL_ALTER_CONFIGS,
    of_each(
        (ResourceType.TOPIC, AclOperation.ALTER_CONFIGS),
        (ResourceType.CLUSTER, AclOperation.ALTER_CONFIGS),
    ),
)
def handle(services: Services, request: Request) -> Answer:
    """Alters each resource separately."""
    return _alter(services, request)


async def _alter(services: Services, request: Request) -> Pieces:
    decoded = request.decode(IncrementalAlterConfigsRequest)

    async def alter_one(resource: IncrementalAlterConfigsRequest.AlterConfigsResource) -> None:
        operations = _operations(resource)
        if resource.resource_type == ConfigResourceType.BROKER_LOGGER:
            loggers.check_broker(services.broker_id, resource.resource_name)
            loggers.alter(operations, validate_only=decoded.validate_only)
            return

        async def change(before: Before, known: Mapping[str, Setting]) -> dict[str, str]:
            return apply_operations(await before(), operations, known)

        await alter_persistent(services, resource, change, validate_only=decoded.validate_only)

    return await alter_each(
        services,
        request,
        decoded.resources,
        alter_one,
        IncrementalAlterConfigsResponse,
        IncrementalAlterConfigsResponse.AlterConfigsResourceResponse,
    )


def _operations(resource: IncrementalAlterConfigsRequest.AlterConfigsResource) -> list[Operation]:
    refuse_nulls(
        [
            c.name
            for c in resource.configs
            if c.value is None and c.config_operation != OpType.DELETE
        ]
    )
    operations = []
    for config in resource.configs:
        try:
            kind = OpType(config.config_operation)
        except ValueError:
            raise invalid(f"Unknown operations type {config.config_operation}") from None
        operations.append(Operation(type=kind, name=config.name, value=config.value or ""))
    return operations
