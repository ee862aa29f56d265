"""Logins of listeners that stand in a JAAS file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barnabas.cluster.processes import load_config
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.jaas_file import logins_of_file
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


def _logins(file: str = FILE, **more: str) -> dict[str, str]:
    given_ = {**SETTINGS, **{name.replace("__", "."): text for name, text in more.items()}}
    return logins_of_file(given_, lambda _: file.encode())


def test_the_listeners_own_section_then_that_of_all() -> None:
    found = _logins()
    assert {name: dict(parse_jaas(text).options) for name, text in found.items()} == {
        "listener.name.inside.scram-sha-256.sasl.jaas.config": {
            "username": "broker",
            "password": "inside",
        },
        "listener.name.clients.scram-sha-256.sasl.jaas.config": {
            "username": "broker",
            "password": "for-all",
        },
        "listener.name.clients.plain.sasl.jaas.config": {"user_alice": 'a"\\b'},
    }
    config = BrokerConfig({**SETTINGS, **found})
    assert "for-all" not in config.summary()


def test_a_listeners_own_setting_comes_first() -> None:
    own = f'{plain.MODULE} required user_bob="b";'
    name = "listener.name.clients.plain.sasl.jaas.config"
    assert name not in logins_of_file({**SETTINGS, name: own}, lambda _: FILE.encode())


def test_what_is_missing_is_named() -> None:
    only_scram = f'KafkaServer {{ {scram.MODULE} required password="s3cr3t"; }};'
    with pytest.raises(ConfigError, match=r"'KafkaServer' has no entry of .*PlainLogin") as refused:
        _logins(only_scram)
    assert "s3cr3t" not in str(refused.value)
    assert _logins("Client { x.Y required a=b; };") == {}, "the settings say what is missing"
    with pytest.raises(ConfigError, match=r"clients.*required for SCRAM-SHA-256"):
        BrokerConfig({**SETTINGS, **_logins(FILE.replace("KafkaServer {", "Other {", 1))})
    with pytest.raises(ConfigError, match=r"java\.security\.auth\.login\.config: '/jaas'"):
        _logins("KafkaServer {")


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
