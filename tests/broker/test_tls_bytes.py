"""TlsLayer with any bytes: nobody is let in, nothing is raised, and what is held is bounded."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from barnabas.broker.newcomers import Newcomers
from barnabas.broker.tls_connection import HANDSHAKE_BYTES_MAX, Handshakes, TlsLayer, TlsPlan
from barnabas.cluster.certificates import Authority
from barnabas.security.principal import KafkaPrincipal
from barnabas.security.principal_mapping import PrincipalMapping
from barnabas.security.stores import StoreSettings
from barnabas.security.tls import TlsSettings, client_context, server_context

AUTHORITY = Authority()
KEY, CERTIFICATE = AUTHORITY.issue("server", ["server"])
SETTINGS = TlsSettings(
    keystore=StoreSettings(
        name="ssl.keystore", type="PEM", key=KEY.decode(), certificates=CERTIFICATE.decode()
    ),
    truststore=StoreSettings(
        name="ssl.truststore", type="PEM", certificates=AUTHORITY.pem.decode()
    ),
)
PLAN = TlsPlan(context=server_context(SETTINGS, lambda _: b""), mapping=PrincipalMapping("DEFAULT"))
CLIENT = client_context(SETTINGS, lambda _: b"")


class Wire:
    """The network, as the layer sees it."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.is_open = True
        self.is_read = True
        self.waiting = 0

    def write(self, data: Any) -> None:
        self.sent += data

    def close(self) -> None:
        self.is_open = False

    abort = close

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def set_write_buffer_limits(self, high: int | None, low: int | None) -> None:
        """Nothing is bounded here."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("10.0.0.9", 1) if name == "peername" else default


class Served:
    """A client's connection: what it was told."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.paused: list[bool] = []
        self._buffer = memoryview(bytearray(1000))
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.set_write_buffer_limits(high=1000)

    def get_buffer(self, _: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, count: int) -> None:
        self.heard += self._buffer[:count]

    def pause_writing(self) -> None:
        self.paused.append(True)

    def resume_writing(self) -> None:
        self.paused.append(False)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None


class Both:
    """A layer and a real client, in memory."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.newcomers = Newcomers(10, 10.0)
        self.wire, self.served = Wire(), Served()
        self.who: list[KafkaPrincipal] = []
        handshakes = Handshakes(loop.call_soon, lambda: 0.0)

        def connect(principal: KafkaPrincipal) -> Any:
            self.who.append(principal)
            return self.served

        self.notes: list[tuple[str, dict[str, Any]]] = []

        def note(event: str, **fields: Any) -> None:
            self.notes.append((event, fields))

        self.layer = TlsLayer(PLAN, "TLS", handshakes, self.newcomers, connect, note)
        self.layer.connection_made(self.wire)  # type: ignore[arg-type]
        self.to_client, self.from_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = CLIENT.wrap_bio(self.to_client, self.from_client, server_hostname="server")

    def receive(self, data: bytes) -> None:
        """The layer is given bytes, as the network gives them."""
        for start in range(0, len(data), 7000):
            if not self.wire.is_open:
                return
            piece = data[start : start + 7000]
            self.layer.get_buffer(-1)[: len(piece)] = piece
            self.layer.buffer_updated(len(piece))

    async def shake_hands(self, tamper: bytes = b"", at: int = 0) -> bool:
        """Whether it comes to its end; ``tamper`` is put over the client's bytes."""
        told = 0
        for _ in range(6):
            try:
                self.client.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            except ssl.SSLError:
                return False
            said = bytearray(self.from_client.read())
            for offset, byte in enumerate(tamper):
                if told <= at + offset < told + len(said):
                    said[at + offset - told] = byte
            told += len(said)
            self.receive(bytes(said))
            await asyncio.sleep(0)
            self.to_client.write(bytes(self.wire.sent))
            self.wire.sent.clear()
            if done:
                return bool(self.who)
        return False


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=5), st.booleans())
def test_any_bytes(pieces: list[bytes], as_record: bool) -> None:
    async def main() -> None:
        both = Both()
        for piece in pieces:
            framed = b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece
            both.receive(framed if as_record else piece)
            await asyncio.sleep(0)
        assert both.who == []
        if pieces and not as_record and pieces[0][0] != 0x16:
            assert not both.wire.is_open
            assert not both.wire.sent
            assert [event for event, _ in both.notes] == ["authentication_failed"]
        both.layer.connection_lost(None)
        assert (len(both.newcomers), both.newcomers.held) == (0, 0)

    asyncio.run(main())


@given(st.binary(min_size=1, max_size=8), st.integers(0, 600))
def test_a_handshake_that_was_tampered_with(tamper: bytes, at: int) -> None:
    async def main() -> None:
        both = Both()
        done = await both.shake_hands(tamper, at)
        assert len(both.who) <= 1
        if not done:
            assert not both.served.heard
        if not both.wire.is_open and not both.who:
            ((event, fields),) = both.notes
            assert event == "authentication_failed"
            assert fields["listener"] == "TLS"

    asyncio.run(main())


def test_a_handshake_that_does_not_end_is_cut_off() -> None:
    async def main() -> None:
        both = Both()
        record = b"\x16\x03\x01\x3f\xff" + b"\x01\x00\xff\xff" + bytes(0x3FFB)
        for _ in range(HANDSHAKE_BYTES_MAX // len(record) + 1):
            both.receive(record)
            await asyncio.sleep(0)
        assert not both.wire.is_open
        assert both.who == []
        assert both.notes[0][1]["why"] == "a TLS handshake that does not end"

    asyncio.run(main())


def test_long_answers_give_way_and_wait_for_the_client() -> None:
    async def main() -> None:
        both = Both()
        assert await both.shake_hands()
        answer = bytes(range(256)) * 12_000  # 3 MB
        both.layer.write(answer)
        assert len(both.wire.sent) < 1_200_000  # the rest has its turn later
        assert both.served.paused == [True]
        both.layer.pause_writing()
        sent = len(both.wire.sent)
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(both.wire.sent) == sent
        both.layer.resume_writing()
        both.layer.close()
        for _ in range(5):
            await asyncio.sleep(0)
        assert both.served.paused == [True, False]
        assert not both.wire.is_open
        both.to_client.write(bytes(both.wire.sent))
        read = bytearray()
        try:
            while len(read) < len(answer):
                read += both.client.read(1 << 20)
        except ssl.SSLWantReadError:
            pass
        assert bytes(read) == answer

    asyncio.run(main())


def test_a_client_that_is_not_read_waits_in_the_kernel() -> None:
    async def main() -> None:
        both = Both()
        assert await both.shake_hands()
        both.layer.pause_reading()
        assert not both.wire.is_read
        both.client.write(b"x" * 5000)
        both.receive(both.from_client.read())
        assert not both.served.heard
        both.layer.resume_reading()
        assert both.wire.is_read
        await asyncio.sleep(0)
        assert both.served.heard == b"x" * 5000
        both.layer.connection_lost(None)
        assert both.served.transport is None

    asyncio.run(main())


def test_what_comes_in_one_read_is_all_there_also_for_who_pauses() -> None:
    async def scenario() -> None:
        both = Both()
        assert await both.shake_hands()
        sent = bytes(range(256)) * 800  # in many records, more than is decrypted at once
        both.client.write(sent)
        came = both.from_client.read()
        staging = both.layer.get_buffer(-1)
        assert len(staging) >= len(came)
        staging[: len(came)] = came
        take = both.served.buffer_updated

        def pausing(count: int) -> None:
            take(count)
            if len(both.served.heard) == 3000:
                both.layer.pause_reading()

        both.served.buffer_updated = pausing  # type: ignore[method-assign]
        both.layer.buffer_updated(len(came))
        assert len(both.served.heard) == 3000
        staging[: len(came)] = bytes(len(came))  # others use it meanwhile
        both.layer.resume_reading()
        await asyncio.sleep(0)
        assert both.served.heard == sent

    asyncio.run(scenario())
