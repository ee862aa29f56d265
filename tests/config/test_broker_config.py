from __future__ import annotations

import pytest

from barnabas.config.broker_config import BrokerConfig
from barnabas.config.settings import SETTINGS
from barnabas.config.topic_config import TopicConfig, check_topic_overrides
from barnabas.errors import ConfigError, ErrorCode, KafkaError
from barnabas.storage.config import LogConfig
from barnabas.types import Endpoint


def test_defaults_are_within_their_own_bounds() -> None:
    for setting in SETTINGS.values():
        if setting.default is not None:
            setting.check(setting.default)
            text = setting.text(setting.default)
            assert text is not None
            assert setting.parse(text) == setting.default, setting.name


def test_listeners() -> None:
    config = BrokerConfig(
        {
            "listeners": "INTERNAL://127.0.0.1:9092,external://0.0.0.0:9093",
            "advertised.listeners": "INTERNAL://127.0.0.1:9092,EXTERNAL://kafka.example:9093",
            "listener.security.protocol.map": "INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT",
            "inter.broker.listener.name": "internal",
        }
    )
    assert config.listeners[1] == Endpoint("EXTERNAL", "PLAINTEXT", "0.0.0.0", 9093)
    assert config.advertised[1].host == "kafka.example"
    assert config.inter_broker_listener == "INTERNAL"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"broker.ids": "1"}, "broker.ids: unknown setting; did you mean broker.id"),
        ({"broker.id": "one"}, "broker.id: 'one' is not a valid int"),
        ({"listeners": "nonsense"}, "listeners: 'nonsense'"),
        ({"listeners": "SSL://:9093"}, "SSL"),
        ({"listeners": "FOO://:9093"}, "no security protocol"),
        ({"listeners": "PLAINTEXT://:1,PLAINTEXT://:2"}, "stands twice"),
        ({"advertised.listeners": "PLAINTEXT://0.0.0.0:9092"}, "advertised.listeners"),
        ({"inter.broker.listener.name": "X"}, "inter.broker.listener.name"),
        ({"log.cleanup.policy": "burn"}, "log.cleanup.policy: 'burn' is not one of"),
        ({"log.segment.bytes": "3"}, "log.segment.bytes: 3 is below"),
        ({"num.partitions": str(2**31)}, "num.partitions"),
        ({"broker.id": "1001"}, "reserved.broker.max.id"),
        ({"replica.fetch.wait.max.ms": "40000"}, "replica.lag.time.max.ms"),
    ],
)
def test_what_cannot_be_is_one_line_naming_the_setting(given: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        BrokerConfig(given)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_kafka_settings_without_effect_are_accepted_and_named() -> None:
    assert BrokerConfig({"num.io.threads": "8"}).ignored == ["num.io.threads"]


def test_topic_defaults_are_the_logs_own() -> None:
    assert TopicConfig(BrokerConfig({}), {}).log_config() == LogConfig()


def test_topic_over_broker_over_default() -> None:
    broker = BrokerConfig({"log.retention.hours": "2", "log.roll.ms": "5", "log.roll.hours": "9"})
    config = TopicConfig(broker, {"retention.bytes": "7", "min.insync.replicas": "2", "odd": "x"})
    assert config.integer("retention.ms") == 2 * 3_600_000
    assert config.integer("segment.ms") == 5
    assert config.integer("retention.bytes") == 7
    assert config.min_insync_replicas == 2
    assert config.entry("retention.bytes").from_topic
    assert not config.entry("retention.ms").from_topic


def test_eternal_retention_is_not_scaled() -> None:
    config = TopicConfig(BrokerConfig({"log.retention.minutes": "-1"}), {})
    assert config.integer("retention.ms") == -1


def test_overrides_of_a_request() -> None:
    assert check_topic_overrides({"cleanup.policy": "compact,delete"}) == {
        "cleanup.policy": "compact,delete"
    }
    for name, value in (("no.such", "1"), ("retention.ms", "soon"), ("retention.ms", None)):
        with pytest.raises(KafkaError) as caught:
            check_topic_overrides({name: value})
        assert caught.value.code == ErrorCode.INVALID_CONFIG
        assert name in str(caught.value)
