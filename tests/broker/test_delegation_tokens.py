"""Whole brokers with delegation tokens: asked for, logged in with, renewed, ended, swept."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.api import kit
from tests.api.kit import Client
from tests.authorizer.messages import acl
from tests.broker.test_sasl_listener import ALICE, CLIENTS, SASL, _as, _with_users
from tests.places import GOLDEN

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.connection import KafkaConnection
from barnabas.protocol.message import Message
from barnabas.security import client as secure
from barnabas.security.client import AuthenticationRefused, ClientSecurity, SaslConnection
from barnabas.security.client_login import client_login
from barnabas.security.jaas import parse_jaas
from barnabas.security.sasl import scram
from barnabas.zk.tokens import TOKEN_CHANGES, TOKENS, decode_token, encode_token, token_path

KEY = "token-secret"
BOB = _as("bob", "bob-secret")
SETTINGS = {
    **SASL,
    "authorizer.class.name": "kafka.security.authorizer.AclAuthorizer",
    "super.users": "User:broker;User:ANONYMOUS",
    "delegation.token.secret.key": KEY,
    "delegation.token.max.lifetime.ms": "60000",
    "delegation.token.expiry.time.ms": "20000",
    "delegation.token.expiry.check.interval.ms": "3000",
}
CREATE, RENEW, EXPIRE, DESCRIBE = (
    ApiKey.CREATE_DELEGATION_TOKEN,
    ApiKey.RENEW_DELEGATION_TOKEN,
    ApiKey.EXPIRE_DELEGATION_TOKEN,
    ApiKey.DESCRIBE_DELEGATION_TOKEN,
)


def _run(scenario: Any, brokers: int = 1, /, **settings: str) -> None:
    given = {k.replace("_", "."): v for k, v in settings.items()}
    kit.run(scenario, brokers=brokers, settings={**SETTINGS, **given}, prepare=_with_users)


async def _connect(security: ClientSecurity, broker: int = 1) -> KafkaConnection:
    return await secure.connect(
        f"b{broker}", CLIENTS, client_id="c", timeout_ms=10_000, security=security
    )


async def _ask(connection: KafkaConnection, api: ApiKey, version: int, **fields: Any) -> Any:
    return await connection.send(api, version, Message(**fields), timeout_ms=10_000)


async def _create(connection: KafkaConnection, *renewers: str, **fields: Any) -> Any:
    named = [Message(principal_type="User", principal_name=name) for name in renewers]
    return await _ask(connection, CREATE, 3, **{"renewers": named, "max_lifetime": -1, **fields})


def _with(token: Any, mechanism: str = "SCRAM-SHA-256", tokenauth: bool = True) -> ClientSecurity:
    password = base64.b64encode(bytes(token.hmac)).decode()
    options = f'username="{token.token_id}" password="{password}"' + ' tokenauth="true"' * tokenauth
    entry = parse_jaas(f"{scram.MODULE} required {options};")
    begin = client_login(mechanism, entry, secret=bytes, wall_ms=int)
    return ClientSecurity(mechanism=mechanism, begin=begin)


async def _ids(connection: KafkaConnection, *owners: str) -> list[str]:
    named = [Message(principal_type="User", principal_name=name) for name in owners]
    answer = await _ask(connection, DESCRIBE, 3, owners=named or None)
    assert answer.error_code == 0
    return [token.token_id for token in answer.tokens]


async def _until(condition: Callable[[], Any]) -> None:
    while not await condition():  # noqa: ASYNC110 - of another broker
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_token_logs_its_owner_in_at_every_broker(mechanism: str) -> None:
    async def scenario(client: Client) -> None:
        alice = await _connect(ALICE)
        token = await _create(alice)
        assert (token.principal_name, token.token_requester_principal_name) == ("alice", "alice")
        assert token.expiry_timestamp - token.issue_timestamp == 20_000
        assert token.max_timestamp - token.issue_timestamp == 60_000
        assert token.hmac == hmac.digest(KEY.encode(), token.token_id.encode(), "sha512")
        await client.ask(ApiKey.CREATE_ACLS, 3, Message(creations=[acl("User:alice", "TOPIC ALL")]))
        await client.create("t", 1, 1)
        for broker in (1, 2):
            while True:  # the other broker hears of it by a notification
                try:
                    connection = await _connect(_with(token, mechanism), broker)
                    break
                except AuthenticationRefused:
                    continue
            view = await _ask(
                connection, ApiKey.METADATA, 9, topics=None, include_topic_authorized_operations=1
            )
            assert [t.name for t in view.topics] == ["t"]  # as alice
            assert isinstance(connection, SaslConnection)
            assert 0 < (connection.lasts_s or 0) < 20
            for api, fields in (
                (RENEW, {"hmac": token.hmac, "renew_period": -1}),
                (EXPIRE, {"hmac": token.hmac, "expiry_time_period": -1}),
                (DESCRIBE, {"owners": None}),
                (CREATE, {"renewers": [], "max_lifetime": -1}),
            ):
                answer = await _ask(connection, api, 2, **fields)
                assert answer.error_code == ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED
        for wrong in (
            _with(token, mechanism, tokenauth=False),
            _with(Message(token_id=token.token_id, hmac=b"x" * 64), mechanism),
            _with(Message(token_id="nobody's", hmac=token.hmac), mechanism),
        ):
            with pytest.raises(AuthenticationRefused, match="due to invalid credentials"):
                await _connect(wrong)

    _run(scenario, 2)


def test_who_may_do_what_with_a_token() -> None:
    async def scenario(client: Client) -> None:
        alice, bob = await _connect(ALICE), await _connect(BOB)
        token = await _create(alice, "bob", max_lifetime=30_000)
        own = await _create(bob)
        assert token.max_timestamp - token.issue_timestamp == 30_000
        assert await _ids(alice) == [token.token_id]
        assert await _ids(bob) == [token.token_id, own.token_id]
        assert await _ids(bob, "alice") == [token.token_id]
        assert len((await _ask(alice, DESCRIBE, 1, owners=[])).tokens) == 0
        for who, it, period, code, until in (
            (alice, token, 5_000, 0, None),
            (bob, token, -1, 0, None),
            (bob, token, 10**15, 0, token.max_timestamp),
            (alice, own, -1, ErrorCode.DELEGATION_TOKEN_OWNER_MISMATCH, -1),
            (alice, Message(hmac=b"?"), 1, ErrorCode.DELEGATION_TOKEN_NOT_FOUND, -1),
        ):
            for api, name in ((RENEW, "renew_period"), (EXPIRE, "expiry_time_period")):
                if period < 0 and code == 0 and api is EXPIRE:
                    continue
                answer = await _ask(who, api, 1, hmac=it.hmac, **{name: period})
                assert answer.error_code == code
                assert until is None or answer.expiry_timestamp == until
        for principal, error in (("Group", ErrorCode.INVALID_PRINCIPAL_TYPE), ("User", 0)):
            renewer = Message(principal_type=principal, principal_name="x")
            assert (await _create(alice, renewers=[renewer])).error_code == error
        removed = await _ask(bob, EXPIRE, 2, hmac=token.hmac, expiry_time_period=-1)
        assert removed.error_code == 0
        assert token.token_id not in await _ids(alice)

    _run(scenario)


def test_for_somebody_else() -> None:
    async def scenario(client: Client) -> None:
        alice, bob = await _connect(ALICE), await _connect(BOB)
        asked = {"owner_principal_type": "User", "owner_principal_name": "alice"}
        refused = await _create(bob, **asked)
        assert refused.error_code == ErrorCode.DELEGATION_TOKEN_AUTHORIZATION_FAILED
        assert (refused.principal_name, refused.token_requester_principal_name) == ("alice", "bob")
        assert (refused.issue_timestamp, refused.token_id, refused.hmac) == (-1, "", b"")
        rights = [
            acl("User:bob", "USER CREATE_TOKENS", name) for name in ("User:alice", "Group:g", ":x")
        ]
        await client.ask(ApiKey.CREATE_ACLS, 3, Message(creations=rights))
        made = await _create(bob, **asked)
        assert made.error_code == 0
        assert await _ids(alice) == await _ids(bob) == [made.token_id]
        renewed = await _ask(bob, RENEW, 2, hmac=made.hmac, renew_period=1)  # requesters may not
        assert renewed.error_code == ErrorCode.DELEGATION_TOKEN_OWNER_MISMATCH
        for kind, name in (("Group", "g"), ("", "x")):
            other = {"owner_principal_type": kind, "owner_principal_name": name}
            answer = await _create(bob, **other)
            assert answer.error_code == ErrorCode.INVALID_PRINCIPAL_TYPE
        assert (
            await _create(bob, owner_principal_type="", owner_principal_name="")
        ).error_code == 0

    _run(scenario)


def test_an_expired_token_is_of_no_use_and_soon_gone() -> None:
    async def scenario(client: Client) -> None:
        alice = await _connect(ALICE)
        token = await _create(alice)
        kept = await _create(alice)
        answer = await _ask(alice, EXPIRE, 2, hmac=token.hmac, expiry_time_period=1000)
        assert answer.error_code == 0
        connection = await _connect(_with(token))
        assert isinstance(connection, SaslConnection)
        connection._renew_at = None
        wall_ms = client.env.clock.wall_ms
        await asyncio.sleep((answer.expiry_timestamp + 1 - wall_ms()) / 1000)
        for period, api, name in (
            (-1, RENEW, "renew_period"),
            (1000, EXPIRE, "expiry_time_period"),
        ):
            late = await _ask(alice, api, 2, hmac=token.hmac, **{name: period})
            assert late.error_code == ErrorCode.DELEGATION_TOKEN_EXPIRED
        for each in (connection, await _connect(_with(token))):  # it still lets in
            with pytest.raises(ConnectionError):
                await _ask(each, ApiKey.METADATA, 1, topics=[])
        for broker in (1, 2):  # the controller sweeps; the other broker hears of it
            asking = await _connect(ALICE, broker)

            async def is_gone(asking: KafkaConnection = asking) -> bool:
                return await _ids(asking) == [kept.token_id]

            await _until(is_gone)
        with pytest.raises(AuthenticationRefused):
            await _connect(_with(token))

    _run(scenario, 2)


def test_who_may_not_ask_and_where_there_are_none() -> None:
    async def scenario(client: Client) -> None:
        alice = await _connect(ALICE)
        assert (await _create(alice)).error_code == ErrorCode.DELEGATION_TOKEN_AUTH_DISABLED
        answer = await _ask(alice, DESCRIBE, 3, owners=None)
        assert answer.error_code == ErrorCode.DELEGATION_TOKEN_AUTH_DISABLED
        plain = await client.connection()
        refused = ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED
        assert (await _create(plain)).error_code == refused
        for api, fields in ((RENEW, {"renew_period": 1}), (EXPIRE, {"expiry_time_period": 1})):
            assert (await _ask(plain, api, 2, hmac=b"x", **fields)).error_code == refused
            disabled = await _ask(alice, api, 2, hmac=b"x", **fields)
            assert disabled.error_code == ErrorCode.DELEGATION_TOKEN_AUTH_DISABLED

    _run(scenario, **{"delegation.token.secret.key": ""})


def test_what_is_in_zookeeper() -> None:
    async def scenario(client: Client) -> None:
        alice = await _connect(ALICE)
        token = await _create(alice, "bob", "c/ü")
        zookeeper = await kit.zookeeper(client.env)
        data, _ = await zookeeper.get(token_path(token.token_id))
        assert json.loads(data) == {
            "issueTimestamp": token.issue_timestamp,
            "renewers": ["User%3Abob", "User%3Ac%2F%C3%BC"],
            "tokenRequester": "User%3Aalice",
            "tokenId": token.token_id,
            "owner": "User%3Aalice",
            "expiryTimestamp": token.expiry_timestamp,
            "maxTimestamp": token.max_timestamp,
            "version": 3,
        }
        await _ask(alice, RENEW, 2, hmac=token.hmac, renew_period=7)
        _, stat = await zookeeper.get(token_path(token.token_id))
        assert stat.version == 1
        await _ask(alice, EXPIRE, 2, hmac=token.hmac, expiry_time_period=-1)
        names, _ = await zookeeper.children(TOKEN_CHANGES)
        assert names == [f"token_change_{number:010d}" for number in range(3)]
        told = [(await zookeeper.get(f"{TOKEN_CHANGES}/{name}"))[0] for name in names]
        assert told == [token.token_id.encode()] * 3
        assert (await zookeeper.children(TOKENS))[0] == []
        # What others write is obeyed; what cannot be read lets nobody in, and stops nobody.
        await zookeeper.create(token_path("odd"), b"{}")
        await zookeeper.create(f"{TOKEN_CHANGES}/token_change_", b"odd", sequential=True)
        await zookeeper.create(f"{TOKEN_CHANGES}/token_change_", b"../x", sequential=True)
        old = {"owner": "User%3Aalice", "renewers": [], "issueTimestamp": 1, "maxTimestamp": 2**62}
        old |= {"expiryTimestamp": 2**62, "tokenId": "old", "version": 1}
        await zookeeper.create(token_path("old"), json.dumps(old).encode())
        await zookeeper.create(f"{TOKEN_CHANGES}/token_change_", b"old", sequential=True)

        async def is_known() -> bool:
            return await _ids(alice) == ["old"]

        await _until(is_known)
        await zookeeper.close()

    _run(scenario)


def test_a_token_that_is_removed_meanwhile_does_not_come_back() -> None:
    async def scenario(client: Client) -> None:
        alice = await _connect(ALICE)
        token = await _create(alice)
        zookeeper = await kit.zookeeper(client.env)
        await zookeeper.delete(token_path(token.token_id))  # and nobody is told
        answer = await _ask(alice, RENEW, 2, hmac=token.hmac, renew_period=7)
        assert answer.error_code == ErrorCode.DELEGATION_TOKEN_NOT_FOUND
        assert (await zookeeper.children(TOKENS))[0] == []
        await zookeeper.close()

    _run(scenario)


def test_one_user_cannot_use_all_the_room() -> None:
    async def scenario(client: Client) -> None:
        alice, bob = await _connect(ALICE), await _connect(BOB)
        large = ["r" * 30_000, "s" * 30_000]
        too_large = await _create(alice, *large, "t" * 30_000)
        assert too_large.error_code == ErrorCode.INVALID_REQUEST
        codes: list[int] = []
        while not codes or codes[-1] == 0:
            token = await _create(alice, *large)
            codes.append(token.error_code)
        assert codes[-1] == ErrorCode.POLICY_VIOLATION
        assert 150 < len(codes) < 190
        assert (await _create(bob)).error_code == 0
        some = (await _ask(alice, DESCRIBE, 3, owners=None)).tokens[0]
        await _ask(alice, EXPIRE, 2, hmac=some.hmac, expiry_time_period=-1)
        assert (await _create(alice, *large)).error_code == 0

    _run(scenario)


def test_bodies_are_the_originals_byte_for_byte() -> None:
    bodies = json.loads((GOLDEN / "security/token-znodes.json").read_text())
    assert len(bodies) > 5
    for token_id, body in bodies.items():
        token = decode_token(token_path(token_id), body.encode())
        assert encode_token(token) == body.encode()


def test_the_key_has_an_older_name() -> None:
    async def scenario(client: Client) -> None:
        token = await _create(await _connect(ALICE))
        assert token.hmac == hmac.digest(KEY.encode(), token.token_id.encode(), "sha512")

    given = {n: t for n, t in SETTINGS.items() if n != "delegation.token.secret.key"}
    given["delegation.token.master.key"] = KEY
    kit.run(scenario, settings=given, prepare=_with_users)
