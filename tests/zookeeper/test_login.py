"""Our client and our coordinator over TLS and with logins: who is served, and what ACLs say."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.zookeeper.acl_walk import GetAclOp
from tests.zookeeper.client.puppet_server import PuppetServer
from tests.zookeeper.clients import Client, connected
from tests.zookeeper.server.kit import Server, start

from barnabas.cluster.certificates import Authority
from barnabas.security.key_files import load_identity
from barnabas.security.sasl.digest_md5 import DigestMd5Client
from barnabas.security.sasl.mechanism import AuthenticationFailed
from barnabas.security.stores import Identity
from barnabas.zk.acls import secure_acls
from barnabas.zookeeper.client.client import CreateOp, SessionState
from barnabas.zookeeper.client.security import ZooKeeperSecurity
from barnabas.zookeeper.errors import (
    AuthFailed,
    ConnectionLoss,
    InvalidAcl,
    LoginRequired,
    NoAuth,
)
from barnabas.zookeeper.messages import Acl

USERS = {"kafka": "kafka-secret", "other": "other-secret", "super": "super-secret"}
AUTHORITY = Authority()
STRANGERS = Authority()


def as_user(
    name: str, password: str | None = None, tls: ssl.SSLContext | None = None
) -> ZooKeeperSecurity:
    secret = USERS[name] if password is None else password
    return ZooKeeperSecurity(
        begin=lambda: DigestMd5Client(name, secret, "a-nonce"), acls=secure_acls, tls=tls
    )


def server_tls(trusted: Authority | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    key, chain = AUTHORITY.issue("zookeeper", ["127.0.0.1"])
    load_identity(context, Identity(key=key, chain=chain))
    if trusted is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=trusted.pem.decode())
    return context


def client_tls(authority: Authority = AUTHORITY, name: str = "") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority.pem.decode())
    if name:
        key, chain = AUTHORITY.issue(name)
        load_identity(context, Identity(key=key, chain=chain))
    return context


def run(test: Callable[[Server], Awaitable[None]], **config: Any) -> None:
    async def main() -> None:
        async with asyncio.timeout(20):
            server = await start(**config)
            try:
                await test(server)
            finally:
                await server.stop()

    asyncio.run(main())


def at(server: Server) -> str:
    return f"127.0.0.1:{server.port}"


def test_what_its_creator_alone_may_do() -> None:
    async def test(server: Server) -> None:
        async with (
            connected(at(server), security=as_user("kafka")) as kafka,
            connected(at(server), security=as_user("other")) as other,
            connected(at(server), security=as_user("super")) as root,
            connected(at(server)) as stranger,
        ):
            await kafka.create("/config/users/alice", b"x", make_parents=True)
            await kafka.create("/consumers", b"")
            mine, everybodys = Acl(31, "sasl", "kafka"), Acl(1, "world", "anyone")
            assert await kafka.submit(GetAclOp("/config")) == (mine, everybodys)
            for path in ("/config/users", "/config/users/alice"):
                assert await kafka.submit(GetAclOp(path)) == (mine,)
            assert await kafka.submit(GetAclOp("/consumers")) == (Acl(31, "world", "anyone"),)
            for client in (other, stranger):
                assert await client.children("/config")
                for refused in (
                    client.get("/config/users/alice"),
                    client.set("/config", b"y"),
                    client.create("/config/x", b""),
                ):
                    with pytest.raises(NoAuth):
                        await refused
                await client.create("/consumers/of-long-ago" + client.__class__.__name__, b"")
                await client.delete("/consumers/of-long-ago" + client.__class__.__name__)
            assert await root.get("/config/users/alice")
            stranger_with_acls = ZooKeeperSecurity(acls=secure_acls)
            async with connected(at(server), security=stranger_with_acls) as nobody:
                with pytest.raises(InvalidAcl):
                    await nobody.create("/mine", b"")
            in_one = await kafka.multi([CreateOp("/a", b""), CreateOp("/a/b", b"")])
            assert len(in_one) == 2
            assert await kafka.submit(GetAclOp("/a/b")) == (mine, everybodys)

    run(test, users=USERS)


def test_a_chroot_has_an_acl_too() -> None:
    async def test(server: Server) -> None:
        async with connected(f"{at(server)}/one/two", security=as_user("kafka")) as kafka:
            await kafka.create("/config/users", None, make_parents=True)
            assert await kafka.submit(GetAclOp("/config/users")) == (Acl(31, "sasl", "kafka"),)
            assert len(await kafka.submit(GetAclOp("/"))) == 2

    run(test, users=USERS)


@pytest.mark.parametrize(("name", "password"), [("kafka", "wrong"), ("ghost", "x")])
@pytest.mark.parametrize("required", [True, False])
def test_a_wrong_login_ends_a_start(name: str, password: str, required: bool) -> None:
    async def test(server: Server) -> None:
        client = Client(at(server), security=as_user(name, password))
        with pytest.raises(
            AuthFailed, match=r"AuthFailed \((AuthFailed|LoginRequired)\)"
        ) as failed:
            await client.connect(5000)
        assert password not in str(failed.value)
        await client.close()

    run(test, users=USERS, login_required=required)


def test_a_server_without_logins_ends_a_start() -> None:
    async def test(server: Server) -> None:
        client = Client(at(server), security=as_user("kafka"))
        with pytest.raises(AuthFailed, match="does not take SASL logins"):
            await client.connect(5000)
        await client.close()

    run(test)


def test_where_a_login_is_required_strangers_are_sent_away() -> None:
    async def test(server: Server) -> None:
        stranger = Client(at(server))
        await stranger.connect(5000)
        with pytest.raises(LoginRequired):
            await stranger.get("/")
        await stranger.close()
        async with connected(at(server), security=as_user("kafka")) as kafka:
            await kafka.create("/a", b"")

    run(test, users=USERS, login_required=True)


def test_a_session_goes_on_after_another_login() -> None:
    async def test(server: Server) -> None:
        async with connected(at(server), security=as_user("kafka")) as kafka:
            await kafka.create("/config/users/me", b"", make_parents=True)
            await kafka.get("/config/users/me", watch=True)
            session = kafka.session_id
            assert kafka._connection is not None
            kafka._connection.drop("cut")
            await kafka.connected()
            assert kafka.session_id == session
            await kafka.create("/b", b"")
            await kafka.set("/config/users/me", b"y")
            await kafka.until(lambda: any(not isinstance(h, SessionState) for h in kafka.heard))

    run(test, users=USERS, login_required=True)


class Stepping:
    """A login whose last answer has no token, as Kerberos' with ZooKeeper."""

    is_complete = False

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def first(self) -> bytes:
        return b"first"

    def step(self, challenge: bytes) -> bytes | None:
        self.asked.append(challenge)
        self.is_complete = len(self.asked) == 2
        return None if self.is_complete else b"second"


def test_a_login_whose_last_answer_has_no_token() -> None:
    logins: list[tuple[str, str]] = []
    login = Stepping()

    async def begin(host: str, address: str) -> Stepping:
        logins.append((host, address))
        return login

    async def main() -> None:
        async with asyncio.timeout(20), PuppetServer() as puppet:
            puppet.tokens = [b"a", None]
            at = puppet.connect_string.replace("127.0.0.1", "localhost")
            async with connected(at, security=ZooKeeperSecurity(begin_at=begin)) as client:
                await client.exists("/")
            assert login.asked == [b"a", b""]
            assert logins == [("localhost", "127.0.0.1")]
            assert puppet.told == [b"first", b"second"]

    asyncio.run(main())


def test_a_login_that_cannot_begin_ends_a_start_and_is_tried_again_later() -> None:
    async def test(server: Server) -> None:
        failing = True

        async def begin(host: str, address: str) -> DigestMd5Client:
            if failing:
                raise AuthenticationFailed("no ticket")
            return DigestMd5Client("kafka", USERS["kafka"], "a-nonce")

        security = ZooKeeperSecurity(begin_at=begin)
        client = Client(at(server), security=security)
        with pytest.raises(AuthFailed, match="no ticket"):
            await client.connect(5000)
        await client.close()
        failing = False
        async with connected(at(server), security=security) as kafka:
            session = kafka.session_id
            failing = True
            assert kafka._connection is not None
            kafka._connection.drop("cut")
            with pytest.raises(ConnectionLoss, match="no ticket"):
                await kafka.connected(timeout_ms=300)
            failing = False
            await kafka.connected()
            assert kafka.session_id == session

    run(test, users=USERS, login_required=True)


def test_a_login_that_takes_too_long_is_named() -> None:
    async def test(server: Server) -> None:
        async def begin(host: str, address: str) -> DigestMd5Client:
            await asyncio.Event().wait()
            raise AssertionError("nobody waits for it")

        client = Client(at(server), 400, security=ZooKeeperSecurity(begin_at=begin))
        with pytest.raises(ConnectionLoss, match="waits for a Kerberos ticket"):
            await client.connect(1000)
        await client.close()

    run(test, users=USERS)


def test_tls_and_whose_certificate_is_believed() -> None:
    async def test(server: Server) -> None:
        async with connected(at(server), security=as_user("kafka", tls=client_tls())) as kafka:
            await kafka.create("/a", b"x" * 100_000)
            assert (await kafka.get("/a"))[0] == b"x" * 100_000
        for security in (ZooKeeperSecurity(tls=client_tls(STRANGERS)), ZooKeeperSecurity()):
            client = Client(at(server), security=security)
            with pytest.raises(ConnectionLoss):
                await client.connect(500)
            await client.close()

    run(test, users=USERS, tls=server_tls(), login_required=True)


def test_a_certificate_shows_who_one_is() -> None:
    async def test(server: Server) -> None:
        named = ZooKeeperSecurity(tls=client_tls(name="broker-1"), acls=secure_acls)
        async with connected(at(server), security=named) as broker:
            await broker.create("/config/users", None, make_parents=True)
            assert await broker.submit(GetAclOp("/config/users")) == (
                Acl(31, "x509", "CN=broker-1"),
            )
        client = Client(at(server), security=ZooKeeperSecurity(tls=client_tls()))
        with pytest.raises(ConnectionLoss):
            await client.connect(500)
        await client.close()

    run(test, tls=server_tls(AUTHORITY), login_required=True)


def test_a_server_that_says_nonsense_during_a_login() -> None:
    """The connection is dropped, and tried again for as long as there is time."""

    async def main() -> None:
        async with asyncio.timeout(20), PuppetServer() as puppet:
            client = Client(puppet.connect_string, security=as_user("kafka"))
            with pytest.raises((AuthFailed, ConnectionLoss)):
                await client.connect(300)
            await client.close()

    asyncio.run(main())
