"""DescribeConfigs v1-4: settings of topics and of this broker, with source, type and documentation,
and the levels of its loggers.

A setting's synonyms are where its value can come from, strongest first; its source is that of the
first. Topics are read from ZooKeeper anew, so that whoever has altered one sees it at once,
whichever broker is asked. Other resources answer INVALID_REQUEST.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from barnabas.api import loggers
from barnabas.api.config_alteration import ResourceType, invalid, own_broker_id
from barnabas.api.registry import serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.definition import Setting, Value
from barnabas.config.dynamic import DYNAMIC_SETTINGS
from barnabas.config.settings import SETTINGS
from barnabas.config.topic_config import TOPIC_SETTINGS, ConfigValue, TopicConfig
from barnabas.controller.topics import check_name
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.zookeeper import paths
from barnabas.zookeeper.topics import read_config

DYNAMIC_TOPIC, DYNAMIC_BROKER, DYNAMIC_DEFAULT, STATIC_BROKER, DEFAULT, LOGGER = 1, 2, 3, 4, 5, 6
"""Sources of a value, as the protocol numbers them."""


@serves(ApiKey.DESCRIBE_CONFIGS)
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
            wanted = resource.configuration_keys or None
            result.configs = [
                message
                for message in await _resource(services, resource, decoded)
                if wanted is None or message.name in wanted
            ]
        except KafkaError as error:
            result.error_code = error.code
            result.error_message = error.message or None
    return request.answer(Message(throttle_time=0, results=results))


async def _resource(services: Services, resource: Any, decoded: Any) -> list[Message]:
    kind, name = resource.resource_type, resource.resource_name
    config = services.config
    if kind == ResourceType.TOPIC:
        entries = topic_entries(await _topic(services, name))
        return [_topic_message(config, entry, decoded) for entry in entries]
    if kind == ResourceType.BROKER and not name:
        return [_default_message(config, n, decoded) for n in config.dynamic_default]
    if kind == ResourceType.BROKER:
        own_broker_id(services, name, "Broker")
        others = [n for n in (*config.dynamic_default, *config.dynamic) if n not in SETTINGS]
        names = dict.fromkeys([*SETTINGS, *others])
        return [_broker_message(config, n, decoded) for n in names]
    if kind == ResourceType.BROKER_LOGGER:
        if not name:
            raise invalid("Broker id must not be empty")
        own_broker_id(services, name, "Broker")
        return [_logger_message(n, level) for n, level in loggers.levels().items()]
    raise invalid(f"Unsupported resource type: {kind}")


async def _topic(services: Services, name: str) -> TopicConfig:
    check_name(name)
    if services.metadata.partitions(name) is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    read = read_config(services.zookeeper, paths.topic_entity(name))
    overrides = await services.in_zookeeper(read)
    return TopicConfig(services.config, overrides)


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
    found = _named(behind[0].name, _broker_synonyms(broker, behind))
    if entry.from_topic:
        text = entry.setting.text(entry.value)
        found.insert(0, Message(name=entry.setting.name, value=text, source=DYNAMIC_TOPIC))
    return found


def _named(name: str, synonyms: list[Message]) -> list[Message]:
    """From the first of this name on."""
    first = next((i for i, s in enumerate(synonyms) if s.name == name), len(synonyms))
    return synonyms[first:]


def _broker_synonyms(broker: BrokerConfig, settings: Sequence[Setting]) -> list[Message]:
    """What ZooKeeper holds for this broker and for all, what the file gives, what holds without."""
    layers = (
        (DYNAMIC_BROKER, broker.dynamic),
        (DYNAMIC_DEFAULT, broker.dynamic_default),
        (STATIC_BROKER, broker.given),
    )
    given = [
        Message(name=s.name, value=s.text(s.parse(layer[s.name])), source=source)
        for source, layer in layers
        for s in settings
        if s.name in layer
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
    setting = SETTINGS.get(name) or DYNAMIC_SETTINGS[name]
    if name in SETTINGS:
        value = config.value(name)
    else:
        value = setting.parse({**config.dynamic_default, **config.dynamic}[name])
    synonyms = _named(name, _broker_synonyms(config, _spellings(setting)))
    return _message(setting, value, synonyms, decoded, read_only=name not in DYNAMIC_SETTINGS)


def _default_message(config: BrokerConfig, name: str, decoded: Any) -> Message:
    """What is set for all brokers, whatever this one has of its own."""
    setting = DYNAMIC_SETTINGS[name]
    value = setting.parse(config.dynamic_default[name])
    synonyms = [Message(name=name, value=setting.text(value), source=DYNAMIC_DEFAULT)]
    return _message(setting, value, synonyms, decoded, read_only=False)


def _spellings(setting: Setting) -> Sequence[Setting]:
    """The settings that mean the same in other units, strongest first, this one among them."""
    if setting.topic_name is None:
        return [setting]
    return TOPIC_SETTINGS[setting.topic_name][1]


def _logger_message(name: str, level: str) -> Message:
    return Message(
        name=name,
        value=level,
        read_only=False,
        config_source=LOGGER,
        is_default=False,
        is_sensitive=False,
        synonyms=[],
        config_type=0,
        documentation=None,
    )


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
