"""RefreshingHttpsJwks, JwksFileVerificationKeyResolver: the keys of a token provider, kept fresh.

They are read at the start and every ``sasl.oauthbearer.jwks.endpoint.refresh.ms``. They are also
read if a token names an unknown key, but not more often than the longest pause between retries. So
clients cannot make a broker ask all the time. Before the first answer nobody can log in; if the
provider fails later, the keys last read are used.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable

from barnabas.logs import visible
from barnabas.security.oauth.tokens import BadKeys, Key, UnknownKey, parse_keys, validate
from barnabas.security.oauth_settings import ValidationSettings
from barnabas.security.sasl.oauthbearer import BearerToken, TokenRefused

log = logging.getLogger("kafka.security.oauthbearer")

Fetch = Callable[[], Awaitable[bytes]]
"""Fetches the text of a key set. Raises OSError."""


class KeySet:
    """The keys of one provider. Run ``run`` as a task."""

    def __init__(
        self,
        settings: ValidationSettings,
        fetch: Fetch,
        wall_ms: Callable[[], int],
        keys: tuple[Key, ...] = (),
    ) -> None:
        """``keys``: keys to begin with."""
        self._settings = settings
        self._fetch = fetch
        self._wall_ms = wall_ms
        self._keys = keys
        self._wanted = asyncio.Event()

    def validate(self, token: str) -> BearerToken:
        """Check a token and return what it says. Raises TokenRefused."""
        try:
            return validate(token, self._keys, self._settings, self._wall_ms())
        except UnknownKey:
            self._wanted.set()
            raise
        except TokenRefused as error:
            log.debug("a token is refused: %s", error)
            raise

    async def run(self) -> None:
        """Read the keys again and again, until cancelled."""
        settings, endpoint = self._settings, self._settings.keys
        if self._keys:
            await self._rest(settings.refresh_ms)
        while True:
            pause_ms = endpoint.retry_ms
            while not await self._refresh():
                await asyncio.sleep(pause_ms / 1000)
                pause_ms = min(2 * pause_ms, endpoint.retry_ms_max)
            await self._rest(settings.refresh_ms)

    async def _rest(self, refresh_ms: int) -> None:
        least_ms = min(self._settings.keys.retry_ms_max, refresh_ms)
        await asyncio.sleep(least_ms / 1000)
        try:
            async with asyncio.timeout((refresh_ms - least_ms) / 1000):
                await self._wanted.wait()
        except TimeoutError:
            pass

    async def _refresh(self) -> bool:
        self._wanted.clear()
        try:
            self._keys = parse_keys(await self._fetch())
        except (OSError, BadKeys, ssl.SSLError) as error:
            log.error(
                "sasl.oauthbearer.jwks.endpoint.url: no keys from %s: %s",
                *(visible(self._settings.keys.url), visible(str(error))),
            )
            return False
        log.info("%d keys from %s", len(self._keys), visible(self._settings.keys.url))
        return True
