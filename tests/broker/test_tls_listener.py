"""Whole brokers whose listeners want TLS: both sides, certificates, what is no TLS."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from tests.api import kit
from tests.api.kit import Client

from barnabas.cluster.certificates import Authority
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.connection import KafkaConnection
from barnabas.protocol.message import Message
from barnabas.security import client as secure
from barnabas.security.client import ClientSecurity
from barnabas.security.client_login import client_login
from barnabas.security.jaas import parse_jaas
from barnabas.security.sasl import plain
from barnabas.security.stores import StoreSettings
from barnabas.security.tls import TlsSettings, client_context

AUTHORITY = Authority()
KEY, CERTIFICATE = AUTHORITY.issue("brokers", ["b1", "b2", "b3"])
TLS, BOTH = 9093, 9095
JAAS = (
    f'{plain.MODULE} required username="broker" password="broker-secret"'
    ' user_broker="broker-secret" user_alice="alice-secret";'
)
SETTINGS = {
    "listeners": "PLAINTEXT://{host}:9092,TLS://{host}:9093,INSIDE://{host}:9094,BOTH://{host}:9095",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,TLS:SSL,INSIDE:SASL_SSL,BOTH:SASL_SSL",
    "inter.broker.listener.name": "INSIDE",
    "sasl.mechanism.inter.broker.protocol": "PLAIN",
    "sasl.enabled.mechanisms": "PLAIN",
    "listener.name.inside.plain.sasl.jaas.config": JAAS,
    "listener.name.both.plain.sasl.jaas.config": JAAS,
    "ssl.keystore.type": "PEM",
    "ssl.keystore.key": KEY.decode(),
    "ssl.keystore.certificate.chain": CERTIFICATE.decode(),
    "ssl.truststore.type": "PEM",
    "ssl.truststore.certificates": AUTHORITY.pem.decode(),
    "listener.name.tls.ssl.client.auth": "required",
    "barnabas.authentication.timeout.ms": "5000",
    "offsets.topic.replication.factor": "1",
}
TRUST = StoreSettings(name="ssl.truststore", type="PEM", certificates=AUTHORITY.pem.decode())


def _context(name: str | None = None) -> Any:
    keys = StoreSettings(name="ssl.keystore", type="PEM")
    if name is not None:
        key, certificate = AUTHORITY.issue(name)
        keys = StoreSettings(
            name="ssl.keystore",
            type="PEM",
            key=key.decode(),
            certificates=certificate.decode(),
        )
    return client_context(TlsSettings(keystore=keys, truststore=TRUST), lambda _: b"")


async def _connect(port: int, security: ClientSecurity, broker: int = 1) -> KafkaConnection:
    return await secure.connect(
        f"b{broker}", port, client_id="c", timeout_ms=10_000, security=security
    )


def _alice(password: str = "alice-secret") -> ClientSecurity:
    entry = parse_jaas(f'{plain.MODULE} required username="alice" password="{password}";')
    begin = client_login("PLAIN", entry, secret=bytes, wall_ms=int)
    return ClientSecurity(tls=_context(), mechanism="PLAIN", begin=begin)


def _run(scenario: Any, brokers: int = 1, /, **settings: str) -> None:
    kit.run(scenario, brokers=brokers, settings={**SETTINGS, **settings})


async def _serves(connection: KafkaConnection) -> bool:
    answer: Any = await connection.send(ApiKey.METADATA, 1, Message(topics=[]), timeout_ms=10_000)
    return bool(answer.brokers)


def test_a_replicated_cluster_over_sasl_ssl() -> None:
    async def scenario(client: Client) -> None:
        await client.create("t", 1, 3)
        view = await client.ask(ApiKey.METADATA, 1, Message(topics=None))
        leader = int(next(t for t in view.topics if t.name == "t").partitions[0].leader_id)
        alice = await _connect(BOTH, _alice(), leader)
        # Longer than any buffer on the way.
        values = [b"%d" % i * 400_000 for i in range(5)]
        for value in values:
            message = kit.produce_message("t", value)
            answer: Any = await alice.send(ApiKey.PRODUCE, 9, message, timeout_ms=30_000)
            assert answer.responses[0].partition_responses[0].error_code == ErrorCode.NONE
        fetch = Message(
            replica_id=-1,
            max_wait=100,
            min_bytes=1,
            max_bytes=1 << 25,
            isolation_level=0,
            session_id=0,
            session_epoch=-1,
            topics=[
                Message(
                    topic="t",
                    partitions=[
                        Message(
                            partition=0,
                            current_leader_epoch=-1,
                            fetch_offset=0,
                            last_fetched_epoch=-1,
                            log_start_offset=-1,
                            partition_max_bytes=1 << 25,
                        )
                    ],
                )
            ],
            forgotten_topics_data=[],
            rack_id="",
        )
        fetched: Any = await alice.send(ApiKey.FETCH, 12, fetch, timeout_ms=30_000)
        records = bytes(fetched.responses[0].partitions[0].records)
        assert all(value in records for value in values)

    _run(scenario, 3)


def test_certificates_of_clients() -> None:
    async def scenario(client: Client) -> None:
        assert await _serves(await _connect(TLS, ClientSecurity(tls=_context("alice"))))
        with pytest.raises(ConnectionError):
            await _serves(await _connect(TLS, ClientSecurity(tls=_context())))
        stranger = Authority().issue("alice")
        keys = StoreSettings(
            name="ssl.keystore",
            type="PEM",
            key=stranger[0].decode(),
            certificates=stranger[1].decode(),
        )
        tls = client_context(TlsSettings(keystore=keys, truststore=TRUST), lambda _: b"")
        with pytest.raises(ConnectionError):
            await _serves(await _connect(TLS, ClientSecurity(tls=tls)))
        assert await _serves(await _connect(BOTH, _alice()))  # asks for none
        with pytest.raises(ConnectionError, match="Invalid username or password"):
            await _connect(BOTH, _alice("wrong"))

    _run(scenario)


def test_names_that_no_rule_knows_are_refused() -> None:
    async def scenario(client: Client) -> None:
        assert await _serves(await _connect(TLS, ClientSecurity(tls=_context("alice"))))
        with pytest.raises(ConnectionError):
            await _serves(await _connect(TLS, ClientSecurity(tls=_context("bob"))))

    _run(scenario, **{"ssl.principal.mapping.rules": "RULE:CN=(alice)/$1/"})


class _Raw(asyncio.Protocol):
    """Says something, and hears what comes."""

    def __init__(self, says: bytes) -> None:
        self.says = says
        self.heard = b""
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(self.says)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


async def _say(port: int, says: bytes) -> bytes:
    _, raw = await asyncio.get_running_loop().create_connection(lambda: _Raw(says), "b1", port)
    await raw.ended.wait()
    return raw.heard


@pytest.fixture
def logged() -> Iterator[list[str]]:
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name == "kafka.network":
                lines.append(record.getMessage())

    handler, root = Handler(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


HELLO = bytes.fromhex("16030100fa010000f60303") + bytes(244)
FRAME = bytes.fromhex("0000001200120000000000010008") + b"plain-me"


@pytest.mark.parametrize(
    ("port", "says", "line"),
    [
        (TLS, FRAME, "no TLS on listener TLS, which asks for it"),
        (BOTH, b"GET / HTTP/1.1\r\n\r\n", "no TLS on listener BOTH, which asks for it"),
        (9092, HELLO, "frame of 369295616 bytes, at most 104857600 (it looks like TLS)"),
    ],
)
def test_the_wrong_language_is_one_line_in_the_log(
    port: int, says: bytes, line: str, logged: list[str]
) -> None:
    async def scenario(client: Client) -> None:
        logging.disable(logging.NOTSET)
        logged.clear()
        assert await _say(port, says) == b""
        assert len(logged) == 1
        assert logged[0].startswith("closing connection from ")
        assert logged[0].endswith(line)

    _run(scenario)


def test_handshakes_that_do_not_end() -> None:
    async def scenario(client: Client) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.gather(
            _say(TLS, b""), _say(TLS, HELLO[:20]), _say(TLS, b"\x16\x03\x01\x40\x00" + bytes(900))
        )
        assert loop.time() - began < 7
        assert await _serves(await _connect(BOTH, _alice()))

    _run(scenario)
