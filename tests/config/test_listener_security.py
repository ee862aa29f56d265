"""What each listener asks of those who come, and what stops a start."""

from __future__ import annotations

import pytest

from barnabas.config.broker_config import BrokerConfig
from barnabas.errors import ConfigError
from barnabas.security.sasl import oauthbearer, plain, scram

PLAIN = f'{plain.MODULE} required username="b" password="pw-secret" user_b="pw-secret";'
SCRAM = f'{scram.MODULE} required username="b" password="pw-secret";'
GIVEN = {
    "zookeeper.connect": "zk:2181",
    "listeners": "PLAINTEXT://h:1,Clients://h:2,INSIDE://h:3",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CLIENTS:SASL_PLAINTEXT,INSIDE:SASL_SSL",
    "inter.broker.listener.name": "INSIDE",
    "sasl.mechanism.inter.broker.protocol": "PLAIN",
    "sasl.enabled.mechanisms": "PLAIN",
    "listener.name.clients.sasl.enabled.mechanisms": "SCRAM-SHA-256,PLAIN",
    "listener.name.clients.plain.sasl.jaas.config": PLAIN,
    "listener.name.clients.scram-sha-256.sasl.jaas.config": SCRAM,
    "listener.name.clients.scram-sha-256.connections.max.reauth.ms": "7",
    "connections.max.reauth.ms": "5",
    "listener.name.inside.plain.sasl.jaas.config": PLAIN,
    "ssl.client.auth": "required",
    "ssl.cipher.suites": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "listener.name.inside.ssl.enabled.protocols": "TLSv1.2",
    "ssl.keystore.location": "/keys",
    "ssl.truststore.location": "/trust",
    "ssl.truststore.password": "trust-secret",
}


def test_a_listener_has_its_own_settings() -> None:
    security = BrokerConfig(GIVEN).security
    assert list(security) == ["PLAINTEXT", "CLIENTS", "INSIDE"]
    clients, inside = security["CLIENTS"], security["INSIDE"]
    assert list(clients.mechanisms) == ["SCRAM-SHA-256", "PLAIN"]
    assert {n: m.reauthentication_ms_max for n, m in clients.mechanisms.items()} == {
        "SCRAM-SHA-256": 7,
        "PLAIN": 5,
    }
    assert list(inside.mechanisms) == ["PLAIN"]
    assert clients.tls is None
    assert inside.tls is not None
    assert inside.tls.protocols == ("TLSv1.2",)
    assert inside.tls.truststore.password == "trust-secret"
    assert inside.tls.client_auth == "none"  # ssl.client.auth is for SSL listeners
    assert not security["PLAINTEXT"].mechanisms
    own = {**GIVEN, "listener.name.inside.ssl.client.auth": "requested"}
    tls = BrokerConfig(own).security["INSIDE"].tls
    assert tls is not None
    assert tls.client_auth == "requested"
    assert "secret" not in repr(security)
    assert "secret" not in BrokerConfig(GIVEN).summary()
    assert BrokerConfig(GIVEN).without_effect() == []


HARMLESS = {
    "ssl.secure.random.implementation": "SHA1PRNG",
    "ssl.keymanager.algorithm": "PKIX",
    "ssl.trustmanager.algorithm": "SunX509",
    "ssl.provider": "SunJSSE",
}


def test_javas_own_ways_have_no_effect_and_are_warned_of() -> None:
    own = {f"listener.name.inside.{name}": text for name, text in HARMLESS.items()}
    assert set(BrokerConfig({**GIVEN, **HARMLESS, **own}).without_effect()) == {*HARMLESS, *own}
    for name in HARMLESS:
        if name != "ssl.secure.random.implementation":
            with pytest.raises(ConfigError, match=f"^{name}: not supported, and not safe"):
                BrokerConfig({**GIVEN, name: "Elsewhere"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sasl.enabled.mechanisms": ""}, "sasl.enabled.mechanisms: at least one is needed"),
        (
            {"listener.name.clients.sasl.enabled.mechanisms": "GSSAPI"},
            "listener.name.clients.gssapi.sasl.jaas.config: required for GSSAPI",
        ),
        (
            {"listener.name.clients.plain.sasl.jaas.config": None},
            "listener.name.clients.plain.sasl.jaas.config: required for PLAIN",
        ),
        (
            {"listener.name.clients.plain.sasl.jaas.config": PLAIN[:-1]},
            "listener.name.clients.plain.sasl.jaas.config: JAAS config entry not terminated",
        ),
        (
            {"listener.name.clients.plain.sasl.jaas.config": SCRAM},
            "the login module of PLAIN is org.apache.kafka.common.security.plain",
        ),
        (
            {"listener.name.inside.plain.sasl.jaas.config": f'{plain.MODULE} required user_a="x";'},
            "listener.name.inside.plain.sasl.jaas.config: username is needed to log in",
        ),
        (
            {"sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512"},
            "sasl.mechanism.inter.broker.protocol: 'SCRAM-SHA-512' must be included in",
        ),
        ({"sasl.jaas.config": PLAIN}, "sasl.jaas.config: nothing reads it without its listener"),
        (
            {"listener.name.clients.sasl.jaas.config": PLAIN},
            "listener.name.clients.sasl.jaas.config: nothing reads it",
        ),
        (
            {"listener.name.clients.PLAIN.sasl.jaas.config": PLAIN},
            "listener.name.clients.PLAIN.sasl.jaas.config: nothing reads it",
        ),
        (
            {"listener.name.Clients.plain.sasl.jaas.config": PLAIN},
            "no listener 'Clients' (in lower case",
        ),
        (
            {"listener.name.client.ssl.client.auth": "required"},
            "no listener 'client' (in lower case",
        ),
        (
            {"listener.name.plaintext.ssl.client.auth": "required"},
            "listener plaintext is neither SSL nor SASL_SSL",
        ),
        (
            {"listener.name.inside.ssl.enabled.protocols": "SSLv3"},
            "listener.name.inside.ssl.enabled.protocols: SSLv3 is not supported",
        ),
        (
            {"ssl.keystore.location": None},
            "listener.name.inside.ssl.keystore.location: required for a listener with TLS",
        ),
        (
            {
                "listener.name.inside.ssl.client.auth": "requested",
                "ssl.truststore.location": None,
            },
            "listener.name.inside.ssl.truststore.location: required for ssl.client.auth",
        ),
        (
            {"ssl.principal.mapping.rules": "FOO"},
            "ssl.principal.mapping.rules: Invalid rule: `FOO`",
        ),
        (
            {"inter.broker.listener.name": None, "security.inter.broker.protocol": "SSL"},
            "security.inter.broker.protocol: 'SSL', for brokers, is not among the advertised",
        ),
        ({"ssl.protocol": "TLSv1.1"}, "ssl.protocol: 'TLSv1.1' is not supported, only TLS"),
        ({"sasl.login.class": "x"}, "sasl.login.class: not supported"),
        ({"listener.name.inside.ssl.provider": "x"}, "listener.name.inside.ssl.provider: not"),
    ],
)
def test_what_stops_a_start(changes: dict[str, str | None], message: str) -> None:
    given = {**GIVEN, **changes}
    with pytest.raises(ConfigError) as raised:
        BrokerConfig({name: text for name, text in given.items() if text is not None})
    text = str(raised.value)
    assert message in text
    assert "\n" not in text
    assert "secret" not in text


def test_a_token_for_the_brokers() -> None:
    jaas = f'{oauthbearer.MODULE} required unsecuredLoginStringClaim_sub="b";'
    BrokerConfig(
        {
            "zookeeper.connect": "zk:2181",
            "listeners": "SASL_PLAINTEXT://h:1",
            "security.inter.broker.protocol": "SASL_PLAINTEXT",
            "sasl.enabled.mechanisms": "OAUTHBEARER",
            "sasl.mechanism.inter.broker.protocol": "OAUTHBEARER",
            "listener.name.sasl_plaintext.oauthbearer.sasl.jaas.config": jaas,
        }
    )
