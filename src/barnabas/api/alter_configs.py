"""AlterConfigs v0-2: replaces all settings of a topic or of brokers. It is deprecated: newer
clients change single settings with IncrementalAlterConfigs. It does not alter loggers."""

from __future__ import annotations

from collections.abc import Mapping

from barnabas.api.config_alteration import (
    Before,
    alter_each,
    alter_persistent,
    refuse_nulls,
)
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.config.definition import Setting
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.alter_configs import AlterConfigsRequest, AlterConfigsResponse


@serves(
    ApiKey.ALTER_CONFIGS,
    of_each(
        (ResourceType.TOPIC, AclOperation.ALTER_CONFIGS),
        (ResourceType.CLUSTER, AclOperation.ALTER_CONFIGS),
    ),
)
def handle(services: Services, request: Request) -> Answer:
    """Alters each resource separately."""
    return _alter(services, request)


async def _alter(services: Services, request: Request) -> Pieces:
    decoded = request.decode(AlterConfigsRequest)

    async def alter_one(resource: AlterConfigsRequest.Resource) -> None:
        refuse_nulls([c.name for c in resource.configs if c.value is None])

        async def change(_: Before, known: Mapping[str, Setting]) -> dict[str, str]:
            return {c.name: c.value or "" for c in resource.configs}

        await alter_persistent(services, resource, change, validate_only=decoded.validate_only)

    return await alter_each(
        services,
        request,
        decoded.resources,
        alter_one,
        AlterConfigsResponse,
        AlterConfigsResponse.ResourceResponse,
    )
