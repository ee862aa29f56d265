"""Settings of signed tokens: what is read, and what stops a start."""

from __future__ import annotations

import pytest

from barnabas.config.broker_config import BrokerConfig
from barnabas.errors import ConfigError
from barnabas.security.oauth_settings import LOGIN_HANDLER, VALIDATOR
from barnabas.security.sasl import oauthbearer

PREFIX = "listener.name.clients.oauthbearer."
URL = "sasl.oauthbearer.jwks.endpoint.url"
GIVEN = {
    "zookeeper.connect": "zk:2181",
    "listeners": "PLAINTEXT://h:1,CLIENTS://h:2",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CLIENTS:SASL_PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    "sasl.enabled.mechanisms": "OAUTHBEARER",
    f"{PREFIX}sasl.jaas.config": f"{oauthbearer.MODULE} required;",
    f"{PREFIX}sasl.server.callback.handler.class": VALIDATOR,
    URL: "https://issuer.example/keys",
}


def test_what_is_read() -> None:
    config = BrokerConfig(
        {
            **GIVEN,
            "sasl.oauthbearer.expected.audience": "a,b",
            "listener.name.clients.sasl.oauthbearer.expected.issuer": "https://issuer.example",
            f"{PREFIX}sasl.oauthbearer.sub.claim.name": "user",
            "sasl.oauthbearer.clock.skew.seconds": "7",
            "sasl.oauthbearer.jwks.endpoint.refresh.ms": "5000",
            "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms": "250",
            "sasl.oauthbearer.scope.claim.name": "scp",
        }
    )
    found = config.security["CLIENTS"].mechanisms["OAUTHBEARER"].validation
    assert found is not None
    assert found.keys.url == "https://issuer.example/keys"
    assert (found.audiences, found.issuer) == (("a", "b"), "https://issuer.example")
    assert (found.principal_claim, found.scope_claim) == ("user", "scp")
    assert (found.clock_skew_s, found.refresh_ms) == (7, 5000)
    assert (found.keys.retry_ms, found.keys.retry_ms_max) == (250, 10_000)


def test_the_brokers_own_token() -> None:
    jaas = f'{oauthbearer.MODULE} required clientId="b" clientSecret="b-secret" scope="s"'
    config = BrokerConfig(
        {
            **GIVEN,
            "inter.broker.listener.name": "CLIENTS",
            "sasl.mechanism.inter.broker.protocol": "OAUTHBEARER",
            f"{PREFIX}sasl.jaas.config": f'{jaas} ssl.truststore.type="PEM";',
            f"{PREFIX}sasl.login.callback.handler.class": LOGIN_HANDLER,
            "sasl.oauthbearer.token.endpoint.url": "https://issuer.example/token",
            "sasl.login.read.timeout.ms": "3000",
            "sasl.login.connect.timeout.ms": "2000",
            "sasl.login.retry.backoff.ms": "300",
            "sasl.login.retry.backoff.max.ms": "4000",
            "sasl.login.refresh.window.factor": "0.5",
            "sasl.login.refresh.window.jitter": "0.2",
            "sasl.login.refresh.min.period.seconds": "30",
            "sasl.login.refresh.buffer.seconds": "100",
        }
    )
    found = config.security["CLIENTS"].mechanisms["OAUTHBEARER"].login
    assert found is not None
    assert (found.client_id, found.client_secret, found.scope) == ("b", "b-secret", "s")
    assert (found.tokens.read_timeout_ms, found.tokens.connect_timeout_ms) == (3000, 2000)
    assert (found.tokens.retry_ms, found.tokens.retry_ms_max) == (300, 4000)
    assert (found.refresh_factor, found.refresh_jitter) == (0.5, 0.2)
    assert (found.refresh_period_ms_min, found.refresh_buffer_ms) == (30_000, 100_000)
    assert found.tokens.tls is not None
    assert "secret" not in repr(config.security)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({URL: None}, f"{URL}: required"),
        ({URL: "ftp://x/"}, f"{URL}: a URL of file, http, https is needed"),
        ({URL: "https:///keys"}, f"{URL}: a URL"),
        ({URL: "https://x:y/"}, f"{URL}: a URL"),
        ({URL: "https://x/\r\nHost: y"}, f"{URL}: a URL"),
        ({URL: "file:"}, f"{URL}: a URL"),
        (
            {f"{PREFIX}sasl.server.callback.handler.class": "org.apache.kafka.example.Handler"},
            f"{PREFIX}sasl.server.callback.handler.class: not supported, and not safe to ignore",
        ),
        (
            {f"{PREFIX}sasl.server.callback.handler.class": None},
            f"{URL}: nothing reads it unless listener.name.LISTENER.oauthbearer.sasl.server",
        ),
        (
            {"sasl.server.callback.handler.class": VALIDATOR},
            "sasl.server.callback.handler.class: nothing reads it without its listener",
        ),
        (
            {"sasl.oauthbearer.token.endpoint.url": "https://x/"},
            "sasl.oauthbearer.token.endpoint.url: nothing reads it unless listener.name.LISTENER",
        ),
        (
            {
                f"{PREFIX}sasl.login.callback.handler.class": LOGIN_HANDLER,
                "sasl.oauthbearer.token.endpoint.url": "https://x/",
            },
            f"{PREFIX}sasl.jaas.config: clientId is needed to log in",
        ),
        (
            {f"{PREFIX}sasl.jaas.config": f'{oauthbearer.MODULE} required ssl.protocol="TLS" '
             'ssl.enabled.protocols="SSLv3";'},
            "ssl.enabled.protocols: SSLv3 is not supported",
        ),
        (
            {
                "sasl.enabled.mechanisms": "OAUTHBEARER,SCRAM-SHA-256",
                "listener.name.clients.scram-sha-256.sasl.jaas.config": "org.apache.kafka.common"
                ".security.scram.ScramLoginModule required;",
                "listener.name.clients.scram-sha-256.sasl.server.callback.handler.class": VALIDATOR,
            },
            "scram-sha-256.sasl.server.callback.handler.class: not supported",
        ),
    ],
)  # fmt: skip
def test_what_stops_a_start(changes: dict[str, str | None], message: str) -> None:
    given = {**GIVEN, **changes}
    with pytest.raises(ConfigError) as raised:
        BrokerConfig({name: text for name, text in given.items() if text is not None})
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
