"""Settings of topics and brokers, with where each value comes from (KIP-226)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResponse,
)
from barnabas.protocol.messages.incremental_alter_configs import IncrementalAlterConfigsRequest

VERSION = 4
ALTER_VERSION = 1
SET, DELETE = 0, 1
TOPIC, BROKER = 2, 4
"""Types of resources."""
SOURCES: Final = {
    1: "topic",
    2: "broker, dynamic",
    3: "all brokers, dynamic",
    4: "broker's file",
    5: "default",
    6: "logger, dynamic",
    8: "group",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting as it is in force."""

    name: str
    value: str | None
    """None if it is a secret, or not set."""
    source: str
    """Where the value comes from; see ``SOURCES``."""
    read_only: bool
    sensitive: bool
    documentation: str | None


async def describe_settings(
    client: ClusterClient, kind: int, name: str, keys: Sequence[str] | None = None
) -> list[Setting]:
    """The settings of a topic or a broker (its id as text) by name: all, or those named. Raises
    ClientError, Unreachable, ConnectionError if the broker cannot be reached."""
    return (await describe_settings_of(client, kind, [name], keys))[name]


async def describe_settings_of(
    client: ClusterClient, kind: int, names: Sequence[str], keys: Sequence[str] | None = None
) -> dict[str, list[Setting]]:
    """The settings of several topics, or of one broker, as ``describe_settings`` returns them. Of
    several topics, those that have gone are left out."""
    resources = [
        DescribeConfigsRequest.Resource(
            resource_type=kind,
            resource_name=name,
            configuration_keys=None if keys is None else list(keys),
        )
        for name in names
    ]
    request = DescribeConfigsRequest(
        resources=resources, include_synonyms=False, include_documentation=True
    )
    if kind == BROKER:
        await _know(client, int(names[0]))
        answer = await client.broker(int(names[0]), ApiKey.DESCRIBE_CONFIGS, VERSION, request)
    else:
        answer = await client.any_broker(ApiKey.DESCRIBE_CONFIGS, VERSION, request)
    return {
        str(result.resource_name): _settings(result)
        for result in answer.results
        if len(names) == 1 or result.error_code != ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    }


def _settings(result: DescribeConfigsResponse.Result) -> list[Setting]:
    if result.error_code:
        raise ClientError(result.resource_name, int(result.error_code), result.error_message)
    return sorted(
        (
            Setting(
                name=c.name,
                value=c.value,
                source=SOURCES.get(int(c.config_source), "unknown"),
                read_only=bool(c.read_only),
                sensitive=bool(c.is_sensitive),
                documentation=c.documentation,
            )
            for c in result.configs
        ),
        key=lambda setting: setting.name,
    )


async def alter_settings(
    client: ClusterClient, kind: int, changes: Mapping[str, Mapping[str, str | None]]
) -> dict[str, ClientError | None]:
    """Set settings of topics, or of one broker, by its name; None deletes one. Others stay. Each
    name's result: None if all was done. Raises Unreachable, ConnectionError if the broker cannot be
    reached."""
    resources = [
        IncrementalAlterConfigsRequest.AlterConfigsResource(
            resource_type=kind,
            resource_name=name,
            configs=[
                IncrementalAlterConfigsRequest.AlterableConfig(
                    name=key, config_operation=DELETE if value is None else SET, value=value
                )
                for key, value in settings.items()
            ],
        )
        for name, settings in changes.items()
    ]
    request = IncrementalAlterConfigsRequest(resources=resources, validate_only=False)
    api = ApiKey.INCREMENTAL_ALTER_CONFIGS
    if kind == BROKER:
        broker = int(next(iter(changes)))
        await _know(client, broker)
        answer = await client.broker(broker, api, ALTER_VERSION, request)
    else:
        answer = await client.any_broker(api, ALTER_VERSION, request)
    word = "broker" if kind == BROKER else "topic"
    return {
        result.resource_name: ClientError(
            f"{word} {result.resource_name}", int(result.error_code), result.error_message
        )
        if result.error_code
        else None
        for result in answer.responses
    }


async def _know(client: ClusterClient, broker: int) -> None:
    if broker not in client.view.brokers:
        await client.metadata([])
