"""Kerberos logins to ZooKeeper: to which principal, and how many threads wait for a slow KDC."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from types import ModuleType
from typing import Any

import pytest

from barnabas.security.jaas import JaasEntry
from barnabas.security.kerberos_client import ZooKeeperLogins
from barnabas.security.kerberos_settings import MODULE, KerberosSettings, ZooKeeperPrincipal
from barnabas.security.sasl.mechanism import AuthenticationFailed

SETTINGS = KerberosSettings.of(
    JaasEntry(module=MODULE, options={"keyTab": "/keys", "principal": "kafka/b1@R"}),
    "zookeeper",
    ("DEFAULT",),
)


class FakeClients:
    """Stands for the library: notes what is asked for, and takes its time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.problem: Exception | None = None
        module: Any = ModuleType("barnabas.security.sasl.gssapi")
        module.GssapiClient = self._make
        monkeypatch.setitem(sys.modules, module.__name__, module)

    def _make(self, settings: KerberosSettings, host: str) -> object:
        self.asked.append(f"{settings.service}@{host}")
        self.gate.wait(20)
        if self.problem is not None:
            raise self.problem
        return object()


def known(monkeypatch: pytest.MonkeyPatch, **names: str) -> None:
    """DNS: the addresses of hosts by name, and what the first host is called backwards."""
    addresses = {name.replace("_", "."): address for name, address in names.items()}
    backwards = {address: name for name, address in reversed(addresses.items())}

    def by_address(address: str) -> tuple[str, list[str], list[str]]:
        if address not in backwards:
            raise socket.herror(1, "unknown host")
        return backwards[address], [], [address]

    def by_name(name: str, *_: object, **__: object) -> list[Any]:
        if name not in addresses:
            raise socket.gaierror(-2, "unknown name")
        return [(2, 1, 6, "", (addresses[name], 0))]

    monkeypatch.setattr(socket, "gethostbyaddr", by_address)
    monkeypatch.setattr(socket, "getaddrinfo", by_name)


@pytest.mark.parametrize(
    ("principal", "canonicalize", "host", "expected"),
    [
        ("", True, "zk", "zookeeper@zk1.example.com"),
        ("", False, "zk", "zookeeper@zk"),
        ("", True, "10.0.0.1", "zookeeper@zk1.example.com"),
        ("", False, "10.0.0.1", "zookeeper@zk1.example.com"),
        ("zoo/all@R", True, "zk", "zoo@all"),
        ("zoo/all", True, "zk", "zoo@all"),
    ],
)
def test_whose_principal(
    monkeypatch: pytest.MonkeyPatch, principal: str, canonicalize: bool, host: str, expected: str
) -> None:
    known(monkeypatch, zk1_example_com="10.0.0.1", zk="10.0.0.1")
    clients = FakeClients(monkeypatch)
    named = ZooKeeperPrincipal.of(principal, "zookeeper", canonicalize=canonicalize)
    asyncio.run(_begin(ZooKeeperLogins(SETTINGS, named), host, "10.0.0.1"))
    assert clients.asked == [expected]


async def _begin(logins: ZooKeeperLogins, host: str, address: str) -> None:
    await logins.begin(host, address)


def test_a_name_backwards_that_does_not_lead_back_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clients = FakeClients(monkeypatch)
    logins = ZooKeeperLogins(SETTINGS, ZooKeeperPrincipal(service="zookeeper"))
    monkeypatch.setattr(socket, "gethostbyaddr", lambda _: ("evil.example.com", [], []))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("10.0.0.2", 0))])
    asyncio.run(_begin(logins, "zk", "10.0.0.1"))
    known(monkeypatch)
    asyncio.run(_begin(logins, "zk", "10.0.0.1"))
    assert clients.asked == ["zookeeper@zk"] * 2


@pytest.mark.parametrize("principal", ["zookeeper", "zookeeper@R", "/h@R", "a/b/c@R", "a@b@c"])
def test_a_principal_that_is_none(principal: str) -> None:
    with pytest.raises(ValueError, match=r"a host are needed|Malformed Kerberos name"):
        ZooKeeperPrincipal.of(principal, "zookeeper", canonicalize=True)


def test_a_slow_kdc_is_asked_once_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch)
    clients = FakeClients(monkeypatch)
    logins = ZooKeeperLogins(SETTINGS, ZooKeeperPrincipal(service="zookeeper"))

    async def main() -> None:
        clients.gate.clear()
        for _ in range(5):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await logins.begin("zk", "10.0.0.1")
        waiting = asyncio.create_task(logins.begin("zk", "10.0.0.1"))
        await asyncio.sleep(0)
        clients.gate.set()
        first = await waiting
        assert clients.asked == ["zookeeper@zk"]
        # A login serves once.
        assert await logins.begin("zk", "10.0.0.1") is not first
        assert len(clients.asked) == 2

    asyncio.run(main())


def test_a_login_that_nobody_waits_for_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither is it used later, when the server would take it for a repetition, nor is its failure
    an error in asyncio's log."""
    known(monkeypatch)
    clients = FakeClients(monkeypatch)
    logins = ZooKeeperLogins(SETTINGS, ZooKeeperPrincipal(service="zookeeper"))

    async def main() -> None:
        unheard: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: unheard.append(what))
        clients.gate.clear()
        clients.problem = AuthenticationFailed("no KDC")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await logins.begin("zk", "10.0.0.1")
        clients.gate.set()
        making = next(iter(logins._left.values()))
        await asyncio.wait([making])
        await asyncio.sleep(0)
        assert not logins._left
        clients.problem = None
        await logins.begin("zk", "10.0.0.1")
        assert len(clients.asked) == 2
        assert not unheard

    asyncio.run(main())


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gssapi", None)
    monkeypatch.delitem(sys.modules, "barnabas.security.sasl.gssapi", raising=False)
    with pytest.raises(ValueError, match=r"pip install 'barnabas\[gssapi\]'"):
        ZooKeeperLogins(SETTINGS, ZooKeeperPrincipal(service="zookeeper"))
