"""Settings of the authorizer: what they mean, and with which a broker does not start."""

from __future__ import annotations

import pytest

from barnabas.config.broker_config import BrokerConfig
from barnabas.errors import ConfigError
from barnabas.security.principal import KafkaPrincipal

GIVEN = {
    "broker.id": "1",
    "zookeeper.connect": "127.0.0.1:2181",
    "listeners": "PLAINTEXT://127.0.0.1:9092",
}
ON = {**GIVEN, "authorizer.class.name": "kafka.security.authorizer.AclAuthorizer"}


def test_without_an_authorizer_everybody_may_do_everything() -> None:
    assert BrokerConfig(GIVEN).authorization is None
    assert BrokerConfig({**GIVEN, "authorizer.class.name": " "}).authorization is None
    given = {**GIVEN, "allow.everyone.if.no.acl.found": "true"}
    assert BrokerConfig(given).authorization is None


@pytest.mark.parametrize(
    ("text", "users"),
    [
        ("", []),
        ("User:a", [("User", "a")]),
        (" User:a ; User:b ", [("User", "a"), ("User", "b")]),
        ("User:a;", [("User", "a")]),
        ("User:a,User:b", [("User", "a,User:b")]),
        ("User:CN=a,OU=b;User:c", [("User", "CN=a,OU=b"), ("User", "c")]),
        ("Group:a:b", [("Group", "a:b")]),
    ],
)
def test_super_users_are_split_at_semicolons_alone(text: str, users: list[tuple[str, str]]) -> None:
    found = BrokerConfig({**ON, "super.users": text}).authorization
    assert found is not None
    assert found.super_users == {KafkaPrincipal(*user) for user in users}
    assert not found.allow_if_no_acl


def test_an_authorizer_obeys_its_own_settings() -> None:
    given = {**ON, "super.users": "User:a", "allow.everyone.if.no.acl.found": "TRUE"}
    config = BrokerConfig(given)
    assert config.authorization is not None
    assert config.authorization.allow_if_no_acl
    assert config.without_effect() == []


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("super.users", "admin", "expected a string in format principalType:principalName but got"),
        ("super.users", "User:a; ;User:b", "but got $"),
        ("allow.everyone.if.no.acl.found", "yes", "must be true or false, not yes"),
    ],
)
def test_what_an_authorizer_cannot_start_with(name: str, text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: .*{why}"):
        BrokerConfig({**ON, name: text})


def test_a_plug_in_reads_its_own_settings() -> None:
    own = {"super.users": "whatever", "authorizer.house.url": "x", "house.rules": "strict"}
    config = BrokerConfig({**ON, "authorizer.class.name": "house.Rules", **own})
    assert config.authorization is not None
    assert config.authorization.class_name == "house.Rules"
    assert config.without_effect() == ["house.rules"], "Node does not warn of it with a plug-in"
    assert "whatever" not in config.summary()
    for name in ("authorizer_class_name", "super_users", "sasl.some.plug.in"):
        with pytest.raises(ConfigError, match=f"^{name}: not supported"):
            BrokerConfig({**ON, "authorizer.class.name": "house.Rules", name: "x"})


def test_a_zookeeper_of_its_own() -> None:
    given = {
        **ON,
        "authorizer.zookeeper.url": "acls:2181/other",
        "authorizer.zookeeper.session.timeout.ms": "7000",
        "authorizer.zookeeper.ssl.client.enable": "true",
        "authorizer.zookeeper.ssl.truststore.location": "/ca.pem",
        "authorizer.zookeeper.ssl.keystore.password": "s3cr3t",
    }
    config = BrokerConfig(given)
    assert config.authorization is not None
    found = config.authorization.zookeeper
    assert found is not None
    assert (found.url, found.session_timeout_ms) == ("acls:2181/other", 7000)
    assert (found.connection_timeout_ms, found.in_flight_max) == (None, None)
    assert found.security["zookeeper.ssl.client.enable"] is True
    assert config.without_effect() == []
    assert "s3cr3t" not in config.summary()
    assert BrokerConfig(ON).authorization is not None
    assert BrokerConfig({**ON, "authorizer.zookeeper.url": " "}).authorization == (
        BrokerConfig(ON).authorization
    )
    for text in ("0", "x", "-1"):
        name = "authorizer.zookeeper.max.in.flight.requests"
        with pytest.raises(ConfigError, match=f"^{name}: a positive number is needed"):
            BrokerConfig({**ON, name: text})


@pytest.mark.parametrize("name", ["super_users", "authorizer.zookeeper.other", "authorizer.x"])
def test_what_an_authorizer_does_not_obey_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}: not supported"):
        BrokerConfig({**ON, name: "User:a"})
