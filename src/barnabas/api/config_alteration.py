"""Alters settings: what AlterConfigs and IncrementalAlterConfigs have in common.

A topic's settings are in ``/config/topics/T``. Settings of the broker that is asked are in
``/config/brokers/N``, those of all brokers in ``/config/brokers/<default>``. A notification tells
every broker. Any broker alters topics, as in Kafka's ZooKeeper mode.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeAlias, TypeVar

from barnabas.api.access import is_allowed, is_allowed_on_cluster
from barnabas.api.request import Pieces, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.config.definition import Setting
from barnabas.config.dynamic import check_change, usable
from barnabas.config.settings import SETTINGS, TOPIC_SETTINGS
from barnabas.config.topic_config import check_topic_overrides
from barnabas.errors import ConfigError, ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import ResponseMessage
from barnabas.protocol.messages.alter_configs import AlterConfigsRequest
from barnabas.protocol.messages.incremental_alter_configs import IncrementalAlterConfigsRequest
from barnabas.types import ConfigResourceType
from barnabas.zk import paths
from barnabas.zk.admin import read_config, write_config

RESOURCES_AT_ONCE = 32


_OF_CLUSTER: Mapping[int, tuple[ConfigResourceType, ...]] = {
    ApiKey.ALTER_CONFIGS: (ConfigResourceType.BROKER,),
    ApiKey.INCREMENTAL_ALTER_CONFIGS: (
        ConfigResourceType.BROKER,
        ConfigResourceType.BROKER_LOGGER,
    ),
}
"""The kinds of resources for which an API needs ALTER_CONFIGS on the cluster."""

Resource: TypeAlias = (
    AlterConfigsRequest.Resource | IncrementalAlterConfigsRequest.AlterConfigsResource
)
R = TypeVar("R", AlterConfigsRequest.Resource, IncrementalAlterConfigsRequest.AlterConfigsResource)
One = TypeVar("One", covariant=True)
One_contra = TypeVar("One_contra", contravariant=True)

Before = Callable[[], Awaitable[Mapping[str, str]]]
"""Reads the present overrides."""
Change = Callable[[Before, Mapping[str, Setting]], Awaitable[dict[str, str]]]
"""Makes the overrides after a request from those before and the definitions of all settings."""


def invalid(message: str) -> KafkaError:
    """INVALID_REQUEST."""
    return KafkaError(ErrorCode.INVALID_REQUEST, message)


_INTEGER = re.compile(r"[+-]?[0-9]{1,10}")
_INT_MAX = 2**31 - 1


def broker_id_of(name: str, word: str) -> int:
    """The number in a resource's name, as Java reads it. Raises INVALID_REQUEST."""
    found = int(name) if _INTEGER.fullmatch(name) else None
    if found is None or not ~_INT_MAX <= found <= _INT_MAX:
        raise invalid(f"{word} id must be an integer, but it is: {name}")
    return found


def own_broker_id(services: Services, name: str) -> int:
    """The broker id in a resource's name. Raises INVALID_REQUEST unless it is this broker's."""
    found = broker_id_of(name, "Node")
    if found != services.broker_id:
        raise invalid(f"Unexpected broker id, expected {services.broker_id}, but received {name}")
    return found


def _check_allowed(services: Services, request: Request, kind: int, name: str) -> None:
    """Raise an authorization error unless the sender may alter this resource. Types that cannot be
    altered pass: they are refused later, for that reason."""
    operation = AclOperation.ALTER_CONFIGS
    if kind == ConfigResourceType.TOPIC:
        if not is_allowed(services, request, operation, ResourceType.TOPIC, name):
            raise KafkaError(ErrorCode.TOPIC_AUTHORIZATION_FAILED)
    elif kind in _OF_CLUSTER[request.api_key] and not is_allowed_on_cluster(
        services, request, operation
    ):
        raise KafkaError(ErrorCode.CLUSTER_AUTHORIZATION_FAILED)


class _ResourceResponse(Protocol[One]):
    """Makes the answer about one resource."""

    def __call__(
        self, *, error_code: int, error_message: str | None, resource_type: int, resource_name: str
    ) -> One: ...


class _Response(Protocol[One_contra]):
    """Makes the whole answer."""

    def __call__(
        self, *, throttle_time: int, responses: Sequence[One_contra]
    ) -> ResponseMessage: ...


async def alter_each(
    services: Services,
    request: Request,
    resources: Sequence[R],
    alter_one: Callable[[R], Awaitable[None]],
    response: _Response[One],
    resource_response: _ResourceResponse[One],
) -> Pieces:
    """Alter each resource of a request separately. Returns the answer, which is made from the API's
    two classes."""
    named = Counter((r.resource_type, r.resource_name) for r in resources)
    responses = []
    for index, resource in enumerate(resources, 1):
        if index % RESOURCES_AT_ONCE == 0:
            await request.give_way()  # a resource that is refused at once awaits nothing else
        error, message = ErrorCode.NONE, None
        try:
            if named[resource.resource_type, resource.resource_name] > 1:
                raise invalid("Each resource must appear at most once.")
            if any(n > 1 for n in Counter(c.name for c in resource.configs).values()):
                raise invalid("Error due to duplicate config keys")
            _check_allowed(services, request, resource.resource_type, resource.resource_name)
            await alter_one(resource)
        except KafkaError as refused:
            error, message = refused.code, refused.message or None
        responses.append(
            resource_response(
                error_code=error,
                error_message=message,
                resource_type=resource.resource_type,
                resource_name=resource.resource_name,
            )
        )
    answer = response(throttle_time=0, responses=responses)
    return await request.in_turns_if_long(request.answer_in_steps(answer))


def refuse_nulls(names: list[str]) -> None:
    """Raise INVALID_REQUEST if there are names: those of settings that need a value."""
    if names:
        raise invalid(f"Null value not supported for : {', '.join(names)}")


async def alter_persistent(
    services: Services, resource: Resource, change: Change, *, validate_only: bool
) -> None:
    """Alter the settings of a topic or of brokers. Raises KafkaError."""
    kind = resource.resource_type
    if kind == ConfigResourceType.TOPIC:
        altering = _alter_topic(services, resource, change, validate_only=validate_only)
    elif kind == ConfigResourceType.BROKER:
        altering = _alter_broker(services, resource, change, validate_only=validate_only)
    elif kind == ConfigResourceType.CLIENT_METRICS:
        raise invalid(
            "AlterConfigs is only supported for topics and brokers,"
            " but resource type is CLIENT_METRICS"
        )
    else:
        raise invalid(f"Unknown resource type {kind}")
    await services.in_zookeeper(altering)


def _ask_policy(services: Services, resource: Resource) -> None:
    """Raise KafkaError unless the policy allows the change."""
    if services.policies is not None:
        asked = {config.name: config.value for config in resource.configs}
        services.policies.check_configs(resource.resource_type, resource.resource_name, asked)


async def _alter_topic(
    services: Services, resource: Resource, change: Change, *, validate_only: bool
) -> None:
    topic = resource.resource_name
    if not topic:
        raise invalid("Default topic resources are not allowed.")
    if services.metadata.partitions(topic) is None:
        raise KafkaError(
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"The topic '{topic}' does not exist."
        )
    entity = paths.topic_entity(topic)
    after = await change(lambda: read_config(services.zookeeper, entity), TOPIC_SETTINGS)
    try:
        checked = check_topic_overrides(services.config, after)
    except KafkaError as error:
        if not error.message.startswith(("Invalid value", "Tiered Storage")):
            raise
        where = f"Invalid config value for resource ConfigResource(type=TOPIC, name='{topic}'): "
        raise KafkaError(error.code, where + error.message) from None
    _ask_policy(services, resource)
    if not validate_only:
        await write_config(services.zookeeper, entity, checked)


async def _alter_broker(
    services: Services, resource: Resource, change: Change, *, validate_only: bool
) -> None:
    name = resource.resource_name
    broker_id = own_broker_id(services, name) if name else None
    entity, per_broker = paths.broker_entity(broker_id), broker_id is not None

    stored = await read_config(services.zookeeper, entity)

    async def before() -> Mapping[str, str]:
        return usable(services.dynamic_config.readable(stored), per_broker=per_broker)

    after = await change(before, SETTINGS)
    try:
        merged = check_change(services.config, after, per_broker=per_broker)
        if per_broker:
            services.dynamic_config.check(merged)
        _ask_policy(services, resource)
        storable = services.dynamic_config.storable(after, stored)
    except ConfigError as error:
        raise invalid(str(error)) from None
    if not validate_only:
        await write_config(services.zookeeper, entity, storable)
        await services.dynamic_config.read()
