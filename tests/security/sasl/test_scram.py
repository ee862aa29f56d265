"""SCRAM: the vectors of RFC 7677, both sides against each other, what is refused."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barnabas.security.sasl.mechanism import SCRAM_SHA_256, SCRAM_SHA_512, AuthenticationFailed
from barnabas.security.sasl.scram import (
    ScramClient,
    ScramCredential,
    ScramServer,
    credential_of,
    decoy,
    salted_password,
    secure_text,
)

# RFC 7677 3
USER, PASSWORD = "user", "pencil"
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
CLIENT_NONCE, SERVER_NONCE = "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
MESSAGES = (
    b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
    b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
)


def _credential(mechanism: str = SCRAM_SHA_256, password: str = PASSWORD) -> ScramCredential:
    salted = salted_password(mechanism, password.encode(), SALT, 4096)
    return credential_of(mechanism, salted, SALT, 4096)


CREDENTIALS = {m: _credential(m) for m in (SCRAM_SHA_256, SCRAM_SHA_512)}


def _server(mechanism: str = SCRAM_SHA_256, user: str = USER, nonce: str = "s") -> ScramServer:
    return ScramServer(
        mechanism,
        nonce,
        lambda name: CREDENTIALS[mechanism] if name == user else None,
        lambda name: decoy(mechanism, b"key", name, 4096),
    )


def test_the_vectors_of_rfc_7677() -> None:
    server = _server(nonce=SERVER_NONCE)
    client = ScramClient(SCRAM_SHA_256, USER, PASSWORD, CLIENT_NONCE)
    first = client.first()
    challenge = server.step(first)
    proof = client.step(challenge)
    assert proof is not None
    signature = server.step(proof)
    assert client.step(signature) is None
    assert (first, challenge, proof, signature) == MESSAGES
    assert client.is_complete
    assert server.authorization_id == USER


def _log_in(client: ScramClient, server: ScramServer) -> None:
    proof = client.step(server.step(client.first()))
    assert proof is not None
    client.step(server.step(proof))


@pytest.mark.parametrize("mechanism", CREDENTIALS)
def test_both_sides_agree(mechanism: str) -> None:
    for user in (USER, "a,b=c", "=2C", "x y"):
        server = _server(mechanism, user)
        client = ScramClient(mechanism, user, PASSWORD, "c")
        _log_in(client, server)
        assert server.authorization_id == user
        assert client.is_complete


def test_a_wrong_user_and_a_wrong_password_look_alike() -> None:
    """The same messages of the same shape, and the same words at the same place."""
    told = []
    for user, password in (("ghost", PASSWORD), (USER, "wrong")):
        server = _server()
        client = ScramClient(SCRAM_SHA_256, user, password, "c")
        challenge = server.step(client.first())
        assert challenge == server._signed.partition(",r=c,")[2].encode()
        proof = client.step(challenge)
        assert proof is not None
        with pytest.raises(AuthenticationFailed) as failed:
            server.step(proof)
        told.append((str(failed.value), failed.value.told, challenge.count(b",")))
        assert server.authorization_id is None
    assert told[0] == told[1]


def test_decoys_are_always_the_same_and_never_match() -> None:
    one, other = (decoy(SCRAM_SHA_512, key, "u", 8192) for key in (b"k", b"l"))
    assert one == decoy(SCRAM_SHA_512, b"k", "u", 8192)
    assert one.salt != other.salt
    assert one.salt.isalnum()
    assert len(one.stored_key) == 64


def test_one_who_knows_a_decoy_is_not_let_in() -> None:
    known = _credential(password="secret")
    server = ScramServer(SCRAM_SHA_256, "s", lambda _: None, lambda _: known)
    client = ScramClient(SCRAM_SHA_256, "ghost", "secret", "c")
    proof = client.step(server.step(client.first()))
    assert proof is not None
    with pytest.raises(AuthenticationFailed):
        server.step(proof)


@pytest.mark.parametrize(
    "challenge",
    [
        b"",
        b"r=x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        b"r=cs,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095",
        b"r=cs,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=999999999",
        b"r=cs,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-1",
        b"r=cs,s=W22,i=4096",
        "r=cs,s=,i=\u0664\u0660\u0669\u0666".encode(),
    ],
)
def test_a_client_does_not_follow_any_server(challenge: bytes) -> None:
    client = ScramClient(SCRAM_SHA_256, USER, PASSWORD, "c")
    client.first()
    with pytest.raises(AuthenticationFailed):
        client.step(challenge)


@pytest.mark.parametrize("final", [b"", b"v=AAAA", b"e=invalid-proof", b"v=" + b"A" * 43 + b"="])
def test_a_client_wants_proof_of_its_server(final: bytes) -> None:
    client, server = ScramClient(SCRAM_SHA_256, USER, PASSWORD, "c"), _server()
    client.step(server.step(client.first()))
    with pytest.raises(AuthenticationFailed):
        client.step(final)
    assert not client.is_complete


def test_a_salted_password_is_kept_for_the_next_login() -> None:
    kept: dict[tuple[str, bytes, int], bytes] = {}
    _log_in(ScramClient(SCRAM_SHA_256, USER, PASSWORD, "c", kept), _server())
    assert list(kept) == [(SCRAM_SHA_256, SALT, 4096)]
    _log_in(ScramClient(SCRAM_SHA_256, USER, "is not looked at", "c", kept), _server())


def test_few_iterations_are_no_credential() -> None:
    weak = credential_of(SCRAM_SHA_256, b"salted", SALT, 100)
    challenged = decoy(SCRAM_SHA_256, b"k", USER, 4096)
    server = ScramServer(SCRAM_SHA_256, "s", lambda _: weak, lambda _: challenged)
    assert b"i=4096" in server.step(MESSAGES[0])


def test_the_text_of_a_credential() -> None:
    text = CREDENTIALS[SCRAM_SHA_512].text()
    assert ScramCredential.parse(text) == CREDENTIALS[SCRAM_SHA_512]
    assert "pencil" not in repr(CREDENTIALS[SCRAM_SHA_512])
    assert "stored_key" not in repr(CREDENTIALS[SCRAM_SHA_512])
    for wrong in ("", "salt=", text.replace("salt", "pepper"), text + "x", text[1:]):
        with pytest.raises(ValueError, match="SCRAM credentials") as raised:
            ScramCredential.parse(wrong)
        assert wrong == "" or wrong not in str(raised.value)


def test_secure_text() -> None:
    counter = iter(range(256))
    texts = {secure_text(lambda count: bytes([next(counter)] * count)) for _ in range(100)}
    assert len(texts) == 100
    assert all(t.isascii() and t.isalnum() and t == t.lower() and len(t) <= 26 for t in texts)
    assert secure_text(bytes) == "0"


@given(st.lists(st.binary(max_size=80), max_size=4))
def test_any_bytes_to_a_server(tokens: list[bytes]) -> None:
    _only_fails(_server().step, [*tokens])
    _only_fails(_server().step, [MESSAGES[0], *tokens])


@given(st.binary(max_size=40), st.integers(0, 60), st.integers(0, 3))
def test_messages_that_were_tampered_with(piece: bytes, at: int, which: int) -> None:
    messages = list(MESSAGES)
    messages[which] = messages[which][:at] + piece + messages[which][at + len(piece) :]
    _only_fails(_server(nonce=SERVER_NONCE).step, [messages[0], messages[2]])
    client = ScramClient(SCRAM_SHA_256, USER, PASSWORD, CLIENT_NONCE, dict(_KEPT))
    client.first()
    _only_fails(client.step, [messages[1], messages[3]])


_KEPT = {(SCRAM_SHA_256, SALT, 4096): salted_password(SCRAM_SHA_256, b"pencil", SALT, 4096)}


def _only_fails(step: Callable[[bytes], object], tokens: list[bytes]) -> None:
    try:
        for token in tokens:
            step(token)
    except AuthenticationFailed:
        pass
