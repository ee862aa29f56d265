from __future__ import annotations

from pathlib import Path

import pytest

from barnabas.config.broker_config import BrokerConfig
from barnabas.config.settings import SETTINGS, TOPIC_SETTINGS
from barnabas.config.topic_config import TopicConfig, check_topic_overrides
from barnabas.errors import ConfigError, ErrorCode, KafkaError
from barnabas.storage.config import LogConfig
from barnabas.types import Endpoint


def test_defaults_are_within_their_own_bounds() -> None:
    for setting in (*SETTINGS.values(), *TOPIC_SETTINGS.values()):
        if setting.default is not None:
            assert setting.wrong(setting.default) is None
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
        ({"broker.id": "one"}, "Invalid value one for configuration broker.id"),
        ({"broker.id": "1\n2"}, "broker.id: Not a number of type INT"),
        ({"broker.id": "1", "node.id": "2"}, "node.id: must be the same as broker.id"),
        ({"listeners": "nonsense"}, "listeners: 'nonsense'"),
        ({"listeners": "SSL://:9093"}, "SSL"),
        ({"listeners": "FOO://:9093"}, "no security protocol"),
        ({"listeners": "PLAINTEXT://:1,PLAINTEXT://:2"}, "stands twice"),
        ({"advertised.listeners": "PLAINTEXT://0.0.0.0:9092"}, "advertised.listeners"),
        ({"inter.broker.listener.name": "X"}, "inter.broker.listener.name"),
        ({"log.cleanup.policy": "burn"}, "Invalid value burn for configuration log.cleanup.policy"),
        ({"log.segment.bytes": "3"}, "log.segment.bytes: Value must be at least 14"),
        ({"log.flush.scheduler.interval.ms": "-1"}, "log.flush.scheduler.interval.ms"),
        ({"connections.max.idle.ms": "100"}, "connections.max.idle.ms: 100 must be greater"),
        ({"queued.max.request.bytes": "100"}, "queued.max.request.bytes"),
        ({"max.connections.per.ip.overrides": "a b:1"}, "max.connections.per.ip.overrides"),
        ({"log.cleaner.min.compaction.lag.ms": "9", "log.cleaner.max.compaction.lag.ms": "8"}, "9"),
        (
            {
                "inter.broker.listener.name": "PLAINTEXT",
                "security.inter.broker.protocol": "PLAINTEXT",
            },
            "inter.broker.listener.name: only one",
        ),
        ({"log.dirs": ""}, "log.dirs: at least one"),
        ({"log.dirs": "/a\0b"}, r"log.dirs: '/a\x00b' is no path"),
        ({"log.dirs": "//data,/data"}, "log.dirs: //data and /data are the same directory"),
        ({"log.dirs": "/data,/data/extra"}, "log.dirs: /data/extra lies inside /data"),
        ({"log.dirs": "/data/extra/, /data"}, "log.dirs: /data/extra lies inside /data"),
        ({"log.dirs": "/a/../b,/b/"}, "log.dirs: /b and /b are the same directory"),
        ({"log.dirs": "/,/a"}, "log.dirs: /a lies inside /"),
        ({"num.partitions": str(2**31)}, "num.partitions"),
        ({"broker.id": "1001"}, "reserved.broker.max.id"),
        ({"replica.fetch.wait.max.ms": "30001"}, "replica.socket.timeout.ms"),
    ],
)
def test_what_cannot_be_is_one_line_naming_the_setting(given: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        BrokerConfig(given)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_changes_nothing_is_accepted_and_named() -> None:
    given = {
        "num.io.threads": "9",
        "num.network.threads": "3",  # the default
        "a.plug.in": "x",
        "listener.name.plaintext.max.connections": "5",
        "log.segment.bytes": "1000",
    }
    config = BrokerConfig(given)
    assert config.without_effect() == [
        "num.io.threads",
        "a.plug.in",
        "listener.name.plaintext.max.connections",
    ]


def test_log_dirs_with_a_common_beginning_are_two() -> None:
    assert BrokerConfig({"log.dirs": "/data/1/,/data/10"}).log_dirs == ("/data/1", "/data/10")
    assert BrokerConfig({"log.dir": "here"}).log_dirs == (str(Path("here").resolve()),)


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
    broker = BrokerConfig({})
    good: dict[str, str | None] = {"cleanup.policy": "compact,delete"}
    assert check_topic_overrides(broker, good) == good
    for name, value in (("no.such", "1"), ("retention.ms", "soon"), ("retention.ms", None)):
        with pytest.raises(KafkaError) as caught:
            check_topic_overrides(broker, {name: value})
        assert caught.value.code == ErrorCode.INVALID_CONFIG
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("broker", "overrides", "says"),
    [
        ({"log.cleaner.min.compaction.lag.ms": "9"}, {"max.compaction.lag.ms": "8"}, "(9) >"),
        ({}, {"min.compaction.lag.ms": "9", "max.compaction.lag.ms": "8"}, "conflict topic config"),
        ({}, {"remote.storage.enable": "true"}, "Tiered Storage functionality is disabled"),
        ({}, {"remote.log.copy.disable": "true"}, "under Zookeeper's mode"),
        ({}, {"remote.log.delete.on.disable": "true"}, "under Zookeeper's mode"),
    ],
)
def test_a_topics_settings_together_with_its_brokers(
    broker: dict[str, str], overrides: dict[str, str | None], says: str
) -> None:
    with pytest.raises(KafkaError) as caught:
        check_topic_overrides(BrokerConfig(broker), overrides)
    assert says in str(caught.value)


def test_what_another_tool_wrote_in_vain_is_known() -> None:
    config = TopicConfig(BrokerConfig({}), {"retention.ms": "x", "odd": "1", "preallocate": "true"})
    assert config.unusable == ["retention.ms", "odd"]
    assert config.without_effect() == ["preallocate"]
    assert config.value("retention.ms") == 604_800_000
    assert [e.setting.name for e in config.entries()][-1] == "odd"


def test_one_bound_of_timestamps_stands_for_two() -> None:
    both = "message.timestamp.difference.max.ms"
    broker = BrokerConfig({f"log.{both}": "7", "log.message.timestamp.before.max.ms": "3"})
    config = TopicConfig(broker, {})
    assert config.value("message.timestamp.before.max.ms") == 3
    assert config.value("message.timestamp.after.max.ms") == 7
    of_log = TopicConfig(broker, {both: "9", "message.timestamp.after.max.ms": "1"}).log_config()
    assert of_log.message_timestamp_before_max_ms == 3
    assert of_log.message_timestamp_after_max_ms == 1
    of_log = TopicConfig(BrokerConfig({}), {both: "9"}).log_config()
    assert of_log.message_timestamp_before_max_ms == 9
    assert of_log.message_timestamp_after_max_ms == 9
