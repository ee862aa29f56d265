"""Whose certificate a new key store may hold while a broker runs."""

from __future__ import annotations

import pytest

from barnabas.broker.store_checks import check_stores
from barnabas.cluster.certificates import Authority
from barnabas.config.broker_config import BrokerConfig, Snapshot
from barnabas.errors import ConfigError

KEYS = "ssl.keystore.location"
SETTINGS = {
    "zookeeper.connect": "zk:2181",
    "listeners": "SSL://h:1",
    "security.inter.broker.protocol": "SSL",
    "ssl.keystore.type": "PEM",
    "ssl.truststore.type": "PEM",
    "ssl.truststore.location": "/trust",
    KEYS: "/first",
}
AUTHORITY = Authority()
FILES = {
    "/trust": AUTHORITY.pem,
    "/first": b"".join(AUTHORITY.issue("brokers", ["h", "i"])),
    "/same": b"".join(AUTHORITY.issue("brokers", ["i", "h", "j"])),
    "/other-name": b"".join(AUTHORITY.issue("somebody", ["h", "i"])),
    "/fewer-hosts": b"".join(AUTHORITY.issue("brokers", ["h"])),
}


def _change(to: str, **given: str) -> None:
    static = {**SETTINGS, **{name.replace("_", "."): text for name, text in given.items()}}
    after = Snapshot(static, own={KEYS: to})
    check_stores(BrokerConfig(static), after, FILES.__getitem__)


def test_a_renewed_certificate_is_of_the_same_owner() -> None:
    _change("/same")


@pytest.mark.parametrize(
    ("to", "setting", "why"),
    [
        ("/other-name", "ssl.allow.dn.changes", "DistinguishedName does not match"),
        ("/fewer-hosts", "ssl.allow.san.changes", "SubjectAltNames do not match"),
    ],
)
def test_another_owner_is_refused_unless_it_is_allowed(to: str, setting: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        _change(to)
    other = {"ssl.allow.dn.changes", "ssl.allow.san.changes"} - {setting}
    with pytest.raises(ConfigError, match=why):
        _change(to, **dict.fromkeys(other, "true"))
    _change(to, **{setting: "true"})
