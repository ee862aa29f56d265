"""AlterConfigs v0-2: replaces all settings of a topic or of brokers. IncrementalAlterConfigs, which
changes one by one, has taken its place; old clients still send it. Not for loggers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from barnabas.api.config_alteration import (
    Before,
    alter_each,
    alter_persistent,
    refuse_nulls,
)
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.config.definition import Setting
from barnabas.protocol.api import ApiKey


@serves(
    ApiKey.ALTER_CONFIGS,
    of_each(
        (ResourceType.TOPIC, AclOperation.ALTER_CONFIGS),
        (ResourceType.CLUSTER, AclOperation.ALTER_CONFIGS),
    ),
)
def handle(services: Services, request: Request) -> Answer:
    """Each resource on its own."""

    async def alter_one(resource: Any, validate_only: bool) -> None:
        refuse_nulls([c.name for c in resource.configs if c.value is None])

        async def change(_: Before, known: Mapping[str, Setting]) -> dict[str, str]:
            return {c.name: c.value for c in resource.configs}

        await alter_persistent(services, resource, change, validate_only=validate_only)

    return alter_each(services, request, alter_one)
