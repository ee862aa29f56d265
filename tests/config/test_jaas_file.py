"""Logins of listeners that stand in a JAAS file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barnabas.cluster.processes import load_config
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.jaas_file import Sections, listener_sections
from barnabas.errors import ConfigError
from barnabas.security.jaas import JaasEntry, parse_jaas
from barnabas.security.sasl import plain, scram

FILE = f"""
KafkaServer {{
  {scram.MODULE} required username="broker" password="for-all";
  {plain.MODULE} required user_alice="a\\"\\\\b";
}};
inside.KafkaServer {{ {scram.MODULE} required username="broker" password="inside"; }};
Client {{ x.DigestLoginModule required username="k" password="z"; }};
"""
SETTINGS = {
    "broker.id": "1",
    "listeners": "PLAINTEXT://h:1,INSIDE://h:2,CLIENTS://h:3",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,INSIDE:SASL_PLAINTEXT,"
    "CLIENTS:SASL_PLAINTEXT",
    "inter.broker.listener.name": "INSIDE",
    "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-256",
    "sasl.enabled.mechanisms": "SCRAM-SHA-256,PLAIN",
    "listener.name.inside.sasl.enabled.mechanisms": "SCRAM-SHA-256",
    "java.security.auth.login.config": "/jaas",
}


INSIDE_ONLY = {"listeners": "PLAINTEXT://h:1,INSIDE://h:2"}
OWN = "listener.name.clients.plain.sasl.jaas.config"


def _sections(file: str = FILE) -> Sections:
    return listener_sections(SETTINGS, lambda _: file.encode())


def _options(config: BrokerConfig) -> dict[tuple[str, str], dict[str, str]]:
    return {
        (listener, mechanism): dict(settings.entry.options)
        for listener, security in config.security.items()
        for mechanism, settings in security.mechanisms.items()
    }


def test_the_listeners_own_section_then_that_of_all() -> None:
    config = BrokerConfig(SETTINGS, _sections())
    assert _options(config) == {
        ("INSIDE", "SCRAM-SHA-256"): {"username": "broker", "password": "inside"},
        ("CLIENTS", "SCRAM-SHA-256"): {"username": "broker", "password": "for-all"},
        ("CLIENTS", "PLAIN"): {"user_alice": 'a"\\b'},
    }
    assert "for-all" not in config.summary()


def test_a_listeners_own_setting_comes_first() -> None:
    own = f'{plain.MODULE} required user_bob="b";'
    config = BrokerConfig({**SETTINGS, OWN: own}, _sections())
    assert _options(config)["CLIENTS", "PLAIN"] == {"user_bob": "b"}


def test_a_listener_that_comes_later_finds_the_file_too() -> None:
    names = SETTINGS["listeners"], SETTINGS["listener.security.protocol.map"]
    config = BrokerConfig(SETTINGS, _sections())
    own = {
        "listeners": f"{names[0]},LATER://h:4",
        "listener.security.protocol.map": f"{names[1]},LATER:SASL_PLAINTEXT",
        "listener.name.later.sasl.enabled.mechanisms": "PLAIN",
    }
    found = config.with_dynamic({}, own)
    assert found.security["LATER"].mechanisms["PLAIN"].entry.options == {"user_alice": 'a"\\b'}
    assert not any("later.plain" in name for name in found.texts), "nobody is told of a login"
    without = BrokerConfig(
        {**SETTINGS, **INSIDE_ONLY}, _sections("inside." + FILE[FILE.rindex("Kaf") :])
    )
    with pytest.raises(ConfigError, match=r"clients.*required for SCRAM-SHA-256"):
        without.with_dynamic({}, own)


def test_what_is_missing_is_named() -> None:
    only_scram = f'KafkaServer {{ {scram.MODULE} required password="s3cr3t"; }};'
    with pytest.raises(ConfigError, match=r"'KafkaServer' has no entry of .*PlainLogin") as refused:
        BrokerConfig(SETTINGS, _sections(only_scram))
    assert "s3cr3t" not in str(refused.value)
    for file in (FILE.replace("KafkaServer {", "Other {", 1), "Client { x.Y required a=b; };"):
        with pytest.raises(ConfigError, match=r"required for SCRAM-SHA-256"):
            BrokerConfig(SETTINGS, _sections(file))
    with pytest.raises(ConfigError, match=r"java\.security\.auth\.login\.config: '/jaas'"):
        _sections("KafkaServer {")


def test_a_broker_finds_the_file_as_javas_do(tmp_path: Path) -> None:
    file, properties = tmp_path / "jaas.conf", tmp_path / "server.properties"
    file.write_text(FILE)
    lines = [f"{name}={text}" for name, text in SETTINGS.items() if not name.startswith("java")]
    properties.write_text("\n".join(lines))
    options = {"KAFKA_OPTS": f"-Xmx1G -Djava.security.auth.login.config={file}"}
    config = load_config(str(properties), options, [])
    entry = config.security["INSIDE"].mechanisms["SCRAM-SHA-256"].entry
    assert entry.options["password"] == "inside"


@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=4))
def test_an_entry_is_read_as_it_is_written(options: dict[str, str]) -> None:
    entry = JaasEntry(module="a.Module", options=options)
    assert parse_jaas(entry.text()) == entry
