"""The table of settings against what the original accepts, and against the code that obeys it.

``golden/settings/accepted.json``: 123 values of every setting of Apache Kafka 3.9.1, by every road:
``file`` (``KafkaConfig``), ``topic`` (CreateTopics), ``broker`` and ``default``
(IncrementalAlterConfigs for one broker and for all), the latter three with validate_only.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tools import describe_settings

from barnabas.broker import room_settings
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.definition import ConfigType, Setting
from barnabas.config.dynamic import check_change
from barnabas.config.protection import java_settings
from barnabas.config.settings import SETTINGS, TOPIC_SETTINGS, broker_setting, of_listener
from barnabas.config.table.reasons import REASONS, reason
from barnabas.config.topic_config import TopicConfig, check_topic_overrides
from barnabas.errors import ConfigError, KafkaError
from barnabas.storage.config import LogConfig

ROOT = Path(__file__).parents[2]
GOLDEN = json.loads((ROOT / "tests/golden/settings/accepted.json").read_text())
GIVEN = {
    "broker.id": "1",
    "zookeeper.connect": "127.0.0.1:2181",
    "listeners": "PLAINTEXT://127.0.0.1:9092",
}
LIVE = BrokerConfig(GIVEN)

REFUSED_HERE = {
    "log.flush.interval.ms": "the original takes a negative value and cannot open a log with it",
    "log.flush.scheduler.interval.ms": "the same",
    "authorizer.class.name": "the original looks for the class later, and exits without it",
}
ACCEPTED_HERE = {
    "group.coordinator.rebalance.protocols": "consumer groups are served without KRaft",
    "metric.reporters": "the original looks for the class before it changes; there are none here",
}


OLD_PROTOCOLS = ("0.", "1.", "2.0", "2.7")
"""Of brokers; the original speaks them, ours from 2.8 on."""


def _by_file(name: str, value: str) -> None:
    BrokerConfig({**GIVEN, name: value})


def _of_topic(name: str, value: str) -> None:
    check_topic_overrides(LIVE, {name: value})


def _of_broker(name: str, value: str) -> None:
    check_change(LIVE, {name: value}, per_broker=True)


def _of_all(name: str, value: str) -> None:
    check_change(LIVE, {name: value}, per_broker=False)


@pytest.mark.parametrize(
    ("road", "give"),
    [("file", _by_file), ("topic", _of_topic), ("broker", _of_broker), ("default", _of_all)],
)
def test_what_the_original_accepts(road: str, give: Callable[[str, str], None]) -> None:
    differing = []
    for name, bits in GOLDEN[road].items():
        for value, bit in zip(GOLDEN["values"], bits, strict=True):
            refusal = _refusal(give, name, value)
            assert refusal is None or "\n" not in refusal
            accepted = refusal is None
            if accepted != (bit == "1") and not _known(name, value, accepted=accepted):
                differing.append((name, value, refusal))
    assert differing == []


def _refusal(give: Callable[[str, str], None], name: str, value: str) -> str | None:
    try:
        give(name, value)
    except (ConfigError, KafkaError) as error:
        return str(error)
    return None


def _known(name: str, value: str, *, accepted: bool) -> bool:
    setting = broker_setting(name)
    if accepted:
        # A template's empty text asks for no class, key or password.
        if name in ACCEPTED_HERE or setting.type is ConfigType.CLASS:
            return True  # whether there is such a class is seen when it is imported, at the start
        return value == "" and (setting.refused or setting.restart)
    if name == "inter.broker.protocol.version":
        return value.startswith(OLD_PROTOCOLS)
    return name in REFUSED_HERE or setting.refused or setting.restart


def test_every_name_of_the_original_is_in_the_table() -> None:
    assert {n for n, s in SETTINGS.items() if not (s.ours or s.dynamic_only)} == set(GOLDEN["file"])
    assert set(TOPIC_SETTINGS) == set(GOLDEN["topic"])
    assert {n for n, s in SETTINGS.items() if s.dynamic and not s.ours} == set(GOLDEN["broker"])
    for name, setting in TOPIC_SETTINGS.items():
        assert all(b in SETTINGS for b, _ in setting.behind), name
    assert list(TOPIC_SETTINGS) == sorted(TOPIC_SETTINGS)


ONLY_CHECKED = ("checks.py", "dynamic.py", "protection.py", "relations.py", "settings.py")
"""Of ``config/``: a name that stands nowhere else is obeyed by nobody."""
OBEYED_OTHERWISE = {
    "early.start.listeners": (False, "listeners.py only checks it"),
    "broker.id.generation.enable": (True, "allows a broker.id of -1"),
    "node.id": (True, "another name of broker.id"),
    **{
        f"group.consumer.{bound}.{what}.ms": (True, "a bound of another setting")
        for bound in ("min", "max")
        for what in ("session.timeout", "heartbeat.interval")
    },
}


def test_a_setting_has_an_effect_if_the_code_reads_it() -> None:
    """Its name stands somewhere in the code, or is that of a field of ``LogConfig``."""
    files = (
        p
        for p in (ROOT / "src/barnabas").rglob("*.py")
        if p.parent.name not in ("table", "testing")
    )
    code = "".join(
        p.read_text() for p in files if not (p.parent.name == "config" and p.name in ONLY_CHECKED)
    )
    fields = {f.name.replace("_", ".") for f in dataclasses.fields(LogConfig) if f.init}
    fields.add("message.timestamp.difference.max.ms")  # stands for two of them

    def is_read(name: str) -> bool:
        return f'"{name}"' in code or name in fields

    behind = {b: topic for topic in TOPIC_SETTINGS for b, _ in TOPIC_SETTINGS[topic].behind}
    for name, setting in {**SETTINGS, **TOPIC_SETTINGS}.items():
        if name in OBEYED_OTHERWISE:
            obeyed, _ = OBEYED_OTHERWISE[name]
        else:
            obeyed = is_read(name) or (name in behind and is_read(behind[name]))
        assert setting.refused or setting.effect == obeyed, name


SECURITY = {
    "sasl.enabled.mechanisms": "PLAIN",
    "security.inter.broker.protocol": "SASL_PLAINTEXT",
    "ssl.keystore.location": "/keys",
    "ssl.client.auth": "required",
    "principal.builder.class": "org.example.Builder",
    "allow.everyone.if.no.acl.found": "false",
    "super.users": "User:admin",
    "listener.name.plaintext.sasl.enabled.mechanisms": "PLAIN",
    "listener.name.plaintext.scram-sha-256.sasl.jaas.config": "x",
    "listener.name.plaintext.ssl.client.auth": "required",
    "connections.max.reauth.ms": "1",
    "config.providers": "file",
    "sasl.some.plug.in": "x",
    "process.roles": "broker,controller",
    "authorizer_class_name": "org.example.Authorizer",
    "Authorizer.Class.Name": "org.example.Authorizer",
    "cfg.authorizer.class.name": "org.example.Authorizer",
    "SASL-enabled-mechanisms": "PLAIN",
    "Super_Users": "User:admin",
}


@pytest.mark.parametrize("name", SECURITY)
def test_what_would_leave_a_broker_open_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: "):
        BrokerConfig({**GIVEN, name: SECURITY[name]})
    if name not in SETTINGS or SETTINGS[name].dynamic:
        with pytest.raises(
            ConfigError, match=f"{name}: (not supported|has no effect|passwords|listener plain)"
        ):
            _of_broker(name, SECURITY[name])


def test_security_by_options_of_java() -> None:
    assert java_settings("-Xmx1G -Dlog4j.configuration=x") == {}
    of_zookeeper = '-Djava.security.auth.login.config=/jaas "-Dzookeeper.client.secure=true"'
    assert java_settings(f"-Xmx1G {of_zookeeper}") == {
        "java.security.auth.login.config": "/jaas",
        "zookeeper.ssl.client.enable": "true",
    }
    for option in ("-Djavax.net.ssl.keyStore=/keys", "-Dzookeeper.ssl.hostnameVerification=false"):
        with pytest.raises(ConfigError, match=f"KAFKA_OPTS: '{option.partition('=')[0]}'"):
            java_settings(f"-Xmx1G {option}")


def test_a_default_spelled_out_asks_for_nothing() -> None:
    for setting in SETTINGS.values():
        if setting.refused or setting.restart:
            text = setting.text(setting.default)
            if text is not None:
                BrokerConfig({**GIVEN, setting.name: text})
    BrokerConfig({**GIVEN, "allow.everyone.if.no.acl.found": "true", "super.users": ""})
    BrokerConfig({**GIVEN, "listener.name.plaintext.ssl.client.auth": "none"})
    BrokerConfig({**GIVEN, "zookeeper_set_acl": "false", "Super_Users": " "})


def test_settings_of_one_listener() -> None:
    assert of_listener("listener.name.in.ssl.keystore.type") == "ssl.keystore.type"
    assert of_listener("listener.name.in.plain.sasl.jaas.config") == "sasl.jaas.config"
    assert of_listener("listeners") is None
    assert broker_setting("listener.name.in.max.connections") is SETTINGS["max.connections"]
    assert broker_setting("my.plug.in").sensitive


def test_a_setting_that_is_not_obeyed_says_why() -> None:
    for name, setting in {**SETTINGS, **TOPIC_SETTINGS}.items():
        obeyed = setting.effect and not setting.refused
        assert obeyed == (reason(name) is None), name
    used = {
        max((k for k in REASONS if k == n or (k.endswith(".") and n.startswith(k))), key=len)
        for n in {**SETTINGS, **TOPIC_SETTINGS}
        if reason(n) is not None
    }
    assert used == set(REASONS)


def test_the_description_of_settings_is_up_to_date() -> None:
    assert describe_settings.PATH.read_text() == describe_settings.document()


def _rooms(config: BrokerConfig) -> str:
    """Everything that rooms are told of a broker's settings."""
    told = [
        TopicConfig(config, {}).log_config(),
        room_settings.network_settings(config),
        room_settings.controller_settings(config),
        room_settings.group_settings(config),
        room_settings.transaction_settings(config, 1),
        room_settings.log_manager_settings(config),
        room_settings.replication_settings(config, 1),
        room_settings.zookeeper_in_flight(config),
        _parts(room_settings.client_quotas(config)),
        _parts(room_settings.replication_quotas(config)),
    ]
    return repr(told)


def _parts(value: object) -> object:
    """What an object holds, without its address."""
    if value is None or isinstance(value, int | float | str):
        return value
    if isinstance(value, dict):
        return {str(k): _parts(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_parts(v) for v in value]
    names = [*getattr(value, "__dict__", ())]
    for kind in type(value).__mro__:
        names += getattr(kind, "__slots__", ())
    return {name: _parts(getattr(value, name, None)) for name in names}


def _others(setting: Setting) -> Iterator[str]:
    """Values that are not the default."""
    if setting.type is ConfigType.BOOLEAN:
        yield str(not setting.default).lower()
    elif isinstance(setting.default, int):
        yield from (str(setting.default + d) for d in (1, -1, 1000, -1000))
        yield from ("1", "2", "7", "4000", "100000")
    elif isinstance(setting.default, float):
        yield from ("0.25", "2.5")
    else:
        yield from ("LogAppendTime", "lz4", "compact", "uniform", "consumer", "x")


def _reaches_a_room(setting: Setting, plain: str) -> bool:
    for value in _others(setting):
        try:
            if TOPIC_SETTINGS.get(setting.name) is setting:
                with_it = TopicConfig(LIVE, {setting.name: value}).log_config()
                found = with_it != TopicConfig(LIVE, {}).log_config()
            else:
                found = _rooms(BrokerConfig({**GIVEN, setting.name: value})) != plain
            if found:
                return True
        except (ConfigError, AssertionError):
            continue
    return False


NAMED_BY_A_CONSTANT = {"barnabas.broker.drained"}
"""Tests name these by a constant of the code."""


def test_every_setting_with_an_effect_reaches_its_room_or_is_named_by_a_test() -> None:
    """A room's settings differ with it (the rooms' own tests show what that does), or a test
    outside of this file names it or its field."""
    tests = "".join(
        p.read_text() for p in (ROOT / "tests").rglob("*.py") if p.name != "test_settings.py"
    )
    plain = _rooms(BrokerConfig(GIVEN))
    missing = {
        name
        for name, setting in {**TOPIC_SETTINGS, **SETTINGS}.items()
        if setting.effect
        and not setting.refused
        and name not in tests
        and name.replace(".", "_") not in tests
        and name not in NAMED_BY_A_CONSTANT
        and not _reaches_a_room(setting, plain)
    }
    assert not missing
