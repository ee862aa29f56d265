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
    check_dynamic,
    usable,
)
from barnabas.config.settings import SETTINGS
from barnabas.config.topic_config import ALTERABLE, TopicConfig
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
        ("broker.id", "3", True, "Cannot update these configs dynamically: broker.id"),
        ("log.retention.hours", "3", True, "Cannot update these configs dynamically"),
        ("advertised.listeners", "PLAINTEXT://x:1", False, "broker id must be specified"),
        ("log.segment.bytes", "3", True, "log.segment.bytes: 3 is below"),
        ("log.segment.bytes", "x", False, "log.segment.bytes: 'x' is not a valid int"),
        ("num.io.threads", "-1", False, "num.io.threads: -1 is below"),
        ("log.segment.byte", "1", False, "did you mean log.segment.bytes?"),
        ("flies", "1", False, "Unknown dynamic config name: flies"),
    ],
)
def test_refused(name: str, value: str, per_broker: bool, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
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
    assert config.given == STATIC
    config.take_over(config.with_dynamic({}, {}))
    assert config.value("log.segment.bytes") == 1000
    assert TopicConfig(config, {}).value("retention.ms") == 7_200_000


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"listeners": "PLAINTEXT://a:3"}, "with a restart only"),
        ({"advertised.listeners": "PLAINTEXT://0.0.0.0:3"}, "a host that clients can reach"),
        ({"advertised.listeners": "OTHER://a:3"}, "inter.broker.listener.name"),
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
    assert same.listeners == config.listeners
    moved = config.with_dynamic({}, {"advertised.listeners": "PLAINTEXT://b:7"})
    assert [(e.host, e.port) for e in moved.advertised] == [("b", 7)]


def _apply(before: dict[str, str], *operations: tuple[OpType, str, str]) -> dict[str, str]:
    made = [Operation(type=t, name=n, value=v) for t, n, v in operations]
    return apply_operations(before, made, ALTERABLE)


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


ITEMS = st.lists(st.sampled_from("abcdef"), unique=True)


@given(ITEMS, ITEMS)
def test_append_then_subtract(there: list[str], named: list[str]) -> None:
    name = "leader.replication.throttled.replicas"
    before, value = {name: ",".join(there)}, ",".join(named)
    appended = _apply(before, (OpType.APPEND, name, value))[name]
    assert set(appended.split(",")) - {""} == {*there, *named}
    assert _apply({name: appended}, (OpType.APPEND, name, value)) == {name: appended}
    left = _apply({name: appended}, (OpType.SUBTRACT, name, value))[name]
    assert left == ",".join(item for item in there if item not in named)


def test_what_may_change_is_what_the_original_says() -> None:
    """Of the settings we know; its read-only ones are all others (DescribeConfigs of 3.9.1)."""
    assert "log.retention.ms" in DYNAMIC_SETTINGS
    assert "log.retention.hours" not in DYNAMIC_SETTINGS
    assert "log.roll.hours" not in DYNAMIC_SETTINGS
    assert "log.cleaner.enable" not in DYNAMIC_SETTINGS
    assert "message.max.bytes" in DYNAMIC_SETTINGS
    for name, setting in DYNAMIC_SETTINGS.items():
        assert setting is SETTINGS.get(name, setting), "what is honoured is described as such"
