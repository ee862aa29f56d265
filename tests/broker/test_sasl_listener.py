"""Whole brokers whose listeners want logins: who is served, when, and what is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from tests.api import kit
from tests.api.kit import Client
from tests.broker.test_listeners import alter, until

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.connection import KafkaConnection
from barnabas.protocol.message import Message
from barnabas.seams import Env
from barnabas.security import client as secure
from barnabas.security.client import AuthenticationRefused, ClientSecurity, SaslConnection
from barnabas.security.client_login import client_login
from barnabas.security.jaas import parse_jaas, parse_jaas_file
from barnabas.security.sasl import plain, scram
from barnabas.security.sasl.scram import credential_of, salted_password
from barnabas.zk.admin import change_config
from barnabas.zk.paths import user_entity

CLIENTS = 9093
PLAIN_JAAS = f'{plain.MODULE} required user_alice="alice-secret" user_bob="bob-secret";'
SCRAM_JAAS = f'{scram.MODULE} required username="broker" password="broker-secret";'
SASL = {
    "listeners": "PLAINTEXT://{host}:9092,CLIENTS://{host}:9093,INSIDE://{host}:9094",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CLIENTS:SASL_PLAINTEXT,"
    "INSIDE:SASL_PLAINTEXT",
    "inter.broker.listener.name": "INSIDE",
    "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-256",
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
    "listener.name.inside.sasl.enabled.mechanisms": "SCRAM-SHA-256",
    "listener.name.inside.scram-sha-256.sasl.jaas.config": SCRAM_JAAS,
    "listener.name.clients.plain.sasl.jaas.config": PLAIN_JAAS,
    "listener.name.clients.scram-sha-256.sasl.jaas.config": f"{scram.MODULE} required;",
    "listener.name.clients.scram-sha-512.sasl.jaas.config": f"{scram.MODULE} required;",
    "barnabas.authentication.timeout.ms": "5000",
    "offsets.topic.replication.factor": "1",
}


async def _with_users(env: Env) -> None:
    """The brokers' own user, as ``barnabas user add --zookeeper`` leaves him."""
    zookeeper = await kit.zookeeper(env)
    salted = salted_password("SCRAM-SHA-256", b"broker-secret", b"salt", 4096)
    text = credential_of("SCRAM-SHA-256", salted, b"salt", 4096).text()
    await change_config(zookeeper, user_entity("broker"), lambda _: {"SCRAM-SHA-256": text})
    await zookeeper.close()


def _run(scenario: Any, brokers: int = 1, /, **settings: str) -> None:
    kit.run(
        scenario,
        brokers=brokers,
        settings={**SASL, **{k.replace("_", "."): v for k, v in settings.items()}},
        prepare=_with_users,
    )


def _as(user: str, password: str, mechanism: str = "PLAIN") -> ClientSecurity:
    module = plain.MODULE if mechanism == "PLAIN" else scram.MODULE
    entry = parse_jaas(f'{module} required username="{user}" password="{password}";')
    begin = client_login(mechanism, entry, secret=bytes, wall_ms=int)
    return ClientSecurity(mechanism=mechanism, begin=begin)


async def _connect(security: ClientSecurity, broker: int = 1) -> KafkaConnection:
    return await secure.connect(
        f"b{broker}", CLIENTS, client_id="c", timeout_ms=10_000, security=security
    )


ALICE = _as("alice", "alice-secret")


async def _controller(connection: KafkaConnection) -> int:
    answer: Any = await connection.send(ApiKey.METADATA, 1, Message(topics=[]))
    return int(answer.controller_id)


def test_a_login_and_what_is_told_of_a_wrong_one() -> None:
    async def scenario(client: Client) -> None:
        connection = await _connect(ALICE)
        assert await _controller(connection) == 1
        told = []
        for wrong in (_as("alice", "no"), _as("ghost", "no"), _as("bob", "alice-secret")):
            began = asyncio.get_running_loop().time()
            with pytest.raises(AuthenticationRefused) as refused:
                await _connect(wrong)
            assert asyncio.get_running_loop().time() - began >= 0.1
            told.append(str(refused.value))
        assert set(told) == {"Authentication failed: Invalid username or password"}
        with pytest.raises(AuthenticationRefused, match="does not offer NOPE, only PLAIN, SCRAM"):
            await _connect(ClientSecurity(mechanism="NOPE", begin=ALICE.begin))
        assert await _controller(connection) == 1

    _run(scenario)


def test_the_listener_that_was_asked_is_told() -> None:
    async def scenario(client: Client) -> None:
        connection = await _connect(ALICE)
        for asked, port in ((connection, CLIENTS), (await client.connection(), 9092)):
            metadata: Any = await asked.send(ApiKey.METADATA, 12, Message(topics=[]))
            cluster: Any = await asked.send(ApiKey.DESCRIBE_CLUSTER, 0, Message())
            assert {b.port for b in (*metadata.brokers, *cluster.brokers)} == {port}
            found: Any = await asked.send(
                ApiKey.FIND_COORDINATOR, 2, Message(key="g", key_type=0), timeout_ms=20_000
            )
            assert found.port == port

    _run(scenario)


@pytest.mark.parametrize("api", [ApiKey.METADATA, ApiKey.PRODUCE, ApiKey.SASL_AUTHENTICATE])
def test_nothing_else_is_served_before_a_login(api: ApiKey) -> None:
    async def scenario(client: Client) -> None:
        connection = await KafkaConnection.connect("b1", CLIENTS, client_id="c", timeout_ms=10_000)
        versions: Any = await connection.send(ApiKey.API_VERSIONS, 0, Message())
        assert versions.error_code == ErrorCode.NONE
        with pytest.raises(ConnectionError, match="closed by the peer"):
            await connection.send(
                api, 9 if api is ApiKey.PRODUCE else 2, _any_message(api), timeout_ms=10_000
            )

    _run(scenario)


def _any_message(api: ApiKey) -> Message:
    if api is ApiKey.PRODUCE:
        return kit.produce_message("t", b"x")
    return Message(topics=[], auth_bytes=b"\0alice\0alice-secret")


def test_a_request_before_a_login_is_no_longer_than_allowed() -> None:
    async def scenario(client: Client) -> None:
        # Afterwards it may be.
        connection = await _connect(ALICE)
        await connection.send(ApiKey.METADATA, 1, Message(topics=[Message(name="t" * 200)]))
        newcomer = await KafkaConnection.connect("b1", CLIENTS, client_id="c", timeout_ms=10_000)
        versions = Message(client_software_name="n", client_software_version="1")
        answer: Any = await newcomer.send(ApiKey.API_VERSIONS, 3, versions)
        assert answer.error_code == ErrorCode.NONE
        longer = Message(client_software_name="n" * 200, client_software_version="1")
        with pytest.raises(ConnectionError, match="closed by the peer"):
            await newcomer.send(ApiKey.API_VERSIONS, 3, longer, timeout_ms=10_000)

    _run(scenario, sasl_server_max_receive_size="150")


def test_a_request_in_the_midst_of_a_login_gets_its_own_answer() -> None:
    async def scenario(client: Client) -> None:
        connection = await KafkaConnection.connect("b1", CLIENTS, client_id="c", timeout_ms=10_000)
        await connection.send(ApiKey.SASL_HANDSHAKE, 1, Message(mechanism="PLAIN"))
        answer: Any = await connection.send(ApiKey.API_VERSIONS, 0, Message())
        assert answer.error_code == ErrorCode.ILLEGAL_SASL_STATE
        await connection.closed

    _run(scenario)


def test_who_says_nothing_is_closed_and_who_is_known_is_not() -> None:
    async def scenario(client: Client) -> None:
        known = await _connect(ALICE)
        silent = await KafkaConnection.connect("b1", CLIENTS, client_id="c", timeout_ms=10_000)
        slow = await KafkaConnection.connect("b1", CLIENTS, client_id="c", timeout_ms=10_000)
        slow.post(ApiKey.API_VERSIONS, 0, Message())
        began = asyncio.get_running_loop().time()
        await silent.closed
        assert 5 <= asyncio.get_running_loop().time() - began < 7
        await slow.closed
        assert await _controller(known) == 1

    _run(scenario)


def test_a_crowd_of_strangers_does_not_keep_a_client_out() -> None:
    async def scenario(client: Client) -> None:
        known = await _connect(ALICE)
        crowd = [
            await KafkaConnection.connect("b1", CLIENTS, client_id="c", timeout_ms=10_000)
            for _ in range(12)
        ]
        late = await _connect(ALICE)
        assert await _controller(late) == await _controller(known) == 1
        await asyncio.sleep(0.5)
        assert [c.is_open for c in crowd] == [False] * 8 + [True] * 4

    _run(scenario, barnabas_newcomers_max="5")


def test_scram_users_by_the_api() -> None:
    async def scenario(client: Client) -> None:
        controller = await client.controller()
        salted = salted_password("SCRAM-SHA-512", b"carol-secret", b"pepper", 4096)
        change = Message(
            deletions=[],
            upsertions=[
                Message(
                    name="carol, c",
                    mechanism=2,
                    iterations=4096,
                    salt=b"pepper",
                    salted_password=salted,
                )
            ],
        )
        answer = await client.ask(ApiKey.ALTER_USER_SCRAM_CREDENTIALS, 0, change, broker=controller)
        assert [(r.user, r.error_code, r.error_message) for r in answer.results] == [
            ("carol, c", 0, "")
        ]
        carol = _as("carol, c", "carol-secret", "SCRAM-SHA-512")
        assert await _controller(await _connect(carol, controller)) == controller
        other = 3 - controller
        while True:  # the other broker hears of it by a notification
            try:
                connection = await _connect(carol, other)
                break
            except AuthenticationRefused:
                continue
        assert await _controller(connection) == controller
        described = await client.ask(
            ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS, 0, Message(users=None), broker=other
        )
        assert [
            (r.user, [(c.mechanism, c.iterations) for c in r.credential_infos])
            for r in described.results
        ] == [("broker", [(1, 4096)]), ("carol, c", [(2, 4096)])]
        gone = Message(deletions=[Message(name="carol, c", mechanism=2)], upsertions=[])
        for error in (ErrorCode.NONE, ErrorCode.RESOURCE_NOT_FOUND):
            answer = await client.ask(
                ApiKey.ALTER_USER_SCRAM_CREDENTIALS, 0, gone, broker=controller
            )
            assert answer.results[0].error_code == error
        with pytest.raises(AuthenticationRefused):
            await _connect(carol, controller)

    _run(scenario, 2)


def test_brokers_log_in_to_each_other_and_renew_their_sessions() -> None:
    """A session between brokers lasts two seconds here, and nobody notices."""

    async def scenario(client: Client) -> None:
        await client.create("t", 1, 3)
        connection = await _connect(ALICE)
        for number in range(20):
            result = await client.produce("t", b"%d" % number, broker=await _leader(client))
            assert result.error_code == ErrorCode.NONE
            await asyncio.sleep(0.7)
        view = await client.ask(ApiKey.METADATA, 1, Message(topics=None))
        partition = next(t for t in view.topics if t.name == "t").partitions[0]
        assert sorted(partition.isr_nodes) == [1, 2, 3]
        assert await _controller(connection) > 0

    _run(
        scenario,
        3,
        **{"listener.name.inside.scram-sha-256.connections.max.reauth.ms": "2000"},
    )


async def _leader(client: Client) -> int:
    view = await client.ask(ApiKey.METADATA, 1, Message(topics=None))
    return int(next(t for t in view.topics if t.name == "t").partitions[0].leader_id)


def test_a_listener_that_comes_later_has_the_logins_of_the_jaas_file() -> None:
    async def scenario(client: Client) -> None:
        added = {
            "listeners": f"PLAINTEXT://b1:9092,LATER://b1:{CLIENTS}",
            "listener__name__later__sasl__enabled__mechanisms": "PLAIN",
        }
        assert await alter(client, **added) == (0, "")

        async def is_open() -> bool:
            try:
                (await _connect(ALICE)).close()
            except AuthenticationRefused:
                raise
            except ConnectionError:
                return False
            return True

        await until(is_open)
        with pytest.raises(AuthenticationRefused):
            await _connect(_as("alice", "no"))
        lacking = {**added, "listener__name__later__sasl__enabled__mechanisms": "SCRAM-SHA-256"}
        assert await alter(client, **dict.fromkeys(added)) == (0, "")
        error, text = await alter(client, **lacking)
        assert error == ErrorCode.INVALID_REQUEST
        assert "'KafkaServer' has no entry of" in text
        assert "secret" not in text

    kit.run(
        scenario,
        settings={"listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,LATER:SASL_PLAINTEXT"},
        sections=parse_jaas_file(f"KafkaServer {{ {PLAIN_JAAS} }};"),
    )


def test_an_expired_session_is_closed_unless_it_is_renewed() -> None:
    async def scenario(client: Client) -> None:
        left, kept = await _connect(ALICE), await _connect(ALICE)
        assert isinstance(left, SaslConnection)
        left._renew_at = None  # it does not know better
        for _ in range(10):
            await asyncio.sleep(0.3)
            assert await _controller(kept) == 1
        with pytest.raises(ConnectionError):
            await _controller(left)

    _run(scenario, **{"listener.name.clients.plain.connections.max.reauth.ms": "1000"})


@pytest.fixture
def everything_logged() -> Iterator[list[str]]:
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.getMessage()} {record.exc_info}")

    handler, root = Handler(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


def test_no_secret_is_shown(everything_logged: list[str]) -> None:
    async def scenario(client: Client) -> None:
        logging.disable(logging.NOTSET)
        for security in (ALICE, _as("alice", "mistyped-secret"), _as("a\nb", "x-secret")):
            try:
                await _connect(security)
            except AuthenticationRefused:
                continue
        described = await client.ask(
            ApiKey.DESCRIBE_CONFIGS,
            4,
            Message(
                resources=[Message(resource_type=4, resource_name="1", configuration_keys=None)],
                include_synonyms=True,
                include_documentation=False,
            ),
        )
        configs = described.results[0].configs
        assert any(c.name.endswith("plain.sasl.jaas.config") for c in configs)
        values = [c.value for c in configs] + [s.value for c in configs for s in c.synonyms]
        assert not any("secret" in value for value in values if value)

    _run(scenario)
    assert any("Failed authentication with" in line for line in everything_logged)
    assert not any("secret" in line for line in everything_logged)
