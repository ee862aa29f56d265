"""SaslAuthenticator against what 3.9.1 answered: every recorded login, frame by frame."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barnabas.errors import InvalidRequest
from barnabas.protocol import codec
from barnabas.protocol.api import API_TABLE, ApiKey
from barnabas.protocol.message import Message
from barnabas.security.authenticator import Mechanism, SaslAuthenticator, Verdict, What
from barnabas.security.sasl.mechanism import (
    GSSAPI,
    OAUTHBEARER,
    PLAIN,
    SCRAM_SHA_256,
    SCRAM_SHA_512,
)
from barnabas.security.sasl.oauthbearer import (
    OAuthBearerServer,
    UnsecuredRules,
    validate_unsecured,
)
from barnabas.security.sasl.plain import PlainServer
from barnabas.security.sasl.scram import ScramCredential, ScramServer, decoy

GOLDEN = Path(__file__).parents[1] / "golden/security"
USERS = {
    unquote(name): {mechanism: ScramCredential.parse(text) for mechanism, text in config.items()}
    for name, config in json.loads((GOLDEN / "scram-users.json").read_text()).items()
}
BEGAN_MS = 1_795_997_379_120
"""Wall time of the recording's beginning."""
PASSWORDS = {name: f"{name}-pw" for name in ("admin", "alice", "bob", "carol", "erin")}


def _connections() -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    with gzip.open(GOLDEN / "logins.jsonl.gz", "rt") as lines:
        for line in lines:
            event = json.loads(line)
            found.setdefault(event["conn"], []).append(event)
    return found


CONNECTIONS = _connections()


class Peer:
    """An authenticator that is given the recorded server's nonces, and its time."""

    def __init__(self, events: list[dict[str, Any]]) -> None:
        self.now = 0.0
        self.wall_ms = BEGAN_MS
        self._nonces = iter(_nonces(events))
        rules = UnsecuredRules(clock_skew_ms=1000)

        def bearer() -> OAuthBearerServer:
            return OAuthBearerServer(lambda t: validate_unsecured(t, rules, self.wall_ms))

        self.authenticator = SaslAuthenticator(
            {
                PLAIN: Mechanism(begin=lambda: PlainServer(PASSWORDS)),
                SCRAM_SHA_256: Mechanism(begin=lambda: self._scram(SCRAM_SHA_256)),
                SCRAM_SHA_512: Mechanism(
                    begin=lambda: self._scram(SCRAM_SHA_512), reauthentication_ms_max=4000
                ),
                OAUTHBEARER: Mechanism(begin=bearer),
            }
        )

    def _scram(self, mechanism: str) -> ScramServer:
        return ScramServer(
            mechanism,
            next(self._nonces, "none"),
            lambda user: USERS.get(user, {}).get(mechanism),
            lambda user: decoy(mechanism, b"key", user, 4096),
        )


def _nonces(events: list[dict[str, Any]]) -> Iterator[str]:
    """What the server put behind the client's nonce, challenge by challenge."""
    client = b""
    for event in events:
        data = bytes.fromhex(event["hex"] or "")
        if event["dir"] == "request" and b"n=" in data and b",r=" in data:
            client = data.partition(b",r=")[2].partition(b",")[0].rstrip(b"\0")
        elif event["dir"] == "response" and b"r=" + client in data and b",s=" in data and client:
            yield data.partition(b"r=" + client)[2].partition(b",")[0].decode()


def _token_time(data: bytes) -> float | None:
    _, found, rest = data.partition(b"Bearer ")
    if not found:
        return None
    try:
        part = rest.split(b".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
        return float(claims["exp"])
    except (ValueError, LookupError, TypeError):
        return None


def _lifetime(event: dict[str, Any]) -> int:
    if event.get("api") != ApiKey.SASL_AUTHENTICATE or not event["version"]:
        return 0
    answer: Any = codec.decode_response(
        event["api"],
        event["version"],
        bytes.fromhex(event["hex"]),
        5 if event["version"] > 1 else 4,
    )
    return int(answer.session_lifetime)


@pytest.mark.parametrize("number", CONNECTIONS)
def test_a_recorded_connection(number: int) -> None:
    events = CONNECTIONS[number]
    peer = Peer(events)
    for event, answer in pairwise([*events, {"dir": "closed", "hex": None}]):
        if event["dir"] == answer["dir"] == "response":
            return  # the recording leaves out what was asked too often
        if event["dir"] != "request":
            continue
        if answer["dir"] == "request":
            answer = {"dir": "closed", "hex": None}
        frame = bytes.fromhex(event["hex"])
        peer.now = event["t"] / 1000
        until = _token_time(frame)
        lifetime_ms = _lifetime(answer)
        peer.wall_ms = BEGAN_MS + round(event["t"])
        if until is not None and lifetime_ms:
            peer.wall_ms = round(until * 1000) - lifetime_ms
        if not _same(peer, frame, event, answer):
            return


def _same(peer: Peer, frame: bytes, event: dict[str, Any], answer: dict[str, Any]) -> bool:
    """Whether the connection goes on; fails if ours differs from the recorded one."""
    verdict = peer.authenticator.receive(memoryview(bytearray(frame)), peer.now, peer.wall_ms)
    closed = answer["dir"] == "closed"
    recorded = bytes.fromhex(answer["hex"] or "")
    if verdict.what is What.SERVE:
        if event["api"] == ApiKey.API_VERSIONS and not any(recorded[4:6]):
            peer.authenticator.versions_told()
        return not closed
    if verdict.what is What.END:
        assert closed or event["step"].startswith("06")
        return False
    if verdict.what is What.MISPLACED:
        assert answer["api"] == event["api"]
        return False
    if verdict.frame is None:
        assert closed
        return False
    assert not closed or verdict.what is What.ANSWER
    ours = verdict.frame[4:]
    if ours != recorded and b"invalid credentials" in recorded and verdict.what is What.ANSWER:
        assert b",i=4096" in ours  # a challenge for somebody who is not there
        return False
    if not closed:
        assert ours == recorded
    return verdict.what is not What.REFUSE


def test_the_recording_is_whole() -> None:
    assert len(CONNECTIONS) > 70
    answers = {e["api"] for events in CONNECTIONS.values() for e in events}
    assert {17, 18, 36, None} <= answers


def _request(api: ApiKey, version: int, message: Message) -> memoryview:
    return memoryview(bytearray(codec.encode_request(api, version, 7, "c", message)[4:]))


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.builds(
                lambda key, version, rest: (
                    key.to_bytes(2, "big") + version.to_bytes(2, "big") + bytes(6) + rest
                ),
                st.sampled_from(sorted(API_TABLE)),
                st.integers(0, 12),
                st.binary(max_size=30),
            ),
            st.sampled_from([PLAIN, SCRAM_SHA_256, "NOPE"]).map(
                lambda name: bytes(_request(ApiKey.SASL_HANDSHAKE, 1, Message(mechanism=name)))
            ),
            st.binary(max_size=30).map(
                lambda token: bytes(
                    _request(ApiKey.SASL_AUTHENTICATE, 2, Message(auth_bytes=token))
                )
            ),
        ),
        max_size=5,
    )
)
def test_no_bytes_are_served_before_a_login(frames: list[bytes]) -> None:
    """Whatever is said: nothing but ApiVersions is passed on, and nobody is let in."""
    authenticator = Peer([]).authenticator
    for frame in frames:
        try:
            verdict = authenticator.receive(memoryview(bytearray(frame)), 0.0, 0)
        except InvalidRequest:
            return
        assert verdict.what is not What.LOGGED_IN
        assert not authenticator.is_known
        if verdict.what is What.SERVE:
            assert int.from_bytes(frame[:2], "big") == ApiKey.API_VERSIONS
        elif verdict.what is not What.ANSWER:
            return


class Kerberos:
    """Two tokens, and the client is known."""

    authorization_id: str | None = None
    expires_ms: int | None = None
    by_token = False

    def step(self, token: bytes) -> bytes:
        if not token.startswith(b"\x60"):
            self.authorization_id = "carol"
        return b"after " + token


_FIRST = memoryview(bytearray(b"\x60\x82\x02\x00 a ticket"))
"""How a token of Kerberos begins: as a request of an API that there is not."""


def test_a_client_of_0_9_begins_with_a_ticket() -> None:
    authenticator = SaslAuthenticator({GSSAPI: Mechanism(begin=Kerberos)})
    verdict = authenticator.receive(_FIRST, 0.0, 0)
    raw = b"after " + bytes(_FIRST)
    assert verdict.what is What.ANSWER
    assert verdict.frame == len(raw).to_bytes(4, "big") + raw
    verdict = authenticator.receive(memoryview(bytearray(b"last")), 0.0, 0)
    assert (verdict.what, verdict.frame) == (What.LOGGED_IN, b"\0\0\0\nafter last")
    assert authenticator.principal.name == "carol"


def test_a_ticket_is_nothing_elsewhere() -> None:
    """Not without GSSAPI, and not from a client that knows requests."""
    verdict = Peer([]).authenticator.receive(_FIRST, 0.0, 0)
    assert verdict.what is What.REFUSE
    authenticator = SaslAuthenticator({GSSAPI: Mechanism(begin=Kerberos)})
    assert authenticator.receive(_request(ApiKey.API_VERSIONS, 0, Message()), 0.0, 0) == Verdict(
        What.SERVE
    )
    authenticator.versions_told()
    assert authenticator.receive(_FIRST, 0.0, 0).what is What.REFUSE
    assert not authenticator.is_known
