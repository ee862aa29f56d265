"""Settings of a topic, over those of its broker, over defaults."""

from __future__ import annotations

import pytest

from barnabas.config.broker_config import BrokerConfig
from barnabas.config.topic_config import TopicConfig, check_topic_overrides
from barnabas.errors import ErrorCode, KafkaError


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
