"""AuthenticateCallbackHandler, on the server: asks plug-ins about users, passwords and tokens.

A handler that raises, that answers with anything but what it should, or that does not answer in
time refuses the login.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final, TypeGuard

from barnabas.config.broker_config import BrokerConfig
from barnabas.config.listener_settings import LISTENER, MechanismSettings
from barnabas.config.oauth import CLIENT_HANDLER, CREDENTIALS_HANDLER, SERVER_HANDLER
from barnabas.plugins.handlers import (
    AuthenticateCallbackHandler,
    OAuthBearerLoginCallbackHandler,
    OAuthBearerToken,
    OAuthBearerValidatorCallbackHandler,
    PlainServerCallbackHandler,
    SaslClientCallbackHandler,
    ScramServerCallbackHandler,
)
from barnabas.plugins.loading import RAISED, Guard, close, find, make
from barnabas.seams import Env
from barnabas.security.client import AuthenticationRefused, ClientSecurity
from barnabas.security.client_login import client_login
from barnabas.security.jaas import JaasEntry
from barnabas.security.oauth.login import RefreshedTokens
from barnabas.security.oauth_settings import LoginSettings
from barnabas.security.sasl.mechanism import (
    OAUTHBEARER,
    PLAIN,
    Asked,
    ClientLogin,
    ServerLogin,
)
from barnabas.security.sasl.oauthbearer import BearerToken, OAuthBearerServer, TokenRefused
from barnabas.security.sasl.plain import PlainServer
from barnabas.security.sasl.scram import ScramCredential, ScramServer, Tokens, secure_text

ANSWER_S: Final = 10.0
"""How long a handler may take to answer."""

_TOKEN: Final = re.compile(r"[-_.a-zA-Z0-9]+")
_Run = Callable[[str, Coroutine[Any, Any, None]], None]


def handled_logins(
    env: Env,
    config: BrokerConfig,
    listener: str,
    mechanism: str,
    settings: MechanismSettings,
    decoy: Callable[[str], ScramCredential],
    tokens: Tokens,
    run: _Run,
) -> Callable[[], ServerLogin]:
    """Begins logins that the plug-in in ``settings.handler`` decides. ``decoy`` and ``tokens``: as
    for ``ScramServer``; ``run``: starts a task that ends with the listener, and closes the plug-in.
    Raises ConfigError for a class that cannot be one."""
    setting = f"{LISTENER}{listener.lower()}.{mechanism.lower()}.{SERVER_HANDLER}"
    kind: type[AuthenticateCallbackHandler] = ScramServerCallbackHandler
    if mechanism == PLAIN:
        kind = PlainServerCallbackHandler
    elif mechanism == OAUTHBEARER:
        kind = OAuthBearerValidatorCallbackHandler

    place = listener, mechanism, settings.entry.options
    plugin = _made(env, config, setting, settings.handler, kind, place, run)
    asking = _Asking(setting, plugin)
    if isinstance(plugin, PlainServerCallbackHandler):
        nobody: Mapping[str, str] = {}
        authenticate = plugin.authenticate
        return lambda: PlainServer(nobody, Asked(asking.plain(authenticate)))
    if isinstance(plugin, OAuthBearerValidatorCallbackHandler):
        validate = plugin.validate
        return lambda: OAuthBearerServer(
            _refusing(Asked(asking.bearer(validate)), env.clock.wall_ms)
        )
    assert isinstance(plugin, ScramServerCallbackHandler)
    credential = plugin.credential
    return lambda: ScramServer(
        mechanism, secure_text(env.secret), Asked(asking.scram(credential)), decoy, tokens
    )


def _made(
    env: Env,
    config: BrokerConfig,
    setting: str,
    name: str,
    kind: type[AuthenticateCallbackHandler],
    place: tuple[str, str, Mapping[str, str]],
    run: _Run,
) -> AuthenticateCallbackHandler:
    """A handler, configured; ``place``: listener, mechanism and JAAS options."""

    def prepare(plugin: AuthenticateCallbackHandler) -> None:
        plugin.listener_name, plugin.mechanism = place[:2]
        plugin.options = dict(place[2])

    plugin = make(setting, find(env, setting, name, kind, may_wait=True), config.texts, prepare)
    run(f"handler of {place[0]} {place[1]}", _until_the_end(setting, plugin))
    return plugin


async def _until_the_end(setting: str, plugin: AuthenticateCallbackHandler) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        close(setting, plugin)


def own_login(
    env: Env,
    config: BrokerConfig,
    listener: str,
    mechanism: str,
    settings: MechanismSettings,
    run: _Run,
) -> ClientSecurity:
    """How this broker logs in to others, if a plug-in gives its token, or its name and password.
    Raises ConfigError for a class that cannot be one."""
    place = listener, mechanism, settings.entry.options
    prefix = f"{LISTENER}{listener.lower()}."
    if settings.login_handler:
        assert settings.login is not None
        setting = f"{prefix}{mechanism.lower()}.{CLIENT_HANDLER}"
        bearer: type[AuthenticateCallbackHandler] = OAuthBearerLoginCallbackHandler
        giver = _made(env, config, setting, settings.login_handler, bearer, place, run)
        assert isinstance(giver, OAuthBearerLoginCallbackHandler)
        tokens = _PluggedTokens(settings.login, env, _Asking(setting, giver), giver)
        return ClientSecurity(mechanism=mechanism, begin=tokens.begin, prepare=tokens.prepare)
    setting = f"{prefix}{CREDENTIALS_HANDLER}"
    if setting not in config.texts:
        setting = CREDENTIALS_HANDLER
    kind: type[AuthenticateCallbackHandler] = SaslClientCallbackHandler
    plugin = _made(env, config, setting, settings.client_handler, kind, place, run)
    assert isinstance(plugin, SaslClientCallbackHandler)
    known = _Credentials(env, mechanism, settings.entry, _Asking(setting, plugin), plugin)
    return ClientSecurity(mechanism=mechanism, begin=known.begin, prepare=known.prepare)


class _PluggedTokens(RefreshedTokens):
    """Tokens that a plug-in gives."""

    def __init__(
        self,
        settings: LoginSettings,
        env: Env,
        asking: _Asking,
        plugin: OAuthBearerLoginCallbackHandler,
    ) -> None:
        super().__init__(settings, env.clock.wall_ms, env.secret)
        self._asking = asking
        self._plugin = plugin

    async def _new_token(self) -> tuple[str, int | None, int]:
        answer = await self._asking.answer(self._plugin.token)
        if not isinstance(answer, OAuthBearerToken) or not _is_sendable(answer):
            if answer is not None:
                self._asking.odd(answer, "OAuthBearerToken with a value and a time")
            raise AuthenticationRefused("the handler of this broker's logins gives no token")
        return answer.value, None, answer.lifetime_ms


class _Credentials:
    """Name and password that a plug-in gives, for one connection after the other."""

    def __init__(
        self,
        env: Env,
        mechanism: str,
        entry: JaasEntry,
        asking: _Asking,
        plugin: SaslClientCallbackHandler,
    ) -> None:
        self._env = env
        self._mechanism = mechanism
        self._entry = entry
        self._asking = asking
        self._plugin = plugin
        self._begin: Callable[[], ClientLogin] | None = None

    async def prepare(self) -> None:
        """Ask. Raises AuthenticationRefused."""
        answer = await self._asking.answer(self._plugin.credentials)
        if not _is_pair(answer):
            if answer is not None:
                self._asking.odd(answer, "tuple of a name and a password")
            raise AuthenticationRefused("the handler of this broker's logins gives no password")
        username, password = answer
        options = {**self._entry.options, "username": username, "password": password}
        self._begin = client_login(
            self._mechanism,
            JaasEntry(module=self._entry.module, options=options),
            secret=self._env.secret,
            wall_ms=self._env.clock.wall_ms,
        )

    def begin(self) -> ClientLogin:
        assert self._begin is not None, "prepare has returned"
        return self._begin()


def _is_pair(answer: object) -> TypeGuard[tuple[str, str]]:
    if not isinstance(answer, tuple) or len(answer) != 2:
        return False
    return all(isinstance(part, str) and part and "\0" not in part for part in answer)


def _is_sendable(token: OAuthBearerToken) -> bool:
    value, end = token.value, token.lifetime_ms
    return isinstance(value, str) and bool(_TOKEN.fullmatch(value)) and type(end) is int


class _Asking:
    """Asks one plug-in, and turns its answers and failures into decisions."""

    def __init__(self, setting: str, plugin: AuthenticateCallbackHandler) -> None:
        self._guard = Guard(setting, plugin)

    async def answer(self, ask: Callable[..., object], *question: str) -> object:
        """The answer; None if there is none."""
        try:
            async with asyncio.timeout(ANSWER_S):
                found = ask(*question)
                return await found if inspect.isawaitable(found) else found
        except RAISED as error:
            self._guard.failed(error)
            return None

    def odd(self, answer: object, wanted: str) -> None:
        """Log an answer that is none. It is not repeated: it may be a secret."""
        self._guard.failed(TypeError(f"an answer of {type(answer).__name__}, not {wanted}"))

    def plain(
        self, ask: Callable[[str, str], bool | Awaitable[bool]]
    ) -> Callable[[str, str], Coroutine[Any, Any, bool]]:
        async def authenticate(username: str, password: str) -> bool:
            answer = await self.answer(ask, username, password)
            if not isinstance(answer, bool | None):
                self.odd(answer, "bool")
            return answer is True

        return authenticate

    def scram(
        self, ask: Callable[[str], ScramCredential | Awaitable[ScramCredential | None] | None]
    ) -> Callable[[str], Coroutine[Any, Any, ScramCredential | None]]:
        async def credential(username: str) -> ScramCredential | None:
            answer = await self.answer(ask, username)
            if answer is None or _is_whole(answer):
                return answer
            self.odd(answer, "ScramCredential")
            return None

        return credential

    def bearer(
        self, ask: Callable[[str], OAuthBearerToken | Awaitable[OAuthBearerToken | None] | None]
    ) -> Callable[[str], Coroutine[Any, Any, BearerToken | None]]:
        async def validate(token: str) -> BearerToken | None:
            answer = await self.answer(ask, token)
            if isinstance(answer, OAuthBearerToken) and _is_sound(answer):
                return BearerToken(principal=answer.principal_name, expires_ms=answer.lifetime_ms)
            if answer is not None:
                self.odd(answer, "OAuthBearerToken with a name and a time")
            return None

        return validate


def _is_sound(token: OAuthBearerToken) -> bool:
    name, end = token.principal_name, token.lifetime_ms
    return isinstance(name, str) and bool(name.strip()) and type(end) is int


def _is_whole(answer: object) -> TypeGuard[ScramCredential]:
    """Whether it can be a credential: without keys, an empty proof would be right."""
    if not isinstance(answer, ScramCredential) or type(answer.iterations) is not int:
        return False
    parts = (answer.salt, answer.stored_key, answer.server_key)
    return all(isinstance(part, bytes) and part for part in parts)


def _refusing(
    asked: Callable[[str], BearerToken | None], wall_ms: Callable[[], int]
) -> Callable[[str], BearerToken]:
    def validate(token: str) -> BearerToken:
        found = asked(token)
        if found is None:
            raise TokenRefused("the handler refuses it")
        if found.expires_ms <= wall_ms():
            raise TokenRefused("expired")
        return found

    return validate
