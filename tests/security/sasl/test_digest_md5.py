"""DIGEST-MD5: the example of RFC 2831, a recorded login to ZooKeeper, and who is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barnabas.security.sasl.digest_md5 import (
    TOKEN_BYTES_MAX,
    DigestMd5Client,
    DigestMd5Server,
    Exchange,
    directives,
)
from barnabas.security.sasl.mechanism import AuthenticationFailed

USERS = {"kafka": "kafka-secret", "Chris": "sesam"}
RECORDED_CHALLENGE = (
    b'realm="zk-sasl-md5",nonce="Cmg18ly3qsSHgqa5eHAyQgWwt2UcjIKKlZdZZ8VI",charset=utf-8,'
    b"algorithm=md5-sess"
)
RECORDED_ANSWER = (
    b'charset=utf-8,username="kafka",realm="zk-sasl-md5",'
    b'nonce="Cmg18ly3qsSHgqa5eHAyQgWwt2UcjIKKlZdZZ8VI",nc=00000001,'
    b'cnonce="nMGqZkwp6LVJy0+W5Wk9Z8cEzoTrC2fJgKZvjyky",digest-uri="zookeeper/zk-sasl-md5",'
    b'maxbuf=65536,response=bc268a274f9acf3914ad392dc8256c8f,qop=auth,authzid="kafka"'
)
RECORDED_PROOF = b"rspauth=9e2dd456e961995dd8fe43fdf4332ca2"


def test_the_example_of_the_rfc() -> None:
    exchange = Exchange(
        username="chris",
        realm="elwood.innosoft.com",
        password="secret",
        nonce="OA6MG9tEQGm2hh",
        cnonce="OA6MHXh6VqTrRk",
        digest_uri="imap/elwood.innosoft.com",
    )
    assert exchange.proof() == "d388dad90d4bbd760a152321f2143af7"
    assert exchange.proof(of_server=True) == "ea40f60335c427b5527b84dbabcdfffd"


def test_a_recorded_login() -> None:
    client = DigestMd5Client("kafka", "kafka-secret", "nMGqZkwp6LVJy0+W5Wk9Z8cEzoTrC2fJgKZvjyky")
    assert client.first() == b""
    assert client.step(RECORDED_CHALLENGE) == RECORDED_ANSWER
    assert not client.is_complete
    assert client.step(RECORDED_PROOF) is None
    assert client.is_complete
    server = DigestMd5Server(USERS.get, "Cmg18ly3qsSHgqa5eHAyQgWwt2UcjIKKlZdZZ8VI")
    assert server.step(b"") == RECORDED_CHALLENGE
    assert server.step(RECORDED_ANSWER) == RECORDED_PROOF
    assert server.authorization_id == "kafka"
    with pytest.raises(AuthenticationFailed):
        server.step(RECORDED_ANSWER)


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_names_and_passwords_of_all_kinds(user: str, password: str) -> None:
    user, password = (t.encode("utf-8", "replace").decode() for t in (user, password))
    client = DigestMd5Client(user, password, "mine")
    server = DigestMd5Server({user: password}.get, "yours")
    answer = client.step(server.step(client.first()))
    assert answer is not None
    assert client.step(server.step(answer)) is None
    assert client.is_complete
    assert server.authorization_id == user


def test_a_server_that_does_not_know_the_password_is_not_believed() -> None:
    client = DigestMd5Client("kafka", "kafka-secret", "mine")
    client.step(RECORDED_CHALLENGE)
    for proof in (RECORDED_PROOF, b"", b"rspauth=", b"realm=x"):
        with pytest.raises(AuthenticationFailed, match="does not know the password"):
            client.step(proof)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.replace(b'username="kafka"', b'username="ghost"'),
        lambda a: a.replace(b'username="kafka"', b'username="Chris"'),
        lambda a: a.replace(b"bc268a", b"bc268b"),
        lambda a: a.replace(b"nc=00000001", b"nc=00000002"),
        lambda a: a.replace(b"qop=auth", b"qop=auth-int"),
        lambda a: a.replace(b"zookeeper/", b"imap/"),
        lambda a: a.replace(b'nonce="Cmg', b'nonce="Xmg', 1),
        lambda a: a.replace(b'authzid="kafka"', b'authzid="Chris"'),
        lambda a: a.replace(b'realm="zk', b'realm="xx'),
        lambda a: b"",
        lambda a: b"\xff" * 40,
        lambda a: b'username="\xff\xfe"',
        lambda a: a + b',username="kafka"',
        lambda a: a + b"," * TOKEN_BYTES_MAX,
        lambda a: a + b',x="unclosed',
    ],
)
def test_logins_that_fail(change: Callable[[bytes], bytes]) -> None:
    server = DigestMd5Server(USERS.get, "Cmg18ly3qsSHgqa5eHAyQgWwt2UcjIKKlZdZZ8VI")
    server.step(b"")
    with pytest.raises(AuthenticationFailed) as failed:
        server.step(change(RECORDED_ANSWER))
    assert "kafka-secret" not in str(failed.value)
    assert server.authorization_id is None


def test_an_empty_password_lets_nobody_in() -> None:
    client = DigestMd5Client("ghost", "", "mine")
    server = DigestMd5Server({"other": "x"}.get, "yours")
    answer = client.step(server.step(b""))
    assert answer is not None
    with pytest.raises(AuthenticationFailed, match="unknown user or wrong password"):
        server.step(answer)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(token: bytes) -> None:
    try:
        found = directives(token)
    except AuthenticationFailed:
        return
    assert all(isinstance(value, str) for value in found.values())


def test_quotes_and_escapes() -> None:
    assert directives(b'a="x\\"y,z" ,B=c') == {"a": 'x"y,z', "b": "c"}
