"""SASL GSSAPI against a real KDC: logins, and brokers that log in to each other."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Awaitable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests import kerberos
from tests.cluster_kit import BARNABAS, free_ports, wait_for
from tests.kerberos import REALM, Kdc

from barnabas.security.authenticator import Mechanism, SaslAuthenticator, What
from barnabas.security.jaas import parse_jaas
from barnabas.security.kerberos_client import kerberos_logins
from barnabas.security.kerberos_settings import MODULE, KerberosSettings
from barnabas.security.sasl.mechanism import (
    GSSAPI,
    AuthenticationFailed,
    ClientLogin,
    ServerLogin,
)

pytestmark = [
    pytest.mark.processes,
    pytest.mark.timeout(180),
    pytest.mark.skipif(kerberos.missing() is not None, reason=str(kerberos.missing())),
]

RULES = ("RULE:[1:$1](robert)s/robert/bob/", "DEFAULT")


@pytest.fixture(scope="module")
def kdc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kdc]:
    with Kdc(tmp_path_factory.mktemp("kdc"), free_ports(1)) as running:
        for principal in ("kafka/localhost", "alice", "robert"):
            running.keytab(principal)
        yield running


@pytest.fixture(autouse=True)
def environment(kdc: Kdc, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in kdc.environment.items():
        monkeypatch.setenv(name, value)


def jaas(kdc: Kdc, principal: str) -> str:
    path = kdc.directory / f"{principal.replace('/', '-')}.keytab"
    return (
        f'{MODULE} required useKeyTab=true storeKey=true keyTab="{path}"'
        f' principal="{principal}@{REALM}";'
    )


def settings(kdc: Kdc, principal: str) -> KerberosSettings:
    return KerberosSettings.of(parse_jaas(jaas(kdc, principal)), "kafka", RULES)


def client(kdc: Kdc, principal: str, host: str = "localhost") -> ClientLogin:
    return asyncio.run(_made(kerberos_logins(settings(kdc, principal))(host)))


async def _made(login: Awaitable[ClientLogin]) -> ClientLogin:
    return await login


def server(kdc: Kdc) -> ServerLogin:
    from barnabas.security.sasl.gssapi import Acceptor, GssapiServer

    return GssapiServer(Acceptor(settings(kdc, "kafka/localhost")))


def log_in(one: ClientLogin, other: ServerLogin) -> int:
    """The number of tokens that it took."""
    token: bytes | None = one.first()
    for count in range(1, 9):
        assert token is not None
        token = one.step(other.step(token))
        if one.is_complete:
            return count
    raise AssertionError("it does not end")


@pytest.mark.parametrize(
    ("principal", "user"), [("alice", "alice"), ("robert", "bob"), ("kafka/localhost", "kafka")]
)
def test_a_login(kdc: Kdc, principal: str, user: str) -> None:
    one, other = client(kdc, principal), server(kdc)
    assert log_in(one, other) == 3
    assert other.authorization_id == user
    with pytest.raises(AuthenticationFailed):
        other.step(b"")


def test_tokens_that_are_none_and_tokens_again(kdc: Kdc) -> None:
    recorded = client(kdc, "alice").first()
    changed = recorded[:-30] + bytes([recorded[-30] ^ 1]) + recorded[-29:]
    for token in (b"", b"\0", b"x" * 2000, recorded[:-1], changed):
        other = server(kdc)
        with pytest.raises(AuthenticationFailed):
            other.step(token)
        assert other.authorization_id is None, token
    other = server(kdc)
    assert other.step(recorded)
    with pytest.raises(AuthenticationFailed):
        other.step(b"not asked for")
    with pytest.raises(AuthenticationFailed):
        server(kdc).step(recorded)  # somebody else sends it once more


def test_a_client_of_0_9_begins_with_its_ticket(kdc: Kdc) -> None:
    """No request comes before it, not even a handshake."""
    one = client(kdc, "alice")
    authenticator = SaslAuthenticator({GSSAPI: Mechanism(begin=lambda: server(kdc))})
    token: bytes | None = one.first()
    while not one.is_complete:
        assert token is not None
        verdict = authenticator.receive(memoryview(bytearray(token)), 0.0, 0)
        assert verdict.frame is not None
        token = one.step(verdict.frame[4:])
    assert verdict.what is What.LOGGED_IN
    assert authenticator.principal.name == "alice"


def test_what_a_client_asks_in_vain(kdc: Kdc, tmp_path: Path) -> None:
    with pytest.raises(AuthenticationFailed, match="not found"):
        client(kdc, "alice", "elsewhere.example.com")
    entry = parse_jaas(jaas(kdc, "nobody"))
    with pytest.raises(AuthenticationFailed):
        asyncio.run(_made(kerberos_logins(KerberosSettings.of(entry, "kafka", ()))("localhost")))


def _broker(kdc: Kdc, port: int, broker_id: int, zookeeper: str, directory: Path) -> list[str]:
    given = {
        "broker.id": str(broker_id),
        "listeners": f"SASL_PLAINTEXT://localhost:{port}",
        "security.inter.broker.protocol": "SASL_PLAINTEXT",
        "sasl.kerberos.service.name": "kafka",
        "sasl.kerberos.principal.to.local.rules": ",".join(RULES),
        "listener.name.sasl_plaintext.gssapi.sasl.jaas.config": jaas(kdc, "kafka/localhost"),
        "zookeeper.connect": zookeeper,
        "log.dirs": str(directory),
        "authorizer.class.name": "kafka.security.authorizer.AclAuthorizer",
        "super.users": "User:kafka;User:alice",
    }
    return [part for key, value in given.items() for part in ("-X", f"{key}={value}")]


def test_brokers_log_in_to_each_other_and_clients_to_them(kdc: Kdc, tmp_path: Path) -> None:
    port = free_ports(3)
    zookeeper = f"127.0.0.1:{port}"

    def cli(principal: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        properties = tmp_path / f"{principal}.properties"
        properties.write_text(
            "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=GSSAPI\n"
            f"sasl.kerberos.service.name=kafka\nsasl.jaas.config={jaas(kdc, principal)}\n"
        )
        return subprocess.run(
            [
                *(*BARNABAS, *arguments, "--command-config", str(properties)),
                *("--bootstrap-server", f"localhost:{port + 1}"),
            ],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def in_sync() -> bool:
        told = cli("alice", "topic", "describe", "t", "-o", "json")
        if told.returncode != 0:
            return False
        return sorted(json.loads(told.stdout)["partitions"][0]["isr"]) == [1, 2]

    with ExitStack() as stack:

        def start(log: str, *arguments: str) -> None:
            errors = stack.enter_context((tmp_path / log).open("w"))
            process = stack.enter_context(subprocess.Popen([*BARNABAS, *arguments], stderr=errors))
            stack.callback(process.terminate)

        start("zk.log", "coordinator", "--data", str(tmp_path / "zk"), "--port", str(port))
        for broker_id in (1, 2):
            directory = tmp_path / f"data-{broker_id}"
            start(
                f"b{broker_id}.log",
                *("broker", *_broker(kdc, port + broker_id, broker_id, zookeeper, directory)),
            )
        for broker_id in (1, 2):
            log = tmp_path / f"b{broker_id}.log"
            wait_for(lambda log=log: "serves" in log.read_text(), 60, log.name)  # type: ignore[misc]
        made = cli("alice", "topic", "create", "t", "-p", "1", "-r", "2")
        assert made.returncode == 0, made.stderr
        sent = cli("alice", "produce", "t", stdin="one\ntwo\n")
        assert sent.returncode == 0, sent.stderr
        described = cli("alice", "topic", "describe", "t", "-o", "json")
        assert described.returncode == 0, described.stderr
        refused = cli("robert", "topic", "delete", "t")
        assert refused.returncode == 1
        assert "authoriz" in refused.stderr.lower()
        wait_for(in_sync, 40, "both in sync")
