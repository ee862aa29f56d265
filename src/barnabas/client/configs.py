"""Settings of topics and brokers, with where each value comes from (KIP-226)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.describe_configs import DescribeConfigsRequest

VERSION = 4
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
    resource = DescribeConfigsRequest.Resource(
        resource_type=kind,
        resource_name=name,
        configuration_keys=None if keys is None else list(keys),
    )
    request = DescribeConfigsRequest(
        resources=[resource], include_synonyms=False, include_documentation=True
    )
    if kind == BROKER:
        if int(name) not in client.view.brokers:
            await client.metadata([])
        answer = await client.broker(int(name), ApiKey.DESCRIBE_CONFIGS, VERSION, request)
    else:
        answer = await client.any_broker(ApiKey.DESCRIBE_CONFIGS, VERSION, request)
    result = answer.results[0]
    if result.error_code:
        raise ClientError(name, int(result.error_code), result.error_message)
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
