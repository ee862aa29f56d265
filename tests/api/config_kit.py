"""Altering settings and reading them back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.api import kit

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

TOPIC, BROKER, LOGGER, METRICS = 2, 4, 8, 16
SET, DELETE, APPEND, SUBTRACT = range(4)
OF_TOPIC, OF_BROKER, OF_ALL, OF_FILE, DEFAULT = range(1, 6)
INVALID_CONFIG, INVALID_REQUEST = ErrorCode.INVALID_CONFIG, ErrorCode.INVALID_REQUEST
Operation = tuple[int, str, str | None]


def alteration(kind: int, name: str, operations: list[Operation]) -> Message:
    """One resource of a request to alter."""
    configs = [Message(config_operation=o, name=n, value=v) for o, n, v in operations]
    return Message(resource_type=kind, resource_name=name, configs=configs)


async def alter(
    client: kit.Client,
    kind: int,
    name: str,
    *operations: Operation,
    api: ApiKey = ApiKey.INCREMENTAL_ALTER_CONFIGS,
    version: int = 1,
    validate_only: bool = False,
    broker: int = 1,
) -> Any:
    """Alter one resource; its part of the answer."""
    message = Message(
        resources=[alteration(kind, name, list(operations))], validate_only=validate_only
    )
    (result,) = (await client.ask(api, version, message, broker=broker)).responses
    assert (result.resource_type, result.resource_name) == (kind, name)
    return result


async def described(
    client: kit.Client, kind: int, name: str, key: str, *, broker: int = 1
) -> tuple[str | None, int, list[tuple[str, str | None, int]]] | None:
    """(value, source, synonyms) of one setting; None if it is not described."""
    resource = Message(resource_type=kind, resource_name=name, configuration_keys=[key])
    message = Message(resources=[resource], include_synonyms=True, include_documentation=False)
    (result,) = (await client.ask(ApiKey.DESCRIBE_CONFIGS, 4, message, broker=broker)).results
    assert result.error_code == 0
    for entry in result.configs:
        synonyms = [(s.name, s.value, s.source) for s in entry.synonyms]
        return entry.value, entry.config_source, synonyms
    return None


async def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition, looking ten times a second."""
    while not await condition():  # noqa: ASYNC110
        await asyncio.sleep(0.1)
