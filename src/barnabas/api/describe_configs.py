"""DescribeConfigs v1-4: settings of topics and of this broker, with source, type and documentation.

Every setting is read-only in this version of the broker where the answer has room to say so:
altering configs is not served yet (SKIPPED.md). Other resources answer INVALID_REQUEST.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.settings import SETTINGS
from barnabas.config.topic_config import TOPIC_SETTINGS, ConfigValue, TopicConfig
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.message import Message

TOPIC, BROKER = 2, 4
DYNAMIC_TOPIC, STATIC_BROKER, DEFAULT = 1, 4, 5
"""Sources of a value, as the protocol numbers them."""


def handle(services: Services, request: Request) -> Answer:
    """Each resource on its own."""
    return _describe(services, request)


async def _describe(services: Services, request: Request) -> Pieces:
    decoded = request.decode()
    results = []
    for resource in decoded.resources:
        result = Message(
            error_code=ErrorCode.NONE,
            error_message=None,
            resource_type=resource.resource_type,
            resource_name=resource.resource_name,
            configs=[],
        )
        results.append(result)
        try:
            result.configs = await _resource(services, resource, decoded)
        except KafkaError as error:
            result.error_code = error.code
            result.error_message = error.message or None
    return request.answer(Message(throttle_time=0, results=results))


async def _resource(services: Services, resource: Any, decoded: Any) -> list[Message]:
    keys = resource.configuration_keys
    if resource.resource_type == TOPIC:
        name = resource.resource_name
        if services.metadata.partitions(name) is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        await services.topic_configs.ensure([name])
        config = services.topic_configs.get(name)
        return [_topic_message(e, decoded) for e in topic_entries(config) if _wanted(e, keys)]
    if resource.resource_type == BROKER:
        if resource.resource_name not in ("", str(services.broker_id)):
            raise KafkaError(
                ErrorCode.INVALID_REQUEST,
                f"Unexpected broker id, expected {services.broker_id} or empty string,"
                f" but received {resource.resource_name}",
            )
        if not resource.resource_name:
            return []
        return [
            _broker_message(services.config, name, decoded)
            for name in SETTINGS
            if keys is None or name in keys
        ]
    raise KafkaError(
        ErrorCode.INVALID_REQUEST, f"Unsupported resource type: {resource.resource_type}"
    )


def topic_entries(config: TopicConfig) -> Iterable[ConfigValue]:
    """All settings of a topic, by name."""
    return [config.entry(name) for name in TOPIC_SETTINGS]


def config_source(entry: ConfigValue) -> int:
    """Who set the value: the topic, the broker's file, or nobody."""
    if entry.from_topic:
        return DYNAMIC_TOPIC
    return STATIC_BROKER if entry.broker_setting is not None else DEFAULT


def _wanted(entry: ConfigValue, keys: Any) -> bool:
    return keys is None or entry.setting.name in keys


def _topic_message(entry: ConfigValue, decoded: Any) -> Message:
    source = config_source(entry)
    text = entry.setting.text(entry.value)
    synonyms = []
    if getattr(decoded, "include_synonyms", False):
        if entry.from_topic:
            synonyms.append(Message(name=entry.setting.name, value=text, source=DYNAMIC_TOPIC))
        synonyms += [
            Message(name=setting.name, value=setting.text(setting.default), source=DEFAULT)
            for setting in TOPIC_SETTINGS[entry.setting.name][1]
            if setting.default is not None
        ]
    return Message(
        name=entry.setting.name,
        value=text,
        read_only=False,
        config_source=source,
        is_default=source == DEFAULT,
        is_sensitive=False,
        synonyms=synonyms,
        config_type=int(entry.setting.type),
        documentation=entry.setting.doc
        if getattr(decoded, "include_documentation", False)
        else None,
    )


def _broker_message(config: BrokerConfig, name: str, decoded: Any) -> Message:
    setting = SETTINGS[name]
    given = config.is_given(name)
    text = setting.text(config.value(name))
    synonyms = []
    if getattr(decoded, "include_synonyms", False):
        if given:
            synonyms.append(Message(name=name, value=text, source=STATIC_BROKER))
        synonyms.append(Message(name=name, value=setting.text(setting.default), source=DEFAULT))
    return Message(
        name=name,
        value=text,
        read_only=True,
        config_source=STATIC_BROKER if given else DEFAULT,
        is_default=not given,
        is_sensitive=False,
        synonyms=synonyms,
        config_type=int(setting.type),
        documentation=setting.doc if getattr(decoded, "include_documentation", False) else None,
    )
