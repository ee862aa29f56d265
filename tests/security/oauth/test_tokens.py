"""Signed tokens: which are taken, and as whose."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import RSAKey
from tests.security.oauth.provider import AUDIENCE, ISSUER, Provider

from barnabas.security.oauth.tokens import BadKeys, UnknownKey, parse_keys, validate
from barnabas.security.oauth_settings import Endpoint, ValidationSettings
from barnabas.security.sasl.oauthbearer import TokenRefused, unsecured_token

NOW_S = 1_700_000_000
PROVIDER = Provider("old", "new")
PROVIDER.add("curve", "EC")
KEYS = parse_keys(PROVIDER.jwks())
SETTINGS = ValidationSettings(
    keys=Endpoint(url="file:///keys"), audiences=("other", AUDIENCE), issuer=ISSUER
)


def check(token: str, settings: ValidationSettings = SETTINGS) -> str:
    return validate(token, KEYS, settings, NOW_S * 1000).principal


@pytest.mark.parametrize("key", range(3))
def test_every_published_key_signs(key: int) -> None:
    token = PROVIDER.token("alice", NOW_S, key=PROVIDER.keys[key])
    found = validate(token, KEYS, SETTINGS, NOW_S * 1000)
    assert (found.principal, found.expires_ms) == ("alice", (NOW_S + 300) * 1000)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ["x", AUDIENCE]},
        {"exp": NOW_S - 29},
        {"nbf": NOW_S + 30},
        {"iat": NOW_S + 100},
        {"scope": "a b"},
        {"scope": ["a", "b"]},
        {"exp": NOW_S + 0.5},
    ],
)
def test_what_a_token_may_say(claims: dict[str, Any]) -> None:
    assert check(PROVIDER.token(" alice ", NOW_S - 200, **claims)) == "alice"


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "x"},
        {"aud": None},
        {"aud": [AUDIENCE, 5]},
        {"iss": "https://issuer.example/"},
        {"iss": None},
        {"exp": NOW_S - 30},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 1e300},
        {"iat": None},
        {"iat": NOW_S + 301, "exp": NOW_S + 300},
        {"nbf": NOW_S + 31},
        {"sub": None},
        {"sub": " "},
        {"sub": 5},
        {"scope": ""},
        {"scope": ["a", "a"]},
        {"scope": ["a", " "]},
        {"scope": {}},
    ],
)
def test_what_it_may_not(claims: dict[str, Any]) -> None:
    with pytest.raises(TokenRefused):
        check(PROVIDER.token("alice", NOW_S, **claims))


def test_claims_of_other_names() -> None:
    other = ValidationSettings(
        keys=SETTINGS.keys, principal_claim="user", scope_claim="roles", clock_skew_s=0
    )
    token = PROVIDER.token("alice", NOW_S, user="carol", scope="", aud=None, iss=None)
    assert check(token, other) == "carol"
    with pytest.raises(TokenRefused):
        check(PROVIDER.token("alice", NOW_S), other)
    with pytest.raises(TokenRefused):
        check(PROVIDER.token("alice", NOW_S, user="carol", exp=NOW_S), other)


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_who_may_not_sign() -> None:
    """Nobody, strangers, and everybody who knows a public key."""
    good = PROVIDER.token("alice", NOW_S)
    header, claims, signature = good.split(".")
    stranger = Provider("new").keys[0]
    public = PROVIDER.keys[1].as_pem(private=False)
    signed = f"{part({'alg': 'HS256', 'kid': 'new'})}.{claims}"
    digest = hmac.digest(public, signed.encode(), "sha256")
    by_hmac = f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
    for token in (
        unsecured_token("alice", NOW_S * 1000, 60_000),
        f"{part({'alg': 'none'})}.{claims}.",
        f"{part({'alg': 'RS256', 'kid': 'new', 'b64': False, 'crit': ['b64']})}.{claims}.x",
        PROVIDER.token("alice", NOW_S, key=stranger),
        by_hmac,
        f"{header}.{part({'sub': 'root'})}.{signature}",
        f"{part({'alg': 'PS256', 'kid': 'curve'})}.{claims}.{signature}",
        f"{part({'alg': 5, 'kid': []})}.{claims}.{signature}",
        f"{part([])}.{claims}.{signature}",
        good[:-3] + ("AAA" if not good.endswith("AAA") else "BBB"),
    ):
        with pytest.raises(TokenRefused):
            check(token)
    unnamed = jwt.encode({"alg": "RS256"}, {"sub": "a"}, PROVIDER.keys[0])
    with pytest.raises(TokenRefused, match="more than one key"):
        check(unnamed)
    with pytest.raises(UnknownKey):
        check(PROVIDER.token("alice", NOW_S, key=Provider("unheard of").keys[0]))


@given(st.text(alphabet=st.sampled_from("ab0-_.=é{}\x00"), max_size=80))
def test_any_text(text: str) -> None:
    with pytest.raises(TokenRefused):
        check(text)


@given(st.recursive(st.none() | st.booleans() | st.text(max_size=5) | st.floats(), st.lists))
def test_any_claims(value: object) -> None:
    for name in ("sub", "exp", "iat", "nbf", "aud", "iss", "scope"):
        try:
            check(PROVIDER.token("alice", NOW_S, key=PROVIDER.keys[2], **{name: value}))
        except TokenRefused:
            continue
        except ValueError:
            continue  # of the test's own signing: no JSON


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'{"keys": 5}',
        b'{"keys": []}',
        b'{"keys": [5, {}, {"kty": "RSA"}, {"kty": "EC", "crv": "P-256", "x": "A", "y": "B"}]}',
        b'{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a"}]}',
        b"[" * 100_000,
    ],
)
def test_keys_that_cannot_be_used(text: bytes) -> None:
    with pytest.raises(BadKeys):
        parse_keys(text)


def test_keys_that_only_encrypt_or_are_weak_are_passed_over() -> None:
    weak = {"kty": "RSA", "kid": "w", "e": "AQAB", "n": part(0).join("A" * 60)}
    key = RSAKey.generate_key(2048, {"use": "enc", "kid": "e"})
    for entry in (key.as_dict(private=False), weak):
        with pytest.raises(BadKeys):
            parse_keys(json.dumps({"keys": [entry]}).encode())
