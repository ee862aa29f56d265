"""DescribeConfigs v0-4: settings of topics and of this broker, with source, type and documentation,
and the levels of its loggers.

A setting's synonyms are the places where it is set; the first one gives its value and its source.
v0 has neither, but whether a value is the default, which Kafka says of none. Topics are read from
ZooKeeper each time, so an alteration is seen at once at every broker. Other resources are answered
INVALID_REQUEST.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from barnabas.api import loggers
from barnabas.api.access import allowed, denied, is_allowed_on_cluster
from barnabas.api.config_alteration import broker_id_of, invalid
from barnabas.api.metadata import check_known
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request, Steps, each
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.definition import Setting
from barnabas.config.settings import SETTINGS, broker_setting, spellings
from barnabas.config.topic_config import ConfigValue, TopicConfig
from barnabas.errors import TEXTS, ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.create_topics import CreateTopicsResponse
from barnabas.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResponse,
)
from barnabas.types import ConfigResourceType
from barnabas.zk import paths
from barnabas.zk.admin import read_config

ON_CLUSTER = (
    ConfigResourceType.BROKER,
    ConfigResourceType.BROKER_LOGGER,
    ConfigResourceType.CLIENT_METRICS,
)
"""The kinds of resources for which DESCRIBE_CONFIGS on the cluster is needed."""
DYNAMIC_TOPIC, DYNAMIC_BROKER, DYNAMIC_DEFAULT, STATIC_BROKER, DEFAULT, LOGGER = 1, 2, 3, 4, 5, 6
"""The sources of a value, with the protocol's numbers."""


@serves(
    ApiKey.DESCRIBE_CONFIGS,
    of_each(
        (ResourceType.TOPIC, AclOperation.DESCRIBE_CONFIGS),
        (ResourceType.CLUSTER, AclOperation.DESCRIBE_CONFIGS),
    ),
)
def handle(services: Services, request: Request) -> Answer:
    """Describes each resource separately."""
    return _describe(services, request)


async def _describe(services: Services, request: Request) -> Pieces:
    decoded = request.decode(DescribeConfigsRequest)
    results, topics = await request.in_turns(_describe_here(services, request, decoded))
    for name, (result, wanted) in topics.items():
        try:
            read = read_config(services.zookeeper, paths.topic_entity(name))
            topic = TopicConfig(services.config, await services.in_zookeeper(read))
        except KafkaError as error:
            _refuse(result, error)
            continue
        described = _describe_topic(services.config, topic, wanted, decoded)
        result.configs = await request.in_turns(described)
    return await request.in_turns(
        request.answer_in_steps(DescribeConfigsResponse(throttle_time=0, results=results))
    )


Wanted: TypeAlias = "frozenset[str] | None"
"""Names of settings; None for all of them."""


def _describe_here(
    services: Services, request: Request, decoded: DescribeConfigsRequest
) -> Steps[
    tuple[
        list[DescribeConfigsResponse.Result],
        dict[str, tuple[DescribeConfigsResponse.Result, Wanted]],
    ]
]:
    """(results of all resources, the topics among them that are still to be read from ZooKeeper).
    Each resource is there once."""
    results: list[DescribeConfigsResponse.Result] = []
    topics: dict[str, tuple[DescribeConfigsResponse.Result, Wanted]] = {}
    check = _access(services, request)
    for (kind, name), wanted in (yield from _asked(decoded)).items():
        yield 1
        result = DescribeConfigsResponse.Result(
            error_code=ErrorCode.NONE,
            error_message="",
            resource_type=kind,
            resource_name=name,
            configs=[],
        )
        results.append(result)
        try:
            check(kind, name)
            if kind == ConfigResourceType.TOPIC:
                check_known(services, name)
                topics[name] = (result, wanted)
            else:
                names, describe = _on_broker(services, kind, name, decoded)
                chosen = [n for n in names if wanted is None or n in wanted]
                result.configs = yield from each(chosen, describe)
        except KafkaError as error:
            _refuse(result, error)
    return results, topics


def _access(services: Services, request: Request) -> Callable[[int, str], None]:
    """A function that raises an authorization error if a resource may not be shown."""
    operation = AclOperation.DESCRIBE_CONFIGS
    topics = allowed(services, request, operation, ResourceType.TOPIC)

    def check(kind: int, name: str) -> None:
        if kind == ConfigResourceType.TOPIC:
            if name not in topics:
                raise denied(ErrorCode.TOPIC_AUTHORIZATION_FAILED)
        elif kind in ON_CLUSTER and not is_allowed_on_cluster(services, request, operation):
            raise denied(ErrorCode.CLUSTER_AUTHORIZATION_FAILED)

    return check


def _asked(decoded: DescribeConfigsRequest) -> Steps[dict[tuple[int, str], Wanted]]:
    """The resources of a request, each once."""
    asked: dict[tuple[int, str], Wanted] = {}
    for resource in decoded.resources:
        key = (resource.resource_type, resource.resource_name)
        wanted = frozenset(resource.configuration_keys or ()) or None
        before = asked.get(key, wanted)
        asked[key] = None if wanted is None or before is None else before | wanted
        yield 1
    return asked


def _refuse(result: DescribeConfigsResponse.Result, error: KafkaError) -> None:
    result.error_code = error.code
    result.error_message = error.message


def _on_broker(
    services: Services, kind: int, name: str, decoded: DescribeConfigsRequest
) -> tuple[Iterable[str], Callable[[str], DescribeConfigsResponse.ResourceResult]]:
    """The names of the settings of a broker or logger, and the function that describes one."""
    config = services.config
    if kind == ConfigResourceType.BROKER and not name:
        return config.dynamic_default, lambda n: _default_message(config, n, decoded)
    if kind == ConfigResourceType.BROKER:
        _check_own(services, name, ", expected {} or empty string, but received {}")
        shown = [n for n, s in SETTINGS.items() if not (s.internal or s.dynamic_only)]
        names = dict.fromkeys([*shown, *config.texts])
        return names, lambda n: _broker_message(config, n, decoded)
    if kind == ConfigResourceType.BROKER_LOGGER:
        if not name:
            raise invalid("Broker id must not be empty")
        _check_own(services, name, ", expected {} but received {}")
        levels = loggers.levels()
        return levels, lambda n: _logger_message(n, levels[n])
    if kind == ConfigResourceType.CLIENT_METRICS:
        if not name:
            raise invalid("Client metrics subscription name must not be empty")
        raise invalid("Config type client-metrics is only supported on KRaft clusters")
    raise invalid(TEXTS[ErrorCode.INVALID_REQUEST])


def _check_own(services: Services, name: str, text: str) -> None:
    if broker_id_of(name, "Broker") != services.broker_id:
        raise invalid("Unexpected broker id" + text.format(services.broker_id, name))


def _describe_topic(
    config: BrokerConfig, topic: TopicConfig, wanted: Wanted, decoded: DescribeConfigsRequest
) -> Steps[list[DescribeConfigsResponse.ResourceResult]]:
    entries = [e for e in topic.entries() if wanted is None or e.setting.name in wanted]
    return each(entries, lambda entry: _topic_message(config, topic, entry, decoded))


def topic_messages(
    broker: BrokerConfig, topic: TopicConfig
) -> Steps[list[CreateTopicsResponse.CreatableTopicConfigs]]:
    """All settings of a topic, in the format of CreateTopics v5 and later."""
    return each(
        topic.entries(),
        lambda entry: CreateTopicsResponse.CreatableTopicConfigs(
            name=entry.setting.name,
            value=_shown(entry.setting, entry.setting.text(entry.value)),
            read_only=False,
            config_source=_source(_topic_synonyms(broker, topic, entry)),
            is_sensitive=entry.setting.sensitive,
        ),
    )


def _topic_synonyms(
    broker: BrokerConfig, topic: TopicConfig, entry: ConfigValue
) -> list[DescribeConfigsResponse.Synonym]:
    """The topic's own setting, then the broker's settings with the same meaning.

    As in Kafka, spellings in another unit are listed only if the main one is set. With only
    ``log.retention.hours`` set, ``retention.ms`` has no synonyms and counts as a default."""
    setting = entry.setting
    found = _broker_synonyms(broker, setting.behind[0][0]) if setting.behind else []
    if entry.from_topic:
        text = _shown(setting, setting.text(entry.value))
        found.insert(
            0, DescribeConfigsResponse.Synonym(name=setting.name, value=text, source=DYNAMIC_TOPIC)
        )
    return found


def _broker_synonyms(broker: BrokerConfig, name: str) -> list[DescribeConfigsResponse.Synonym]:
    """Where ``name`` or another spelling of it is set: in ZooKeeper for this broker, in ZooKeeper
    for all brokers, in the file, and as a default. The list begins with ``name`` itself."""
    settings = [broker_setting(spelling) for spelling in spellings(name)]
    names = spellings(name)
    defaults = {s.name: s.text(s.default) for s in settings if not s.dynamic_only}
    layers: tuple[tuple[int, Mapping[str, str | None]], ...] = (
        (DYNAMIC_BROKER, broker.dynamic),
        (DYNAMIC_DEFAULT, broker.dynamic_default),
        (STATIC_BROKER, broker.given),
        (DEFAULT, {n: text for n, text in defaults.items() if text is not None}),
    )
    found = [
        DescribeConfigsResponse.Synonym(
            name=spelling, value=_shown(setting, layer[spelling]), source=source
        )
        for source, layer in layers
        for spelling, setting in zip(names, settings, strict=True)
        if spelling in layer
    ]
    first = next((i for i, s in enumerate(found) if s.name == name), len(found))
    return found[first:]


def _shown(setting: Setting, text: str | None) -> str | None:
    return None if setting.sensitive else text


def _source(synonyms: list[DescribeConfigsResponse.Synonym]) -> int:
    return int(synonyms[0].source) if synonyms else DEFAULT


def _topic_message(
    broker: BrokerConfig, topic: TopicConfig, entry: ConfigValue, decoded: DescribeConfigsRequest
) -> DescribeConfigsResponse.ResourceResult:
    synonyms = _topic_synonyms(broker, topic, entry)
    text = entry.setting.text(entry.value)
    return _message(entry.setting, entry.setting.name, text, synonyms, decoded, read_only=False)


def _broker_message(
    config: BrokerConfig, name: str, decoded: DescribeConfigsRequest
) -> DescribeConfigsResponse.ResourceResult:
    setting = broker_setting(name)
    if name in SETTINGS and not setting.internal and not setting.dynamic_only:
        text = setting.text(config.value(name))
    else:
        text = config.texts[name]
    read_only = name not in SETTINGS or not setting.dynamic or setting.dynamic_only
    synonyms = _broker_synonyms(config, name)
    return _message(setting, name, text, synonyms, decoded, read_only=read_only)


def _default_message(
    config: BrokerConfig, name: str, decoded: DescribeConfigsRequest
) -> DescribeConfigsResponse.ResourceResult:
    """A setting as it is set for all brokers, without this broker's own value."""
    setting, text = broker_setting(name), config.dynamic_default[name]
    synonyms = [
        DescribeConfigsResponse.Synonym(
            name=name, value=_shown(setting, text), source=DYNAMIC_DEFAULT
        )
    ]
    read_only = name not in SETTINGS or setting.dynamic_only
    return _message(setting, name, text, synonyms, decoded, read_only=read_only)


def _logger_message(name: str, level: str) -> DescribeConfigsResponse.ResourceResult:
    return DescribeConfigsResponse.ResourceResult(
        name=name,
        value=level,
        read_only=False,
        config_source=LOGGER,
        is_sensitive=False,
        synonyms=[],
        config_type=0,
        documentation=None,
    )


def _message(
    setting: Setting,
    name: str,
    text: str | None,
    synonyms: list[DescribeConfigsResponse.Synonym],
    decoded: DescribeConfigsRequest,
    *,
    read_only: bool,
) -> DescribeConfigsResponse.ResourceResult:
    source = _source(synonyms)
    documented = decoded.include_documentation and setting.doc
    return DescribeConfigsResponse.ResourceResult(
        name=name,
        value=_shown(setting, text),
        read_only=read_only,
        config_source=source,
        is_sensitive=setting.sensitive,
        synonyms=synonyms if decoded.include_synonyms else [],
        config_type=int(setting.type),
        documentation=setting.doc if documented else None,
    )
