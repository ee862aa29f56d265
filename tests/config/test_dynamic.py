"""Dynamic broker settings: which may change, and list operations; by example and by rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barnabas.config.broker_config import BrokerConfig
from barnabas.config.dynamic import (
    DYNAMIC_SETTINGS,
    Operation,
    OpType,
    apply_operations,
    check_change,
    check_dynamic,
    usable,
)
from barnabas.config.settings import TOPIC_SETTINGS
from barnabas.config.topic_config import TopicConfig
from barnabas.errors import ConfigError, ErrorCode, KafkaError

STATIC = {
    "broker.id": "1",
    "listeners": "PLAINTEXT://a:1,OTHER://a:2",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT",
    "log.retention.hours": "2",
    "log.segment.bytes": "1000",
}
CLEANUP = "cleanup.policy"


@pytest.mark.parametrize(
    ("name", "value", "per_broker", "message"),
    [
        ("broker.id", "3", True, "Cannot update these configs dynamically: Set\\(broker.id\\)"),
        ("log.retention.hours", "3", True, "Cannot update these configs dynamically"),
        ("advertised.listeners", "PLAINTEXT://x:1", False, "broker id must be specified"),
        ("log.segment.bytes", "3", True, "Invalid value 3 for configuration log.segment.bytes"),
        ("log.segment.bytes", "x", False, "log.segment.bytes: Not a number of type INT"),
        ("num.io.threads", "0", False, "num.io.threads: Value must be at least 1"),
        ("listener.name.plaintext.max.connections", "x", True, "Not a number of type INT"),
        ("listener.name.plaintext.flies", "x", False, "broker id must be specified"),
        ("ssl.keystore.location", "/k", True, "not supported while a broker runs"),
        ("super.users", "User:a", False, "super.users: has no effect without"),
    ],
)
def test_refused(name: str, value: str, per_broker: bool, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_dynamic({name: value}, per_broker=per_broker)
    good = {"log.retention.ms": "5"}
    assert usable({name: value, **good}, per_broker=per_broker) == good


def test_layers() -> None:
    config = BrokerConfig(STATIC)
    topic = TopicConfig(config, {"segment.bytes": "50"})
    assert TopicConfig(config, {}).value("retention.ms") == 7_200_000
    config.take_over(
        config.with_dynamic(
            {"log.retention.ms": "5", "log.segment.bytes": "20", "num.io.threads": "9"},
            {"log.segment.bytes": "30"},
        )
    )
    assert config.value("log.segment.bytes") == 30
    assert TopicConfig(config, {}).value("segment.bytes") == 30
    assert TopicConfig(config, {}).value("retention.ms") == 5
    assert topic.value("segment.bytes") == 50
    assert config.given == {**STATIC, "node.id": "1"}
    config.take_over(config.with_dynamic({}, {}))
    assert config.value("log.segment.bytes") == 1000
    assert TopicConfig(config, {}).value("retention.ms") == 7_200_000


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"listeners": "PLAINTEXT://a:3"}, "the address of PLAINTEXT changes with a restart only"),
        ({"listeners": "OTHER://a:2"}, "which brokers use, can be changed with a restart only"),
        (
            {"listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,OTHER:SSL"},
            "ssl.keystore.location: required",
        ),
        ({"advertised.listeners": "PLAINTEXT://0.0.0.0:3"}, "a host that clients can reach"),
        ({"advertised.listeners": "OTHER://a:3"}, "'PLAINTEXT', for brokers, is not"),
        ({"advertised.listeners": "PLAINTEXT://a:3,SSL://a:4"}, "is mapped to .SSL."),
        (
            {
                "advertised.listeners": "PLAINTEXT://a:3,THIRD://a:4",
                "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT,"
                "THIRD:PLAINTEXT",
            },
            "no listener 'THIRD'",
        ),
    ],
)
def test_what_a_running_broker_cannot_become(own: dict[str, str], message: str) -> None:
    config = BrokerConfig(STATIC)
    with pytest.raises(ConfigError, match=message):
        config.with_dynamic({}, own)
    same = config.with_dynamic({}, {"listeners": STATIC["listeners"]})
    assert same.listeners.bound == config.listeners
    moved = config.with_dynamic({}, {"advertised.listeners": "PLAINTEXT://b:7"})
    assert [(e.host, e.port) for e in moved.listeners.advertised] == [("b", 7)]


def _apply(before: dict[str, str], *operations: tuple[OpType, str, str]) -> dict[str, str]:
    made = [Operation(type=t, name=n, value=v) for t, n, v in operations]
    return apply_operations(before, made, TOPIC_SETTINGS)


def test_operations() -> None:
    assert _apply({}, (OpType.SET, "a", "1"), (OpType.SET, "b", "2")) == {"a": "1", "b": "2"}
    assert _apply({"a": "1"}, (OpType.DELETE, "a", "")) == {}
    assert _apply({}, (OpType.DELETE, "a", "")) == {}
    assert _apply({}, (OpType.APPEND, CLEANUP, "compact")) == {CLEANUP: "delete,compact"}
    assert _apply({}, (OpType.APPEND, CLEANUP, "delete")) == {CLEANUP: "delete"}
    before = {CLEANUP: "compact,delete"}
    assert _apply(before, (OpType.SUBTRACT, CLEANUP, "delete,x")) == {CLEANUP: "compact"}
    throttled = "leader.replication.throttled.replicas"
    assert _apply({}, (OpType.APPEND, throttled, "0:1,1:2")) == {throttled: "0:1,1:2"}
    for kind in (OpType.APPEND, OpType.SUBTRACT):
        for name in ("segment.bytes", "flies"):
            with pytest.raises(KafkaError) as refused:
                _apply({}, (kind, name, "1"))
            assert refused.value.code == ErrorCode.INVALID_CONFIG


@pytest.mark.parametrize(
    ("before", "kind", "named", "after"),
    [
        ("a,a,b", OpType.SUBTRACT, "a", "a,b"),
        ("a,a,b", OpType.SUBTRACT, "a,a", "b"),
        ("a, b", OpType.SUBTRACT, "b", "a, b"),
        ("a, b", OpType.SUBTRACT, " b", "a"),
        (" a ", OpType.SUBTRACT, "a", " a "),
        ("a,b", OpType.SUBTRACT, "a, b", "b"),
        ("a,,b", OpType.SUBTRACT, "c", "a,,b"),
        ("a,,b", OpType.SUBTRACT, "", "a,b"),
        ("a", OpType.SUBTRACT, "a", ""),
        ("", OpType.SUBTRACT, "a", ""),
        ("a,b", OpType.APPEND, " b", "a,b, b"),
        ("a", OpType.APPEND, "b,b", "a,b,b"),
        ("a,,b", OpType.APPEND, "c", "a,,b,c"),
        ("a", OpType.APPEND, ",b", "a,,b"),
        ("a", OpType.APPEND, "b,", "a,b"),
        ("a,", OpType.APPEND, "b", "a,b"),
        ("a", OpType.APPEND, ",", "a"),
        ("a", OpType.APPEND, "", "a,"),
        ("", OpType.APPEND, "a", "a"),
    ],
)
def test_lists_are_taken_apart_as_by_kafka(
    before: str, kind: OpType, named: str, after: str
) -> None:
    """Compared with Kafka 3.9.1: spaces belong to the items, of equal ones the first goes."""
    name = "leader.replication.throttled.replicas"
    assert _apply({name: before}, (kind, name, named)) == {name: after}


ITEMS = st.lists(st.sampled_from("abcdef"), unique=True, min_size=1)


@given(ITEMS, ITEMS)
def test_append_then_subtract(there: list[str], named: list[str]) -> None:
    name = "leader.replication.throttled.replicas"
    before, value = {name: ",".join(there)}, ",".join(named)
    appended = _apply(before, (OpType.APPEND, name, value))[name]
    assert set(appended.split(",")) - {""} == {*there, *named}
    assert _apply({name: appended}, (OpType.APPEND, name, value)) == {name: appended}
    left = _apply({name: appended}, (OpType.SUBTRACT, name, value))[name]
    assert left == ",".join(item for item in there if item not in named)


@pytest.mark.parametrize(
    ("after", "message"),
    [
        ({"num.io.threads": "3"}, "at least half the current value 8"),
        ({"num.io.threads": "17"}, "not be greater than double the current value 8"),
        ({"log.cleaner.threads": "3"}, "increased to more than double the current value 1"),
        ({"max.connections": "0"}, "Invalid max.connections 0"),
        ({"max.connection.creation.rate": "0"}, "Invalid max.connection.creation.rate 0"),
        (
            {"max.connections.per.ip": "0"},
            "requirement failed: max.connections.per.ip can be set to zero",
        ),
        ({"log.local.retention.ms": "7200001"}, "Value must not be more than log.retention.ms"),
        ({"log.retention.bytes": "5", "log.local.retention.bytes": "-1"}, "log.retention.bytes"),
        ({"log.cleaner.min.compaction.lag.ms": "5", "log.cleaner.max.compaction.lag.ms": "4"}, "5"),
        ({"log.flush.interval.ms": "-1"}, "log.flush.interval.ms: Value must be at least 0"),
        ({"log.roll.ms": "0"}, "log.roll.ms must be greater than or equal to 1"),
        ({"log.retention.ms": "0"}, "log.retention.ms must be unlimited"),
    ],
)
def test_changes_that_go_too_far(after: dict[str, str], message: str) -> None:
    for per_broker in (True, False):
        with pytest.raises(ConfigError, match=message):
            check_change(BrokerConfig(STATIC), after, per_broker=per_broker)


def test_what_may_change() -> None:
    config = BrokerConfig(STATIC)
    check_change(config, {"num.io.threads": "16", "a.plug.in": "x"}, per_broker=False)
    check_change(config, {"leader.replication.throttled.rate": "1000"}, per_broker=True)
    assert "log.retention.hours" not in DYNAMIC_SETTINGS
    assert "message.max.bytes" in DYNAMIC_SETTINGS


def test_those_who_follow_hear_of_their_settings_only() -> None:
    config = BrokerConfig(STATIC)
    heard: list[str] = []
    config.follow(lambda: heard.append(f"any {config.value('log.segment.bytes')}"))
    config.follow(lambda: heard.append("connections"), "max.connections")
    assert config.take_over(config.with_dynamic({}, {})) == frozenset()
    assert heard == []
    changed = config.take_over(config.with_dynamic({"log.segment.bytes": "20"}, {}))
    assert (changed, heard) == ({"log.segment.bytes"}, ["any 20"])
    config.take_over(config.with_dynamic({}, {"max.connections": "5"}))
    assert heard == ["any 20", "any 1000", "connections"]


def test_the_stronger_layer_puts_all_spellings_away() -> None:
    config = BrokerConfig({**STATIC, "log.flush.scheduler.interval.ms": "9"})
    assert TopicConfig(config, {}).value("flush.ms") == 9
    config.take_over(config.with_dynamic({}, {"log.retention.ms": "5"}))
    assert config.value("log.retention.hours") == 168
    assert TopicConfig(config, {}).value("retention.ms") == 5
