"""Contexts: what their file may say, and what of it is never shown."""

from __future__ import annotations

import pytest

from barnabas.config.contexts import HIDDEN, parse_contexts, shown
from barnabas.errors import ConfigError

PATH = "/home/u/config.toml"
SECRET = "s3cr3t-pw"
TWO = f"""
context = "dev"

[contexts.dev]
bootstrap-server = "127.0.0.1:9092"

[contexts.prod]
bootstrap-server = "kafka1:9093,kafka2:9093"
command-config = "prod.properties"
security.protocol = "SASL_SSL"
sasl.jaas.config = 'x required username="u" password="{SECRET}";'
ssl.truststore.location = "ca.pem"
ssl.keystore.location = "/etc/keys.pem"
request.timeout.ms = 5000
enable.idempotence = true
"""


def test_names_are_kafkas_and_paths_are_beside_the_file() -> None:
    found = parse_contexts(TWO, PATH)
    assert found.chosen == "dev"
    assert [context.servers for context in found.contexts.values()] == [
        "127.0.0.1:9092",
        "kafka1:9093,kafka2:9093",
    ]
    prod = found.contexts["prod"]
    assert prod.config == "/home/u/prod.properties"
    assert prod.properties == {
        "security.protocol": "SASL_SSL",
        "sasl.jaas.config": f'x required username="u" password="{SECRET}";',
        "ssl.truststore.location": "/home/u/ca.pem",
        "ssl.keystore.location": "/etc/keys.pem",
        "request.timeout.ms": "5000",
        "enable.idempotence": "true",
    }


def test_secrets_are_not_shown() -> None:
    found = parse_contexts(TWO, PATH)
    assert SECRET not in repr(found)
    assert found.holds_secrets
    properties = {
        **found.contexts["prod"].properties,
        "ssl.key.password": SECRET,
        "ssl.keystore.key": SECRET,
        "my.own.token": SECRET,
    }
    told = shown(properties)
    assert SECRET not in str(told)
    assert told["sasl.jaas.config"] == told["my.own.token"] == HIDDEN
    assert told["security.protocol"] == "SASL_SSL"
    assert told["ssl.truststore.location"] == "/home/u/ca.pem"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("context = ", PATH),
        ("context = 5", "context is not a name"),
        ("contexts = 5", "contexts is not a table"),
        ("[contexts]\na = 5", "contexts.a is not a table"),
        ("[contexts.a]\nsecurity.protocol = 'SSL'", "bootstrap-server is missing"),
        ("[contexts.a]\nbootstrap-server = ''", "bootstrap-server is missing"),
        ("[contexts.a]\nbootstrap-server = ['a:1']", "bootstrap-server is neither"),
        (f"[contexts.a]\nssl.key.password = ['{SECRET}']", "ssl.key.password is neither"),
        ("[context.a]\nbootstrap-server = 'a:1'", "context is not a name"),
        ("current = 'a'", "'current' is neither"),
    ],
)
def test_what_is_wrong_is_named(text: str, named: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_contexts(text, PATH)
    assert named in str(refused.value)
    assert PATH in str(refused.value)
    assert SECRET not in str(refused.value)


def test_nothing_is_no_context() -> None:
    assert parse_contexts("", PATH).contexts == {}
