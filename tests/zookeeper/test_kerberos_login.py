"""Kerberos logins to a real ZooKeeper, with a real KDC."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from tests import kerberos
from tests.cluster_kit import free_ports
from tests.kerberos import REALM, Kdc
from tests.zookeeper import real_zookeeper
from tests.zookeeper.acl_walk import GetAclOp
from tests.zookeeper.clients import Client, connected
from tests.zookeeper.real_zookeeper import RealZooKeeper
from tests.zookeeper.server.kit import start

from barnabas.broker.main import system_env
from barnabas.broker.zookeeper_security import security_of
from barnabas.config.settings import SETTINGS
from barnabas.security.kerberos_settings import MODULE
from barnabas.zookeeper.client.security import ZooKeeperSecurity
from barnabas.zookeeper.errors import AuthFailed, NoAuth
from barnabas.zookeeper.messages import Acl

MISSING = kerberos.missing() or real_zookeeper.missing()
pytestmark = [
    pytest.mark.processes,
    pytest.mark.timeout(180),
    pytest.mark.skipif(MISSING is not None, reason=str(MISSING)),
]
PROVIDER = "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"


@pytest.fixture(scope="module")
def kdc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kdc]:
    with Kdc(tmp_path_factory.mktemp("kdc"), free_ports(1)) as running:
        for principal in ("zookeeper/localhost", "kafka/b1", "stranger"):
            running.keytab(principal)
        old = running.keytab("late")
        (running.directory / "late-old.keytab").write_bytes(old.read_bytes())
        running.keytab("late")
        yield running


@pytest.fixture(autouse=True)
def environment(kdc: Kdc, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in kdc.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def zookeeper(kdc: Kdc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealZooKeeper]:
    directory = tmp_path_factory.mktemp("zookeeper")
    jaas = directory / "jaas.conf"
    jaas.write_text(f"Server {{ {entry(kdc, 'zookeeper/localhost')} }};\n")
    options = (
        f"-Djava.security.auth.login.config={jaas}",
        f"-Djava.security.krb5.conf={kdc.config}",
        f"-Dzookeeper.authProvider.1={PROVIDER}",
    )
    with RealZooKeeper(directory / "zk", options=options) as running:
        yield running


def entry(kdc: Kdc, principal: str, keys_of: str = "") -> str:
    path = kdc.directory / f"{(keys_of or principal).replace('/', '-')}.keytab"
    return (
        f'{MODULE} required useKeyTab=true storeKey=true keyTab="{path}"'
        f' principal="{principal}@{REALM}";'
    )


def security(kdc: Kdc, principal: str = "kafka/b1", **others: str) -> ZooKeeperSecurity:
    given = {
        "barnabas.zookeeper.sasl.jaas.config": entry(kdc, principal, others.pop("keys_of", "")),
        "zookeeper.set.acl": "true",
        **{name.replace("_", "."): text for name, text in others.items()},
    }

    def value(name: str) -> object:
        setting = SETTINGS[name]
        return setting.parse(given[name]) if name in given else setting.default

    return security_of(system_env(), value)  # type: ignore[arg-type]


def test_a_login_and_whose_the_nodes_are(kdc: Kdc, zookeeper: RealZooKeeper) -> None:
    """ZooKeeper gives the name: that of the principal, with host and realm unless it is told to
    leave them out."""

    async def main() -> None:
        async with (
            asyncio.timeout(60),
            connected(zookeeper.connect_string, 30000, security=security(kdc)) as kafka,
            connected(zookeeper.connect_string, 30000) as anybody,
            connected(zookeeper.connect_string, security=security(kdc, "stranger")) as stranger,
        ):
            await kafka.create("/config/users/alice", b"x", make_parents=True)
            mine, everybodys = Acl(31, "sasl", f"kafka/b1@{REALM}"), Acl(1, "world", "anyone")
            assert await kafka.submit(GetAclOp("/config")) == (mine, everybodys)
            assert await kafka.submit(GetAclOp("/config/users")) == (mine,)
            for client in (anybody, stranger):
                with pytest.raises(NoAuth):
                    await client.get("/config/users/alice")
            session = kafka.session_id
            assert kafka._connection is not None
            kafka._connection.drop("cut")
            await kafka.connected()
            assert kafka.session_id == session
            assert (await kafka.get("/config/users/alice"))[0] == b"x"

    asyncio.run(main())


def test_a_kdc_that_is_away_is_not_missed_as_long_as_the_tickets_last(
    kdc: Kdc, zookeeper: RealZooKeeper
) -> None:
    async def main() -> None:
        async with asyncio.timeout(60):
            logins = security(kdc)
            async with connected(zookeeper.connect_string, 30000, security=logins) as kafka:
                kdc.stop()
                try:
                    assert kafka._connection is not None
                    kafka._connection.drop("cut")
                    await kafka.connected()
                    await kafka.exists("/")
                finally:
                    kdc.start()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("others", "why"),
    [
        ({"principal": "late", "keys_of": "late-old"}, "late@EXAMPLE.COM to zookeeper@localhost"),
        ({"principal": "nobody", "keys_of": "stranger"}, "nobody"),
        ({"zookeeper_sasl_client_username": "zoo"}, "zoo"),
        ({"zookeeper_server_principal": "zookeeper/elsewhere"}, "elsewhere"),
    ],
)
def test_a_login_that_fails_ends_a_start(
    kdc: Kdc, zookeeper: RealZooKeeper, others: dict[str, str], why: str
) -> None:
    async def main() -> None:
        async with asyncio.timeout(60):
            client = Client(zookeeper.connect_string, 30000, security=security(kdc, **others))
            with pytest.raises(AuthFailed) as failed:
                await client.connect(30000)
            text = str(failed.value)
            assert why in text
            assert "\n" not in text
            await client.close()

    asyncio.run(main())


def test_a_principal_for_all_servers(kdc: Kdc, zookeeper: RealZooKeeper) -> None:
    async def main() -> None:
        named = security(
            kdc,
            zookeeper_server_principal=f"zookeeper/localhost@{REALM}",
            zookeeper_sasl_client_username="zoo",
        )
        async with (
            asyncio.timeout(60),
            connected(zookeeper.connect_string, 30000, security=named) as kafka,
        ):
            await kafka.exists("/")

    asyncio.run(main())


def test_a_server_without_logins(kdc: Kdc) -> None:
    async def main() -> None:
        async with asyncio.timeout(20):
            server = await start()
            client = Client(f"127.0.0.1:{server.port}", security=security(kdc))
            with pytest.raises(AuthFailed, match="does not take SASL logins"):
                await client.connect(5000)
            await client.close()
            await server.stop()

    asyncio.run(main())
