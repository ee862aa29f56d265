"""``zookeeper.ssl.crl.enable`` and ``.ocsp.enable``: a server whose certificate was revoked."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from tests.security.authorities import Issued, Published, point, published
from tests.zookeeper.clients import Client, connected
from tests.zookeeper.server.kit import start

from barnabas.broker.main import system_env
from barnabas.broker.zookeeper_security import security_of
from barnabas.config.settings import SETTINGS
from barnabas.security.key_files import load_identity
from barnabas.security.stores import Identity
from barnabas.zookeeper.client.security import ZooKeeperSecurity
from barnabas.zookeeper.errors import ConnectionLoss

ROOT = Issued("root", is_authority=True)
HOSTS = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]


class Site:
    """A ZooKeeper server's key, and how a broker is told to reach the server."""

    def __init__(self, there: Published, directory: Path) -> None:
        self.there = there
        self.server = Issued(
            "zookeeper",
            ROOT,
            points=[point(f"{there.url}/crl")],
            responder=f"{there.url}/ocsp",
            hosts=HOSTS,
        )
        self._trusted = directory / "ca.pem"
        self._trusted.write_bytes(ROOT.pem)

    @property
    def tls(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        load_identity(context, Identity(key=self.server.key_pem, chain=self.server.pem))
        return context

    def security(self, *enabled: str) -> ZooKeeperSecurity:
        given = {
            "zookeeper.ssl.client.enable": "true",
            "zookeeper.ssl.truststore.location": str(self._trusted),
            **dict.fromkeys(enabled, "true"),
        }

        def value(name: str) -> object:
            setting = SETTINGS[name]
            return setting.parse(given[name]) if name in given else setting.default

        return security_of(system_env(), value)  # type: ignore[arg-type]


CRL, OCSP = "zookeeper.ssl.crl.enable", "zookeeper.ssl.ocsp.enable"


@pytest.mark.parametrize("setting", [CRL, OCSP])
def test_a_server_is_looked_up_at_each_connection(tmp_path: Path, setting: str) -> None:
    async def main() -> None:
        async with asyncio.timeout(20), published() as there:
            site = Site(there, tmp_path)
            there.at["/crl"] = ROOT.revocations()
            there.at["/ocsp"] = lambda _: ROOT.answer(site.server)
            server = await start(tls=site.tls)
            try:
                security = site.security(setting)
                async with connected(f"127.0.0.1:{server.port}", security=security) as client:
                    assert there.asked == ["/crl" if setting == CRL else "/ocsp"]
                    session = client.session_id
                    assert client._connection is not None
                    client._connection.drop("cut")
                    await client.connected()
                    assert client.session_id == session
                    assert len(there.asked) == (1 if setting == CRL else 2)
            finally:
                await server.stop()

    asyncio.run(main())


@pytest.mark.parametrize("setting", [CRL, OCSP])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_server_that_is_not_believed_is_told_nothing(
    tmp_path: Path, setting: str, is_known: bool
) -> None:
    received = bytearray()

    class Server(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            received.extend(data)

    async def main() -> None:
        async with asyncio.timeout(20), published() as there:
            site = Site(there, tmp_path)
            if is_known:
                there.at["/crl"] = ROOT.revocations(site.server)
            loop = asyncio.get_running_loop()
            server = await loop.create_server(Server, "127.0.0.1", 0, ssl=site.tls)
            at = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            client = Client(at, security=site.security(setting))
            why = "CN=zookeeper: revoked since" if is_known else "is not known"
            with pytest.raises(ConnectionLoss, match=why):
                await client.connect(1000)
            assert not received
            await client.close()
            # Who does not look believes it.
            stranger = Client(at, security=site.security())
            with pytest.raises(ConnectionLoss):
                await stranger.connect(300)
            assert received
            await stranger.close()
            server.close()

    asyncio.run(main())
