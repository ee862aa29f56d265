"""DescribeConfigs v1-4: settings of topics and of this broker, with source, type and documentation.

A setting's synonyms are where its value can come from, strongest first; its source is that of the
first. Broker settings are read-only: altering them is not served yet (SKIPPED.md). Other resources
answer INVALID_REQUEST.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.definition import Setting, Value
from barnabas.config.settings import SETTINGS
from barnabas.config.topic_config import TOPIC_SETTINGS, ConfigValue, TopicConfig
from barnabas.controller.topics import check_name
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
    keys = resource.configuration_keys or None
    if resource.resource_type == TOPIC:
        name = resource.resource_name
        check_name(name)
        if services.metadata.partitions(name) is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        await services.topic_configs.ensure([name])
        config = services.topic_configs.get(name)
        return [
            _topic_message(services.config, entry, decoded)
            for entry in topic_entries(config)
            if keys is None or entry.setting.name in keys
        ]
    if resource.resource_type == BROKER:
        if not re.fullmatch(r"-?\d*", resource.resource_name):
            raise KafkaError(
                ErrorCode.INVALID_REQUEST,
                f"Broker id must be an integer, but it is: {resource.resource_name}",
            )
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


def config_source(broker: BrokerConfig, entry: ConfigValue) -> int:
    """Who set the value: the topic, the broker's file, or nobody."""
    synonyms = _topic_synonyms(broker, entry)
    return int(synonyms[0].source) if synonyms else DEFAULT


def _topic_synonyms(broker: BrokerConfig, entry: ConfigValue) -> list[Message]:
    """The topic's own setting, then the broker's settings of the same meaning.

    As in the original, spellings of another unit are named only below the strongest: with
    ``log.retention.hours`` alone, ``retention.ms`` has no synonyms and counts as a default."""
    behind = TOPIC_SETTINGS[entry.setting.name][1]
    found = _broker_synonyms(broker, behind)
    while found and found[0].name != behind[0].name:
        del found[0]
    if entry.from_topic:
        text = entry.setting.text(entry.value)
        found.insert(0, Message(name=entry.setting.name, value=text, source=DYNAMIC_TOPIC))
    return found


def _broker_synonyms(broker: BrokerConfig, settings: Sequence[Setting]) -> list[Message]:
    """What the file gives, then what holds without it."""
    given = [
        Message(name=s.name, value=s.text(broker.value(s.name)), source=STATIC_BROKER)
        for s in settings
        if broker.is_given(s.name)
    ]
    defaults = [
        Message(name=s.name, value=s.text(s.default), source=DEFAULT)
        for s in settings
        if s.default is not None
    ]
    return given + defaults


def _topic_message(broker: BrokerConfig, entry: ConfigValue, decoded: Any) -> Message:
    return _message(
        entry.setting, entry.value, _topic_synonyms(broker, entry), decoded, read_only=False
    )


def _broker_message(config: BrokerConfig, name: str, decoded: Any) -> Message:
    setting = SETTINGS[name]
    synonyms = _broker_synonyms(config, [setting])
    return _message(setting, config.value(name), synonyms, decoded, read_only=True)


def _message(
    setting: Setting, value: Value, synonyms: list[Message], decoded: Any, *, read_only: bool
) -> Message:
    source = int(synonyms[0].source) if synonyms else DEFAULT
    return Message(
        name=setting.name,
        value=setting.text(value),
        read_only=read_only,
        config_source=source,
        is_default=source == DEFAULT,
        is_sensitive=False,
        synonyms=synonyms if getattr(decoded, "include_synonyms", False) else [],
        config_type=int(setting.type),
        documentation=setting.doc if getattr(decoded, "include_documentation", False) else None,
    )
