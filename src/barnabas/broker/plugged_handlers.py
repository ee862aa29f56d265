"""AuthenticateCallbackHandler, on the server: asks plug-ins about users, passwords and tokens.

A handler that raises, that answers with anything but what it should, or that does not answer in
time refuses the login.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final, TypeGuard

from barnabas.config.broker_config import BrokerConfig
from barnabas.config.listener_settings import LISTENER, MechanismSettings
from barnabas.config.oauth import SERVER_HANDLER
from barnabas.plugins.handlers import (
    AuthenticateCallbackHandler,
    OAuthBearerToken,
    OAuthBearerValidatorCallbackHandler,
    PlainServerCallbackHandler,
    ScramServerCallbackHandler,
)
from barnabas.plugins.loading import RAISED, Guard, close, find, make
from barnabas.seams import Env
from barnabas.security.sasl.mechanism import OAUTHBEARER, PLAIN, Asked, ServerLogin
from barnabas.security.sasl.oauthbearer import BearerToken, OAuthBearerServer, TokenRefused
from barnabas.security.sasl.plain import PlainServer
from barnabas.security.sasl.scram import ScramCredential, ScramServer, Tokens, secure_text

ANSWER_S: Final = 10.0
"""How long a handler may take to answer."""

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

    def prepare(plugin: AuthenticateCallbackHandler) -> None:
        plugin.listener_name, plugin.mechanism = listener, mechanism
        plugin.options = dict(settings.entry.options)

    cls = find(env, setting, settings.handler, kind, may_wait=True)
    plugin = make(setting, cls, config.texts, prepare)
    run(f"handler of {listener} {mechanism}", _until_the_end(setting, plugin))
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


async def _until_the_end(setting: str, plugin: AuthenticateCallbackHandler) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        close(setting, plugin)


class _Asking:
    """Asks one plug-in, and turns its answers and failures into decisions."""

    def __init__(self, setting: str, plugin: AuthenticateCallbackHandler) -> None:
        self._guard = Guard(setting, plugin)

    async def _answer(self, ask: Callable[..., object], *question: str) -> object:
        """The answer; None if there is none."""
        try:
            async with asyncio.timeout(ANSWER_S):
                found = ask(*question)
                return await found if inspect.isawaitable(found) else found
        except RAISED as error:
            self._guard.failed(error)
            return None

    def _odd(self, answer: object, wanted: str) -> None:
        """Log an answer that is none. It is not repeated: it may be a secret."""
        self._guard.failed(TypeError(f"an answer of {type(answer).__name__}, not {wanted}"))

    def plain(
        self, ask: Callable[[str, str], bool | Awaitable[bool]]
    ) -> Callable[[str, str], Coroutine[Any, Any, bool]]:
        async def authenticate(username: str, password: str) -> bool:
            answer = await self._answer(ask, username, password)
            if not isinstance(answer, bool | None):
                self._odd(answer, "bool")
            return answer is True

        return authenticate

    def scram(
        self, ask: Callable[[str], ScramCredential | Awaitable[ScramCredential | None] | None]
    ) -> Callable[[str], Coroutine[Any, Any, ScramCredential | None]]:
        async def credential(username: str) -> ScramCredential | None:
            answer = await self._answer(ask, username)
            if answer is None or _is_whole(answer):
                return answer
            self._odd(answer, "ScramCredential")
            return None

        return credential

    def bearer(
        self, ask: Callable[[str], OAuthBearerToken | Awaitable[OAuthBearerToken | None] | None]
    ) -> Callable[[str], Coroutine[Any, Any, BearerToken | None]]:
        async def validate(token: str) -> BearerToken | None:
            answer = await self._answer(ask, token)
            if isinstance(answer, OAuthBearerToken) and _is_sound(answer):
                return BearerToken(principal=answer.principal_name, expires_ms=answer.lifetime_ms)
            if answer is not None:
                self._odd(answer, "OAuthBearerToken with a name and a time")
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
