"""What is said of Kerberos' settings, with or without its library."""

from __future__ import annotations

import sys

import pytest
from tests.zookeeper.clients import make_env

from barnabas.broker.key_stores import KeyStores
from barnabas.broker.listener_plans import client_security, listener_plan
from barnabas.broker.scram_credentials import ScramCredentials
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.client_config import client_security as of_client
from barnabas.errors import ConfigError
from barnabas.security.kerberos_settings import MODULE
from barnabas.zookeeper.client.client import ZooKeeperClient

JAAS = "listener.name.sasl_plaintext.gssapi.sasl.jaas.config"
ENTRY = f'{MODULE} required useKeyTab=true keyTab="/keys" principal="kafka/b1@R";'
GIVEN = {
    "zookeeper.connect": "zk:2181",
    "listeners": "SASL_PLAINTEXT://b1:9092",
    "security.inter.broker.protocol": "SASL_PLAINTEXT",
    "sasl.kerberos.service.name": "kafka",
    JAAS: ENTRY,
}


def test_a_start_without_the_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gssapi", None)
    monkeypatch.delitem(sys.modules, "barnabas.security.sasl.gssapi", raising=False)
    config, env = BrokerConfig(GIVEN), make_env()
    users = ScramCredentials(ZooKeeperClient(env, "zk:2181", 6000))
    with pytest.raises(ConfigError, match=r"pip install 'barnabas\[gssapi\]'"):
        listener_plan(env, config, "SASL_PLAINTEXT", users, KeyStores(env))
    with pytest.raises(ConfigError, match=r"pip install 'barnabas\[gssapi\]'"):
        client_security(env, config, "SASL_PLAINTEXT", KeyStores(env))
    properties = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.kerberos.service.name": "kafka",
        "sasl.jaas.config": ENTRY,
    }
    with pytest.raises(ConfigError, match=r"pip install 'barnabas\[gssapi\]'"):
        of_client(properties, read=lambda path: b"", secret=bytes, wall_ms=lambda: 0)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"sasl.kerberos.service.name": ""}, "No serviceName defined in either JAAS or Kafka"),
        ({JAAS: ENTRY.replace(";", " serviceName=http;")}, "Conflicting serviceName values found"),
        ({JAAS: ENTRY.replace('keyTab="/keys"', "")}, "keyTab is needed"),
        ({JAAS: ENTRY.replace('principal="kafka/b1@R"', "")}, "principal is needed"),
        ({JAAS: ENTRY.replace("kafka/b1", "http/b1")}, "not of the service kafka"),
        ({JAAS: f"{MODULE} required useTicketCache=true;"}, "keyTab is needed to let others"),
        ({JAAS: 'other.Module required username="a";'}, "the login module of GSSAPI is"),
        ({"sasl.kerberos.principal.to.local.rules": "FOO"}, "Invalid rule: FOO"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, str], why: str) -> None:
    with pytest.raises(ConfigError, match=f"^{JAAS}: .*{why}"):
        BrokerConfig({**GIVEN, **changes})
