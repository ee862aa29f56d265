"""Listeners whose users, passwords and tokens a plug-in knows; whatever goes wrong refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest
from tests.api import kit
from tests.broker.test_listeners import until
from tests.broker.test_sasl_listener import CLIENTS, _as, _connect, _controller
from tests.zookeeper.clients import make_env

from barnabas.broker.plugged_handlers import _Asking, _Credentials, _PluggedTokens
from barnabas.config.broker_config import BrokerConfig
from barnabas.errors import ConfigError
from barnabas.plugins import (
    OAuthBearerLoginCallbackHandler,
    OAuthBearerToken,
    OAuthBearerValidatorCallbackHandler,
    PlainServerCallbackHandler,
    SaslClientCallbackHandler,
    ScramCredential,
    ScramServerCallbackHandler,
)
from barnabas.seams import Env
from barnabas.security import client as secure
from barnabas.security.client import AuthenticationRefused, ClientSecurity
from barnabas.security.jaas import JaasEntry
from barnabas.security.oauth_settings import Endpoint, LoginSettings
from barnabas.security.sasl import oauthbearer, plain, scram
from barnabas.security.sasl.oauthbearer import OAuthBearerClient
from barnabas.security.sasl.scram import credential_of, salted_password

PREFIX = "listener.name.clients"
HANDLER = "sasl.server.callback.handler.class"
SETTINGS = {
    "listeners": f"PLAINTEXT://{{host}}:9092,CLIENTS://{{host}}:{CLIENTS}",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CLIENTS:SASL_PLAINTEXT",
    "listener.name.clients.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,OAUTHBEARER",
    f"{PREFIX}.plain.sasl.jaas.config": f'{plain.MODULE} required realm="house";',
    f"{PREFIX}.scram-sha-256.sasl.jaas.config": f"{scram.MODULE} required;",
    f"{PREFIX}.oauthbearer.sasl.jaas.config": f"{oauthbearer.MODULE} required;",
    f"{PREFIX}.plain.{HANDLER}": "house.Passwords",
    f"{PREFIX}.scram-sha-256.{HANDLER}": "house.Credentials",
    f"{PREFIX}.oauthbearer.{HANDLER}": "house.Tokens",
    f"{PREFIX}.oauthbearer.connections.max.reauth.ms": "5000",
}
ODD: Mapping[str, Any] = {
    "none": None,
    "one": 1,
    "text": "True",
    "list": [True],
    "false": False,
}


class Passwords(PlainServerCallbackHandler):
    """Waits for its answer, as a directory would."""

    told: ClassVar[list[object]] = []
    asked: ClassVar[list[str]] = []

    def configure(self, settings: Mapping[str, str]) -> None:
        self.told[:] = [self.listener_name, self.mechanism, dict(self.options), settings["my.own"]]

    async def authenticate(self, username: str, password: str) -> bool:
        self.asked.append(username)
        if username == "broken":
            raise RuntimeError("a bug")
        if username == "cancelled":
            raise asyncio.CancelledError
        await asyncio.sleep(100 if username == "slow" else 0.5)
        if username in ODD:
            odd: bool = ODD[username]
            return odd
        return (username, password) == ("alice", "alice-secret")

    def close(self) -> None:
        self.told.append("closed")


class Credentials(ScramServerCallbackHandler):
    """Answers at once."""

    def credential(self, username: str) -> ScramCredential | None:
        if username == "broken":
            raise RuntimeError("a bug")
        if username in ODD:
            odd: ScramCredential | None = ODD[username]
            return odd
        if username == "empty":
            return ScramCredential(salt=b"salt", stored_key=b"", server_key=b"", iterations=4096)
        if username != "carol":
            return None
        salted = salted_password(self.mechanism, b"carol-secret", b"salt", 4096)
        return credential_of(self.mechanism, salted, b"salt", 4096)


class Tokens(OAuthBearerValidatorCallbackHandler):
    now_ms: ClassVar[list[int]] = []

    async def validate(self, token: str) -> OAuthBearerToken | None:
        await asyncio.sleep(0)
        if token in ODD:
            odd: OAuthBearerToken | None = ODD[token]
            return odd
        lives_ms = {"good": 60_000, "ended": -1}
        if token == "nameless":
            return OAuthBearerToken(principal_name=" ", lifetime_ms=self.now_ms[0] + 60_000)
        return OAuthBearerToken(principal_name="dave", lifetime_ms=self.now_ms[0] + lives_ms[token])


CLASSES = {"house.Passwords": Passwords, "house.Credentials": Credentials, "house.Tokens": Tokens}


def _run(scenario: Callable[[kit.Client], Any]) -> None:
    Passwords.told.clear()
    Passwords.asked.clear()
    settings = {**SETTINGS, "my.own": "value", "barnabas.authentication.timeout.ms": "60000"}
    kit.run(scenario, settings=settings, classes=CLASSES)


def _bearer(token: str) -> ClientSecurity:
    return ClientSecurity(mechanism="OAUTHBEARER", begin=lambda: OAuthBearerClient(token=token))


async def _is_refused(security: ClientSecurity) -> None:
    with pytest.raises(AuthenticationRefused):
        await secure.connect("b1", CLIENTS, client_id="c", timeout_ms=20_000, security=security)


async def _slow_is_asked() -> bool:
    return "slow" in Passwords.asked


def test_passwords_that_a_directory_knows() -> None:
    async def scenario(client: kit.Client) -> None:
        connection = await _connect(_as("alice", "alice-secret"))
        assert await _controller(connection) == 1
        assert Passwords.told == ["CLIENTS", "PLAIN", {"realm": "house"}, "value"]
        for user in ("alice", "broken", "cancelled", "nobody", *ODD):
            await _is_refused(_as(user, "wrong"))
        assert await _controller(connection) == 1
        assert Passwords.asked.count("alice") == 2, "once for each login"

    _run(scenario)


def test_others_are_served_while_a_handler_is_asked() -> None:
    async def scenario(client: kit.Client) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        slow = asyncio.create_task(_is_refused(_as("slow", "x")))
        await until(_slow_is_asked)
        connection = await _connect(_as("alice", "alice-secret"))
        assert await _controller(connection) == 1
        assert not slow.done()
        await slow
        assert loop.time() - begun < 12, "refused once it takes too long"

    _run(scenario)


def test_who_leaves_while_a_handler_is_asked() -> None:
    async def scenario(client: kit.Client) -> None:
        leaving = asyncio.create_task(_connect(_as("slow", "x")))
        await until(_slow_is_asked)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await asyncio.sleep(15)
        assert await _controller(await _connect(_as("alice", "alice-secret"))) == 1

    _run(scenario)


def test_credentials_of_scram() -> None:
    async def scenario(client: kit.Client) -> None:
        kind = "SCRAM-SHA-256"
        assert await _controller(await _connect(_as("carol", "carol-secret", kind))) == 1
        for user in ("carol", "broken", "nobody", "empty", *ODD):
            await _is_refused(_as(user, "wrong", kind))

    _run(scenario)


def test_tokens_and_how_long_they_last() -> None:
    async def scenario(client: kit.Client) -> None:
        Tokens.now_ms[:] = [client.env.clock.wall_ms()]
        connection = await _connect(_bearer("good"))
        assert await _controller(connection) == 1
        await asyncio.sleep(6)
        assert await _controller(connection) == 1, "it has logged in again"
        for token in ("ended", "nameless", "unknown", *ODD):
            await _is_refused(_bearer(token))

    _run(scenario)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (f"{PREFIX}.plain.{HANDLER}", "org.apache.kafka.Other", "not supported"),
        (f"{PREFIX}.scram-sha-256.{HANDLER}", "org.apache.kafka.Other", "not supported"),
        (HANDLER, "house.Passwords", "nothing reads it without its listener"),
    ],
)
def test_what_nobody_would_ask(name: str, value: str, message: str) -> None:
    given = {"broker.id": "1", **SETTINGS, name: value}
    with pytest.raises(ConfigError, match=f"^{name}: {message}"):
        BrokerConfig({key: text.replace("{host}", "h") for key, text in given.items()})


# Of brokers among themselves


class OwnToken(OAuthBearerLoginCallbackHandler):
    """Gives unsigned tokens."""

    asked: ClassVar[list[str]] = []

    async def token(self) -> OAuthBearerToken:
        self.asked.append(self.listener_name)
        await asyncio.sleep(0)
        hour_ms, now_ms = 3_600_000, Tokens.now_ms[0]
        value = oauthbearer.unsecured_token("broker", now_ms - hour_ms, 2 * hour_ms)
        return OAuthBearerToken(principal_name="", lifetime_ms=now_ms + hour_ms, value=value)


class OwnPassword(SaslClientCallbackHandler):
    asked: ClassVar[list[str]] = []

    def credentials(self) -> tuple[str, str]:
        self.asked.append(self.mechanism)
        return "broker", "broker-secret"


def _inside(mechanism: str, entry: str, **more: str) -> dict[str, str]:
    return {
        "listeners": "PLAINTEXT://{host}:9092,INSIDE://{host}:9094",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,INSIDE:SASL_PLAINTEXT",
        "inter.broker.listener.name": "INSIDE",
        "sasl.mechanism.inter.broker.protocol": mechanism,
        "listener.name.inside.sasl.enabled.mechanisms": mechanism,
        f"listener.name.inside.{mechanism.lower()}.sasl.jaas.config": entry,
        **more,
    }


async def _both_in_sync(client: kit.Client) -> None:
    """Brokers that do not log in to each other copy nothing."""
    await client.place("copied", [1, 2])
    produced = await client.produce("copied", b"x")
    assert produced.error_code == 0


def test_a_brokers_own_password() -> None:
    entry = f'{plain.MODULE} required user_broker="broker-secret";'
    settings = _inside("PLAIN", entry, **{"sasl.client.callback.handler.class": "house.Own"})
    OwnPassword.asked.clear()
    kit.run(_both_in_sync, brokers=2, settings=settings, classes={"house.Own": OwnPassword})
    assert set(OwnPassword.asked) == {"PLAIN"}


@pytest.mark.parametrize(
    "answer", [None, ("broker",), ["broker", "x"], ("", "x"), ("a\0b", "x"), 1]
)
def test_a_brokers_own_password_that_is_none(answer: Any) -> None:
    class Odd(SaslClientCallbackHandler):
        def credentials(self) -> tuple[str, str]:
            odd: tuple[str, str] = answer
            return odd

    asking = _Asking("s", Odd())
    entry = JaasEntry(module=plain.MODULE, options={})
    known = _Credentials(make_env(), "PLAIN", entry, asking, Odd())
    with pytest.raises(AuthenticationRefused, match="gives no password"):
        asyncio.run(known.prepare())


@pytest.mark.parametrize("value", ["", "a b", "a\x01auth=Bearer b", "ä", None])
def test_a_brokers_own_token_that_is_none(value: Any) -> None:
    class Odd(OAuthBearerLoginCallbackHandler):
        def token(self) -> OAuthBearerToken:
            return OAuthBearerToken(principal_name="b", lifetime_ms=1 << 50, value=value)

    odd = Odd()
    tokens = _PluggedTokens(
        LoginSettings(tokens=Endpoint(url="")), make_env(), _Asking("s", odd), odd
    )
    with pytest.raises(AuthenticationRefused, match="gives no token"):
        asyncio.run(tokens.prepare())


def test_a_brokers_own_token() -> None:
    entry = f"{oauthbearer.MODULE} required;"
    own = "listener.name.inside.oauthbearer.sasl.login.callback.handler.class"
    settings = _inside("OAUTHBEARER", entry, **{own: "house.Own"})
    OwnToken.asked.clear()

    async def prepare(env: Env) -> None:
        Tokens.now_ms[:] = [env.clock.wall_ms()]

    kit.run(
        _both_in_sync,
        brokers=2,
        settings=settings,
        classes={"house.Own": OwnToken},
        prepare=prepare,
    )
    assert set(OwnToken.asked) == {"INSIDE"}
