"""Certificates of a broker that runs: altered, renewed in their file, refused."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from tests.cluster_kit import Cluster, free_ports, no_traceback, wait_for

from barnabas.client.cluster import ClusterClient
from barnabas.cluster.certificates import Authority
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

pytestmark = pytest.mark.processes

LOCATION = "listener.name.tls.ssl.keystore.location"


class Running:
    """A broker with a listener for clients and one, of TLS, where brokers meet."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority()
        self.directory = directory
        self.cluster = Cluster(directory=directory / "up", brokers=1)
        self.cluster.port = free_ports(4)
        self.cluster.zookeeper_port = self.cluster.port + 1
        self.tls, self.later = self.cluster.port + 2, self.cluster.port + 3
        (directory / "ca.pem").write_bytes(self.authority.pem)
        self.issue("first.pem")
        self.cluster.overrides = {
            "listeners": self.listeners(),
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,TLS:SSL,LATER:SSL",
            "inter.broker.listener.name": "TLS",
            "ssl.keystore.type": "PEM",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(directory / "ca.pem"),
            LOCATION: self.path("first.pem"),
        }

    def listeners(self, more: str = "") -> str:
        plain = f"PLAINTEXT://127.0.0.1:{self.cluster.port}"
        return f"{plain},TLS://127.0.0.1:{self.tls}{more}"

    def path(self, name: str) -> str:
        return str(self.directory / name)

    def issue(
        self, name: str, owner: str = "brokers", hosts: tuple[str, ...] = ("127.0.0.1",)
    ) -> int:
        """A key store in a file; the serial number of its certificate."""
        key, certificate = self.authority.issue(owner, list(hosts))
        (self.directory / name).write_bytes(key + certificate)
        return x509.load_pem_x509_certificate(certificate).serial_number

    def serial(self, port: int) -> int:
        """Of the certificate that a new connection is shown."""
        pem = ssl.get_server_certificate(("127.0.0.1", port), ca_certs=self.path("ca.pem"))
        return x509.load_pem_x509_certificate(pem.encode()).serial_number

    def alter(self, name: str, value: str | None) -> tuple[int, str]:
        """Error and text."""

        async def run() -> Any:
            config = Message(name=name, value=value, config_operation=1 if value is None else 0)
            resource = Message(resource_type=4, resource_name="1", configs=[config])
            async with ClusterClient(self.cluster.bootstrap, "test") as client:
                await client.metadata([])
                return await client.broker(
                    *(1, ApiKey.INCREMENTAL_ALTER_CONFIGS, 1),
                    Message(resources=[resource], validate_only=False),
                )

        found = asyncio.run(run()).responses[0]
        return int(found.error_code), str(found.error_message or "")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    found = Running(tmp_path)
    with found.cluster:
        yield found
        assert no_traceback(found.cluster.log("broker:1"))


def test_a_key_store_is_altered_and_renewed_in_its_place(running: Running) -> None:
    second = running.issue("second.pem")
    before = running.serial(running.tls)
    assert before != second
    assert running.alter(LOCATION, running.path("second.pem")) == (0, "")
    assert running.serial(running.tls) == second
    third = running.issue("second.pem")
    assert running.alter(LOCATION, running.path("second.pem")) == (0, "")  # looks at the file
    assert running.serial(running.tls) == third
    assert running.alter(LOCATION, None) == (0, "")
    assert running.serial(running.tls) == before


def test_key_stores_that_are_refused(running: Running) -> None:
    before = running.serial(running.tls)
    running.issue("other.pem", owner="somebody else")
    running.issue("hosts.pem", hosts=("10.0.0.1",))
    (running.directory / "bad.pem").write_text("no key")
    stranger = Authority()
    key, certificate = stranger.issue("brokers", ["127.0.0.1"])
    (running.directory / "stranger.pem").write_bytes(key + certificate)
    for name, why in (
        ("other.pem", "DistinguishedName does not match: existing=CN=brokers,"),
        ("hosts.pem", "SubjectAltNames do not match: the new one lacks 127.0.0.1"),
        ("bad.pem", "holds 0 private keys"),
        ("none.pem", "cannot read"),
        ("stranger.pem", "brokers would not believe each other"),
    ):
        error, text = running.alter(LOCATION, running.path(name))
        assert error == ErrorCode.INVALID_REQUEST
        assert why in text, text
    assert running.serial(running.tls) == before


def test_a_listener_of_tls_comes_and_goes(running: Running) -> None:
    keys = running.issue("later.pem", owner="later")
    more = f",LATER://127.0.0.1:{running.later}"
    location = "listener.name.later.ssl.keystore.location"

    async def both() -> Any:
        configs = [
            Message(name="listeners", value=running.listeners(more), config_operation=0),
            Message(name=location, value=running.path("later.pem"), config_operation=0),
        ]
        resource = Message(resource_type=4, resource_name="1", configs=configs)
        async with ClusterClient(running.cluster.bootstrap, "test") as client:
            await client.metadata([])
            return await client.broker(
                *(1, ApiKey.INCREMENTAL_ALTER_CONFIGS, 1),
                Message(resources=[resource], validate_only=False),
            )

    assert [r.error_message for r in asyncio.run(both()).responses] in ([""], [None])

    def is_open() -> bool:
        try:
            return running.serial(running.later) == keys
        except ConnectionRefusedError:
            return False

    wait_for(is_open, 10, "it is open")
    error, text = running.alter("listeners", None)
    assert error == ErrorCode.INVALID_REQUEST  # its settings are there still
    assert "no listener 'later'" in text
