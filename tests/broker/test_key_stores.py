"""Certificates that are renewed while a broker runs."""

from __future__ import annotations

import logging
import ssl
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography import x509

from barnabas.broker.key_stores import KeyStores
from barnabas.broker.listener_plans import client_security, listener_plan
from barnabas.broker.scram_credentials import ScramCredentials
from barnabas.cluster.certificates import Authority
from barnabas.config.broker_config import BrokerConfig
from barnabas.seams import Env

SETTINGS = {
    "zookeeper.connect": "zk:2181",
    "listeners": "SSL://h:1",
    "security.inter.broker.protocol": "SSL",
    "ssl.keystore.type": "PEM",
    "ssl.keystore.location": "/keys",
    "ssl.truststore.type": "PEM",
    "ssl.truststore.location": "/trust",
    "ssl.client.auth": "required",
}


class Files:
    """A file system of which only the times and the contents matter."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[int, bytes]] = {}
        self._now = 0

    def write(self, path: str, data: bytes) -> None:
        self._now += 1
        self.found[path] = self._now, data

    def _get(self, path: str) -> tuple[int, bytes]:
        if path not in self.found:
            raise FileNotFoundError(2, "No such file or directory", path)
        return self.found[path]

    def read(self, path: str) -> bytes:
        return self._get(path)[1]

    def modified_ms(self, path: str) -> int:
        return self._get(path)[0]

    def size(self, path: str) -> int:
        return len(self._get(path)[1])


def _serial(server: ssl.SSLContext, client: ssl.SSLContext) -> int:
    """Of the server's certificate, after a handshake. Raises ssl.SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = server.wrap_bio(to_server, to_client, server_side=True)
    other = client.wrap_bio(to_client, to_server, server_hostname="h")
    for _ in range(4):
        for side in (other, one):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    der = other.getpeercert(binary_form=True)
    assert der is not None
    assert one.getpeercert(binary_form=True) == der
    return x509.load_der_x509_certificate(der).serial_number


def test_new_files_are_for_new_connections(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    files = Files()
    env = cast("Env", SimpleNamespace(files=files, clock=SimpleNamespace(wall_ms=int)))
    authority, other = Authority(), Authority()
    files.write("/keys", b"".join(authority.issue("h", ["h"])))
    files.write("/trust", authority.pem)
    config, stores = BrokerConfig(SETTINGS), KeyStores(env)
    users = cast("ScramCredentials", None)
    plan = listener_plan(env, config, "SSL", users, stores).tls
    client = client_security(env, config, "SSL", stores)
    assert plan is not None

    def serial() -> int:
        return _serial(cast("Any", plan).context, cast("Any", client.tls))

    def said() -> list[str]:
        return [message for message in caplog.messages if "renewed" in message]

    first = serial()
    stores.look()
    assert serial() == first
    assert said() == []

    files.write("/keys", b"".join(authority.issue("h", ["h"])))
    stores.look()
    second = serial()
    assert second != first
    assert len(said()) == 2

    files.write("/keys", b"half a file")
    stores.look()
    assert serial() == second
    assert "not renewed: ssl.keystore.location: holds 0 private keys" in said()[-1]
    del files.found["/keys"]
    stores.look()
    assert serial() == second
    stores.look()
    assert len(said()) == 6

    # Another authority: who was trusted before is not any more.
    files.write("/keys", b"".join(other.issue("h", ["h"])))
    files.write("/trust", other.pem)
    before = client.tls
    stores.look()
    assert serial() not in (first, second)
    with pytest.raises(ssl.SSLError):
        _serial(plan.context, cast("ssl.SSLContext", before))
