"""PLAIN and OAUTHBEARER: what is let in, what is told, any bytes."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barnabas.security.jaas import parse_jaas
from barnabas.security.sasl.mechanism import AuthenticationFailed
from barnabas.security.sasl.oauthbearer import (
    OAuthBearerClient,
    OAuthBearerServer,
    TokenRefused,
    UnsecuredRules,
    extensions_of,
    unsecured_token,
    validate_unsecured,
)
from barnabas.security.sasl.plain import PlainClient, PlainServer, users_of

NOW_MS = 1_700_000_000_000
USERS = {"alice": "secret", "ünal": "pässword"}


@pytest.mark.parametrize("user", USERS)
def test_plain(user: str) -> None:
    server, client = PlainServer(USERS), PlainClient(username=user, password=USERS[user])
    assert server.step(client.first()) == b""
    client.step(b"")
    assert client.is_complete
    assert server.authorization_id == user
    assert USERS[user] not in repr(client)


def test_plain_tells_nothing_apart() -> None:
    told = []
    for token in (b"\0alice\0wrong", b"\0ghost\0secret", b"bob\0alice\0wrong", b"\0ghost\0\xff"):
        with pytest.raises(AuthenticationFailed) as failed:
            PlainServer(USERS).step(token)
        told.append((failed.value.told, str(failed.value)))
    assert set(told) == {("Authentication failed: Invalid username or password",) * 2}


def test_users_of_an_entry() -> None:
    entry = parse_jaas('Plain required username="u" user_alice="a;=b" user_="x" user_bob=c ;')
    assert users_of(entry) == {"alice": "a;=b", "": "x", "bob": "c"}


@given(st.binary(max_size=60))
def test_any_bytes_to_plain(token: bytes) -> None:
    try:
        PlainServer(USERS).step(token)
    except AuthenticationFailed:
        return
    assert token.split(b"\0")[1].decode() in USERS


def _jws(header: Any, claims: Any, signature: str = "") -> str:
    parts = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in (header, claims)
    )
    return f"{'.'.join(parts)}.{signature}"


NONE = {"alg": "none"}
GOOD = {"sub": "alice", "exp": NOW_MS / 1000 + 60, "iat": NOW_MS / 1000}


def test_bearer() -> None:
    token = unsecured_token("alice", NOW_MS, 60_000)
    server = _bearer()
    client = OAuthBearerClient(token=token)
    assert server.step(client.first()) == b""
    assert client.step(b"") is None
    assert client.is_complete
    assert (server.authorization_id, server.expires_ms) == ("alice", NOW_MS + 60_000)
    assert token not in repr(client)


def _bearer(rules: UnsecuredRules | None = None) -> OAuthBearerServer:
    return OAuthBearerServer(lambda t: validate_unsecured(t, rules or UnsecuredRules(), NOW_MS))


def test_extensions_are_told_beside_the_token() -> None:
    """KIP-342; the server lets them pass, as the original's own handlers do."""
    entry = parse_jaas('m required extension_cluster="lkc-1" extension_pool="p 2" clientId=x;')
    extensions = extensions_of(entry, "extension_")
    assert extensions == {"cluster": "lkc-1", "pool": "p 2"}
    client = OAuthBearerClient(token=_jws(NONE, GOOD), extensions=extensions)
    assert client.first().endswith(b"\x01cluster=lkc-1\x01pool=p 2\x01\x01")
    server = _bearer()
    assert server.step(client.first()) == b""
    assert server.authorization_id == "alice"


@pytest.mark.parametrize(
    "option", ["extension_auth=x", "extension_=x", "extension_a1=x", 'extension_a="\u00fc-secret"']
)
def test_extensions_that_are_none(option: str) -> None:
    with pytest.raises(ValueError, match="an extension's") as refused:
        extensions_of(parse_jaas(f"m required {option};"), "extension_")
    assert "secret" not in str(refused.value)


def test_a_refused_token_is_told_in_two_steps() -> None:
    server, client = _bearer(), OAuthBearerClient(token=_jws(NONE, {"sub": "alice", "exp": 1}))
    answer = server.step(client.first())
    assert answer == b'{"status":"invalid_token"}'
    acknowledgement = client.step(answer)
    assert acknowledgement == b"\x01"
    with pytest.raises(AuthenticationFailed) as failed:
        server.step(acknowledgement)
    assert failed.value.told == '{"status":"invalid_token"}'


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b",
        "a.b.c.d",
        _jws(NONE, GOOD, "signed"),
        _jws({"alg": "HS256"}, GOOD),
        _jws([], GOOD),
        _jws(NONE, {**GOOD, "exp": "tomorrow"}),
        _jws(NONE, {**GOOD, "exp": True}),
        _jws(NONE, {**GOOD, "exp": 1e300}),
        _jws(NONE, {**GOOD, "exp": float("nan")}),
        _jws(NONE, {**GOOD, "exp": NOW_MS / 1000}),
        _jws(NONE, {**GOOD, "iat": NOW_MS / 1000 + 1}),
        _jws(NONE, {**GOOD, "sub": 5}),
        _jws(NONE, {**GOOD, "sub": " "}),
        _jws(NONE, {**GOOD, "scope": 5}),
        _jws(NONE, {"sub": "alice"}),
        "W" * 5001 + "." + "W" * 5000 + ".",
    ],
)
def test_tokens_that_are_none(token: str) -> None:
    with pytest.raises(TokenRefused):
        validate_unsecured(token, UnsecuredRules(), NOW_MS)


def test_rules_of_an_entry() -> None:
    entry = parse_jaas(
        'x required unsecuredValidatorRequiredScope="read write"'
        ' unsecuredValidatorAllowableClockSkewMs="1000"'
        ' unsecuredValidatorPrincipalClaimName="user" unsecuredValidatorScopeClaimName="scp";'
    )
    rules = UnsecuredRules.of(entry)
    claims = {"user": "bob", "exp": NOW_MS / 1000 - 0.5, "scp": ["write", "read"]}
    assert validate_unsecured(_jws(NONE, claims), rules, NOW_MS).principal == "bob"
    with pytest.raises(TokenRefused) as refused:
        validate_unsecured(_jws(NONE, {**claims, "scp": "read"}), rules, NOW_MS)
    assert refused.value.told == b'{"status":"insufficient_scope", "scope":"read write"}'
    with pytest.raises(ValueError, match="ClockSkewMs is not a number"):
        UnsecuredRules.of(parse_jaas("x required unsecuredValidatorAllowableClockSkewMs=x;"))


@given(st.lists(st.binary(max_size=60), max_size=3))
def test_any_bytes_to_bearer(tokens: list[bytes]) -> None:
    server = _bearer()
    try:
        for token in tokens:
            server.step(token)
    except AuthenticationFailed:
        pass
    assert server.authorization_id is None


@given(st.text(max_size=60), st.recursive(st.none() | st.floats() | st.text(), st.lists))
def test_any_claims(text: str, value: Any) -> None:
    for token in (text, _jws(NONE, {**GOOD, "sub": value}), _jws(NONE, {**GOOD, "exp": value})):
        try:
            validate_unsecured(token, UnsecuredRules(), NOW_MS)
        except TokenRefused:
            continue
