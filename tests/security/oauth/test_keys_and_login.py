"""Keys that are kept fresh, and tokens that are fetched in time."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.security.oauth.provider import Provider
from tests.virtual_time import run as run_in_virtual_time

from barnabas.security.client import AuthenticationRefused
from barnabas.security.http_client import FetchFailed
from barnabas.security.oauth.keys import KeySet
from barnabas.security.oauth.login import AccessTokens, refresh_at_ms
from barnabas.security.oauth.tokens import UnknownKey
from barnabas.security.oauth_settings import Endpoint, LoginSettings, ValidationSettings
from barnabas.security.sasl.oauthbearer import TokenRefused

NOW_S = 1_700_000_000
SETTINGS = ValidationSettings(
    keys=Endpoint(url="http://provider/keys", retry_ms=100, retry_ms_max=5_000),
    refresh_ms=60_000,
)


def keys_of(
    scenario: Callable[[KeySet, Provider, list[float]], Coroutine[Any, Any, None]],
    fails: Callable[[float], bool] = lambda _: False,
) -> None:
    """``fails``: whether the provider does not answer at a time."""
    provider, asked_at = Provider("a"), list[float]()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()

        async def fetch() -> bytes:
            now = loop.time() - begun
            asked_at.append(now)
            if fails(now):
                raise FetchFailed("away")
            return provider.jwks()

        keys = KeySet(SETTINGS, fetch, lambda: NOW_S * 1000)
        task = asyncio.create_task(keys.run())
        try:
            await scenario(keys, provider, asked_at)
        finally:
            task.cancel()

    run_in_virtual_time(run())


def test_keys_are_read_at_the_start_and_in_time() -> None:
    async def scenario(keys: KeySet, provider: Provider, asked_at: list[float]) -> None:
        with pytest.raises(UnknownKey):
            keys.validate(provider.token("alice", NOW_S))
        await asyncio.sleep(1)
        assert keys.validate(provider.token("alice", NOW_S)).principal == "alice"
        await asyncio.sleep(120)
        assert [round(at) for at in asked_at] == [0, 60, 120]

    keys_of(scenario)


def test_a_new_key_is_asked_for_but_not_by_everybody() -> None:
    async def scenario(keys: KeySet, provider: Provider, asked_at: list[float]) -> None:
        await asyncio.sleep(1)
        strange = Provider("made up").token("alice", NOW_S)
        provider.add("b")
        new = provider.token("alice", NOW_S)
        for _ in range(40):
            for token in (strange, new):
                try:
                    keys.validate(token)
                except UnknownKey:
                    pass
            await asyncio.sleep(0.5)
        assert keys.validate(new).principal == "alice"
        assert [round(at) for at in asked_at] == [0, 5, 10, 15, 20]

    keys_of(scenario)


def test_keys_hold_while_the_provider_is_away() -> None:
    async def scenario(keys: KeySet, provider: Provider, asked_at: list[float]) -> None:
        await asyncio.sleep(50)
        token = provider.token("alice", NOW_S)
        for _ in range(50):
            assert keys.validate(token).principal == "alice"
            await asyncio.sleep(1)
        assert len(asked_at) < 25
        provider.keys.clear()
        provider.add("b")
        await asyncio.sleep(130)
        with pytest.raises(TokenRefused):
            keys.validate(token)

    keys_of(scenario, lambda now: 55 < now < 100)


LOGIN = LoginSettings(
    tokens=Endpoint(url="http://127.0.0.1:1/", retry_ms=1, retry_ms_max=5),
    client_id="alice",
    client_secret="alice-secret",
    scope="a b",
)


def test_a_token_is_fetched_once_and_again_in_time() -> None:
    now = [NOW_S]
    provider = Provider("a")

    async def run(url: str) -> None:
        settings = LoginSettings(
            tokens=Endpoint(url=f"{url}/token"),
            client_id="alice",
            client_secret="alice-secret",
            scope="a b",
        )
        tokens = AccessTokens(settings, _read, lambda: now[0] * 1000, bytes)
        for _ in range(3):
            await tokens.prepare()
        assert provider.forms == [{"grant_type": ["client_credentials"], "scope": ["a b"]}]
        first = tokens.begin().first()
        assert first.startswith(b"n,,\x01auth=Bearer ey")
        now[0] += 239
        await tokens.prepare()
        assert tokens.begin().first() == first
        now[0] += 1
        await tokens.prepare()
        assert tokens.begin().first() == first, "nobody waits while it is valid"
        while tokens.begin().first() == first:
            await tokens.prepare()
            await asyncio.sleep(0.01)
        assert len(provider.forms) == 2
        wrong = AccessTokens(
            LoginSettings(tokens=settings.tokens, client_id="alice", client_secret="no-secret"),
            _read,
            lambda: now[0] * 1000,
            bytes,
        )
        with pytest.raises(AuthenticationRefused, match="status 401") as refused:
            await wrong.prepare()
        assert "secret" not in f"{refused.value} {settings}"
        assert len(provider.forms) == 3

    with provider.served(lambda: now[0]) as url:
        asyncio.run(run(url))


@pytest.mark.parametrize(
    ("life_s", "more", "chance", "after_s"),
    [
        (3600, {}, 0.0, 2880),
        (3600, {}, 1.0, 3060),
        (3600, {"refresh_jitter": 0.25}, 1.0, 3300),
        (3600, {"refresh_factor": 1.0}, 0.0, 3300),
        (3600, {"refresh_factor": 0.01}, 0.0, 60),
        (3600, {"refresh_factor": 0.01, "refresh_period_ms_min": 900_000}, 0.0, 900),
        (3600, {"refresh_buffer_ms": 0}, 1.0, 3060),
        (3600, {"refresh_buffer_ms": 1_000_000}, 0.0, 2600),
        (360, {}, 0.0, 60),
        (359, {}, 0.0, 287.2),
        (300, {}, 1.0, 255),
        (-5, {}, 0.0, 10),
        (3600, {"refresh_factor": -1.0, "refresh_period_ms_min": 0}, 0.0, 0),
        (300, {"refresh_factor": -1.0}, 0.0, 10),
        (3600, {"refresh_factor": float("nan"), "refresh_period_ms_min": 0}, 0.0, 0),
    ],
)
def test_when_a_token_is_refreshed(
    life_s: int, more: dict[str, Any], chance: float, after_s: float
) -> None:
    settings = dataclasses.replace(LOGIN, **more)
    now_ms = NOW_S * 1000
    found = refresh_at_ms(settings, now_ms, now_ms, now_ms + 1000 * life_s, chance)
    assert found == now_ms + 1000 * after_s


def test_a_provider_that_is_away_while_a_token_is_valid(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, now = tmp_path / "token", [NOW_S]

    async def run() -> None:
        settings = LoginSettings(tokens=Endpoint(url=file.as_uri()))
        tokens = AccessTokens(settings, _read, lambda: now[0] * 1000, bytes)
        token = Provider().token("alice", NOW_S)
        file.write_text(token)
        await tokens.prepare()
        file.unlink()
        for _ in range(3):
            now[0] += 250 if now[0] == NOW_S else 5
            await tokens.prepare()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert token.encode() in tokens.begin().first()
        assert len(caplog.records) == 2, "tried again after ten seconds"
        now[0] = NOW_S + 300
        with pytest.raises(ConnectionError):
            await tokens.prepare()

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())
    assert "alice" not in caplog.text


def test_nobody_there_and_answers_without_a_token(tmp_path: Path) -> None:
    async def run() -> None:
        with pytest.raises(ConnectionError, match=r"127\.0\.0\.1"):
            await AccessTokens(LOGIN, _read, lambda: 0, bytes).prepare()
        file = tmp_path / "token"
        settings = LoginSettings(tokens=Endpoint(url=file.as_uri()))
        for text in ("", "x", "a.b.c", "a.e30.c"):
            file.write_text(text)
            with pytest.raises(AuthenticationRefused):
                await AccessTokens(settings, _read, lambda: 0, bytes).prepare()
        token = Provider().token("alice", NOW_S)
        file.write_text(f"{token}\n")
        tokens = AccessTokens(settings, _read, lambda: 0, bytes)
        await tokens.prepare()
        assert token.encode() in tokens.begin().first()
        file.unlink()
        with pytest.raises(ConnectionError):
            await AccessTokens(settings, _read, lambda: 0, bytes).prepare()

    asyncio.run(run())


def _read(path: str) -> bytes:
    return Path(path).read_bytes()


def test_an_answer_without_a_token() -> None:
    tokens = AccessTokens(LOGIN, _read, lambda: 0, bytes)
    for answer in (b"", b"[]", b"{}", b'{"access_token": 5}', json.dumps("x" * 9).encode()):
        with pytest.raises(AuthenticationRefused):
            tokens._read(answer)
