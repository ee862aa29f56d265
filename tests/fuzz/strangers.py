"""What comes to listeners that ask who is there: logins, half logins, TLS and what is none."""

from __future__ import annotations

import random
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.fuzz.messages import mutated

from barnabas.cluster.certificates import Authority
from barnabas.protocol.api import ApiKey
from barnabas.security.sasl import oauthbearer, plain, scram
from barnabas.security.sasl.mechanism import OAUTHBEARER, PLAIN, SCRAM_SHA_256

SASL, TLS, BROKERS = "SASL", "TLS", "BROKERS"
USER, PASSWORD = "fuzz", "fuzz-secret"
PATIENCE_S = 0.15
TOKENS = (
    b"\0fuzz\0fuzz-secret",
    b"\0fuzz\0wrong",
    b"n,,n=fuzz,r=nonce",
    b"n,a=fuzz,n=fuzz,r=nonce,tokenauth=true",
    b"c=biws,r=nonce,p=AAAA",
    b"n,,\x01auth=Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.\x01\x01",
    b"\x01",
    b"",
)


def settings(directory: Path, plaintext: int, sasl: int, tls: int, brokers: int) -> dict[str, str]:
    """Of a broker with listeners of three kinds for clients, and one for brokers; writes its
    keys."""
    authority = Authority()
    key, certificate = authority.issue("fuzz", ["127.0.0.1"])
    (directory / "keys.pem").write_bytes(key + certificate)
    prefix = "listener.name.sasl."
    ports = {"PLAINTEXT": plaintext, SASL: sasl, TLS: tls, BROKERS: brokers}
    protocols = {"PLAINTEXT": "PLAINTEXT", SASL: "SASL_PLAINTEXT", TLS: "SSL", BROKERS: "PLAINTEXT"}
    return {
        "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items()),
        "listener.security.protocol.map": ",".join(f"{n}:{p}" for n, p in protocols.items()),
        "inter.broker.listener.name": BROKERS,
        "sasl.enabled.mechanisms": f"{PLAIN},{SCRAM_SHA_256},{OAUTHBEARER}",
        f"{prefix}plain.sasl.jaas.config": f'{plain.MODULE} required user_{USER}="{PASSWORD}";',
        f"{prefix}scram-sha-256.sasl.jaas.config": f"{scram.MODULE} required;",
        f"{prefix}oauthbearer.sasl.jaas.config": f"{oauthbearer.MODULE} required;",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(directory / "keys.pem"),
        "delegation.token.secret.key": "fuzz-key",
        "connection.failed.authentication.delay.ms": "1",
    }


class Strangers:
    """``requests`` makes hostile frames of APIs, sizes included."""

    def __init__(self, chance: random.Random, requests: Callable[[], list[bytes]]) -> None:
        self._chance = chance
        self._requests = requests
        hello = ssl.MemoryBIO()
        side = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), hello)
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            self._hello = hello.read()
        self._trusting = ssl.create_default_context()
        self._trusting.check_hostname = False
        self._trusting.verify_mode = ssl.CERT_NONE

    def sasl(self, port: int) -> int:
        """One connection to a listener of SASL; how many frames it sent."""
        frames = list(self._login())
        if self._chance.random() < 0.3:
            frames[0:0] = self._requests()[:1]
        return send(port, [*frames, *self._requests()])

    def tls(self, port: int) -> int:
        """One connection to a listener of TLS: what is no TLS, half of it, or frames inside."""
        kind = self._chance.random()
        if kind < 0.3:
            return send(port, self._requests())
        if kind < 0.7:
            return send(port, [mutated(self._hello, self._chance)])
        return send(port, self._requests(), self._trusting)

    def _login(self) -> Iterator[bytes]:
        chance = self._chance
        version = chance.randrange(2)
        name = chance.choice((PLAIN, SCRAM_SHA_256, OAUTHBEARER, "GSSAPI", "x" * 300))
        yield _request(ApiKey.SASL_HANDSHAKE, version, _text(name.encode()))
        for _ in range(chance.randrange(1, 4)):
            token = chance.choice(TOKENS)
            if chance.random() < 0.6:
                token = mutated(token or b"\0", chance)
            if version:
                body = struct.pack(">i", len(token)) + token
                yield _request(ApiKey.SASL_AUTHENTICATE, chance.randrange(2), body)
            else:
                yield struct.pack(">i", len(token)) + token


def _request(api: ApiKey, version: int, body: bytes) -> bytes:
    frame = struct.pack(">hhi", api, version, 1) + _text(b"fuzz") + body
    return struct.pack(">i", len(frame)) + frame


def _text(data: bytes) -> bytes:
    return struct.pack(">h", len(data)) + data


def send(port: int, frames: list[bytes], tls: ssl.SSLContext | None = None) -> int:
    """Until the other side closes, or says nothing for a while; how many frames were sent."""
    sent = 0
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as plain_socket:
            plain_socket.settimeout(PATIENCE_S)
            connection = plain_socket
            if tls is not None:
                connection = tls.wrap_socket(plain_socket)
            with connection:
                for frame in frames:
                    connection.sendall(frame)
                    sent += 1
                while connection.recv(65_536):
                    continue
    except OSError:
        return sent
    return sent
