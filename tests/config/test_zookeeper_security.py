"""How a broker reaches ZooKeeper: what is read of TLS and of the login, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from barnabas.config.broker_config import BrokerConfig
from barnabas.config.zookeeper_security import (
    zookeeper_kerberos,
    zookeeper_login,
    zookeeper_tls,
)
from barnabas.errors import ConfigError
from barnabas.security.jaas import JaasEntry
from barnabas.security.kerberos_settings import MODULE as KERBEROS
from barnabas.security.kerberos_settings import KerberosSettings, ZooKeeperPrincipal
from barnabas.security.sasl import digest_md5
from barnabas.security.tls import TlsSettings

GIVEN = {"broker.id": "1", "zookeeper.connect": "zk:2182"}
JAAS = f"""
    Client {{ {digest_md5.MODULE} required username="broker" password="pw-secret"; }};
    Other {{ {digest_md5.MODULE} required username="other" password="pw-secret"; }};
"""
SUITE = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
KEYS, TRUST = "zookeeper.ssl.keystore.location", "zookeeper.ssl.truststore.location"


def _tls(given: Mapping[str, str]) -> TlsSettings:
    config = BrokerConfig({**GIVEN, "zookeeper.ssl.client.enable": "true", **given})
    found = zookeeper_tls(config.value)
    assert found is not None
    assert "secret" not in repr(found)
    return found


def _login(given: Mapping[str, str]) -> JaasEntry | None:
    config = BrokerConfig({**GIVEN, "java.security.auth.login.config": "/jaas", **given})
    return zookeeper_login(config.value, lambda _: JAAS.encode())


def test_without_settings_there_is_no_tls() -> None:
    assert zookeeper_tls(BrokerConfig(GIVEN).value) is None


@pytest.mark.parametrize(
    ("name", "text", "field", "expected"),
    [
        ("zookeeper.ssl.protocol", "TLSv1.3", "protocols", ("TLSv1.3",)),
        ("zookeeper.ssl.enabled.protocols", "TLSv1.3,TLSv1.2", "protocols", ("TLSv1.3", "TLSv1.2")),
        ("zookeeper.ssl.cipher.suites", SUITE, "cipher_suites", (SUITE,)),
        ("zookeeper.ssl.endpoint.identification.algorithm", "", "endpoint_identification", ""),
    ],
)
def test_each_setting_of_tls_counts(name: str, text: str, field: str, expected: object) -> None:
    assert getattr(_tls({}), field) != expected
    assert getattr(_tls({name: text}), field) == expected


def test_enabled_protocols_come_before_the_protocol() -> None:
    given = {
        "zookeeper.ssl.protocol": "TLSv1.3",
        "zookeeper.ssl.enabled.protocols": "TLSv1.2",
    }
    assert _tls(given).protocols == ("TLSv1.2",)


def test_a_store_has_the_type_of_its_setting_or_of_its_name() -> None:
    found = _tls(
        {
            KEYS: "/keys",
            "zookeeper.ssl.keystore.password": "keys-secret",
            "zookeeper.ssl.keystore.type": "pkcs12",
            TRUST: "/trust.p12",
            "zookeeper.ssl.truststore.password": "trust-secret",
        }
    )
    keys, trust = found.keystore, found.truststore
    assert (keys.type, keys.password, keys.key_password) == ("PKCS12", *["keys-secret"] * 2)
    assert (trust.type, trust.password) == ("PKCS12", "trust-secret")
    # A PEM file has no password, only the key in it.
    pem = _tls({KEYS: "/keys.pem", "zookeeper.ssl.keystore.password": "keys-secret"}).keystore
    assert (pem.type, pem.password, pem.key_password) == ("PEM", "", "keys-secret")


@pytest.mark.parametrize("location", [KEYS, TRUST])
def test_a_store_whose_name_tells_no_type_needs_one(location: str) -> None:
    setting = location.replace("location", "type")
    with pytest.raises(ConfigError, match=f"^{setting}: required"):
        _tls({location: "/store"})
    _tls({location: "/store", setting: "JKS"})


def test_a_login_is_that_of_the_section_named() -> None:
    found = _login({})
    assert found is not None
    assert found.options["username"] == "broker"
    other = _login({"zookeeper.sasl.clientconfig": "Other"})
    assert other is not None
    assert other.options["username"] == "other"
    assert _login({"zookeeper.sasl.clientconfig": "Nobody"}) is None


def test_a_login_that_is_switched_off_is_refused() -> None:
    switched_off = {"zookeeper.sasl.client": "false"}
    with pytest.raises(ConfigError, match=r"^zookeeper\.sasl\.client: false") as refused:
        _login(switched_off)
    assert "secret" not in str(refused.value)


def _kerberos(entry: str, **given: str) -> tuple[KerberosSettings, ZooKeeperPrincipal]:
    jaas = {"barnabas.zookeeper.sasl.jaas.config": f"{KERBEROS} required {entry};"}
    named = {name.replace("_", "."): text for name, text in given.items()}
    config = BrokerConfig({**GIVEN, **jaas, **named})
    login = zookeeper_login(config.value, lambda _: b"")
    assert login is not None
    found = zookeeper_kerberos(config.value, login)
    assert found is not None
    return found


KEYS_OF_B1 = 'useKeyTab=true keyTab="/keys" principal="kafka/b1@R"'


def test_a_login_with_kerberos() -> None:
    settings, principal = _kerberos(f"{KEYS_OF_B1} serviceName=kafka")
    assert (settings.principal, settings.keytab) == ("kafka/b1@R", "/keys")
    assert settings.service == "zookeeper", "serviceName is Kafka's own"
    assert principal == ZooKeeperPrincipal(service="zookeeper")
    _, named = _kerberos(
        KEYS_OF_B1,
        zookeeper_sasl_client_username="zoo",
        zookeeper_sasl_client_canonicalize_hostname="false",
    )
    assert named == ZooKeeperPrincipal(service="zoo", canonicalize=False)
    _, fixed = _kerberos(KEYS_OF_B1, zookeeper_server_principal="zoo/all@R")
    assert fixed == ZooKeeperPrincipal(service="zoo", host="all", canonicalize=False)
    assert _kerberos("useTicketCache=true")[0].keytab == ""


@pytest.mark.parametrize(
    ("entry", "given", "why"),
    [
        ("useKeyTab=true", {}, r"^zookeeper\.sasl\.clientconfig: keyTab is needed"),
        ('keyTab="/keys"', {}, r"^zookeeper\.sasl\.clientconfig: principal is needed"),
        (
            KEYS_OF_B1,
            {"zookeeper_server_principal": "zookeeper@R"},
            r"^zookeeper\.server\.principal: a service and a host",
        ),
    ],
)
def test_what_is_wrong_with_kerberos_is_named(entry: str, given: dict[str, str], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        _kerberos(entry, **given)


def test_other_modules_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"not with com\.example\.Other"):
        _login({"barnabas.zookeeper.sasl.jaas.config": "com.example.Other required;"})
