"""HttpAccessTokenRetriever, FileTokenRetriever, ExpiringCredentialRefreshingLogin: fetches a
client's token when it is needed.

The client's id and secret are sent to the provider only, never to a broker (client credentials, RFC
6749 4.4). The first connection after ``refresh_at_ms`` has another token fetched. It does not wait
for that as long as the old one is valid; so a provider may be away for the rest of its life.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlencode

from barnabas.logs import visible
from barnabas.security.client import AuthenticationRefused
from barnabas.security.http_client import FetchFailed
from barnabas.security.oauth.endpoints import fetcher, is_file
from barnabas.security.oauth_settings import LoginSettings
from barnabas.security.sasl.oauthbearer import OAuthBearerClient
from barnabas.security.stores import Read

log = logging.getLogger("kafka.security.oauthbearer")

TOKEN_LENGTH_MAX: Final = 256 * 1024
RETRY_MS: Final = 10_000
"""The pause after a failed refresh, as in Kafka."""
_CHANCE_BYTES: Final = 4


def refresh_at_ms(
    settings: LoginSettings, now_ms: int, issued_ms: int, expires_ms: int, chance: float
) -> int:
    """When to fetch the next token (``refreshMs``). ``now_ms``: when this one was fetched;
    ``chance``: from 0 to 1.

    It is a share of the token's life, but not sooner than the least period after now, nor within
    the buffer before its end. A token without room for both has its share of what is left."""
    share = settings.refresh_factor + settings.refresh_jitter * chance
    if not math.isfinite(share):
        share = 0.0
    period_ms, buffer_ms = settings.refresh_period_ms_min, settings.refresh_buffer_ms
    if now_ms + period_ms + buffer_ms > expires_ms:
        found = now_ms + int((expires_ms - now_ms) * share)
    else:
        found = issued_ms + int((expires_ms - issued_ms) * share)
        latest = expires_ms - buffer_ms
        found = latest if found > latest else max(found, now_ms + period_ms)
    return found if found >= now_ms else now_ms + RETRY_MS


class RefreshedTokens(ABC):
    """The tokens of one client, wherever they come from."""

    def __init__(
        self,
        settings: LoginSettings,
        wall_ms: Callable[[], int],
        secret: Callable[[int], bytes],
    ) -> None:
        """``secret``: gives the asked number of random bytes."""
        self._settings = settings
        self._wall_ms = wall_ms
        self._secret = secret
        self._token = ""
        self._refresh_ms = 0
        """When to fetch the next one."""
        self._expires_ms = 0
        self._fetching = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None

    @abstractmethod
    async def _new_token(self) -> tuple[str, int | None, int]:
        """A new token, when it was issued, if that is known, and when it ends. Raises
        ConnectionError and AuthenticationRefused."""

    def begin(self) -> OAuthBearerClient:
        """Begin a login; ``prepare`` must have returned before."""
        return OAuthBearerClient(token=self._token, extensions=self._settings.extensions)

    async def prepare(self) -> None:
        """Fetch a token unless the current one is still valid; begin to fetch the next one if it is
        time for that. Raises ConnectionError and AuthenticationRefused."""
        now_ms = self._wall_ms()
        if now_ms < self._expires_ms:
            if now_ms >= self._refresh_ms and self._refreshing is None:
                loop = asyncio.get_running_loop()
                self._refreshing = loop.create_task(self._refresh(), name="refresh of a token")
            return
        async with self._fetching:
            if self._wall_ms() >= self._expires_ms:
                await self._fetch_token()

    async def _refresh(self) -> None:
        """Fetch the next token while the current one is valid. A failure is logged."""
        try:
            async with self._fetching:
                await self._fetch_token()
        except OSError as error:
            self._refresh_ms = self._wall_ms() + RETRY_MS
            log.warning("no new token, so the old one is used to its end: %s", visible(str(error)))
        finally:
            self._refreshing = None

    async def _fetch_token(self) -> None:
        token, issued_ms, expires_ms = await self._new_token()
        now_ms = self._wall_ms()
        chance = int.from_bytes(self._secret(_CHANCE_BYTES), "big") / 2 ** (8 * _CHANCE_BYTES)
        if issued_ms is None:
            issued_ms = now_ms
        self._token, self._expires_ms = token, expires_ms
        self._refresh_ms = refresh_at_ms(self._settings, now_ms, issued_ms, expires_ms, chance)


class AccessTokens(RefreshedTokens):
    """Tokens of a provider, or of a file."""

    def __init__(
        self,
        settings: LoginSettings,
        read: Read,
        wall_ms: Callable[[], int],
        secret: Callable[[int], bytes],
    ) -> None:
        """``secret``: gives the asked number of random bytes. Raises BadTls."""
        super().__init__(settings, wall_ms, secret)
        self._fetch: Callable[[], Awaitable[bytes]]
        if is_file(settings.tokens):
            self._fetch = fetcher(settings.tokens, read)
        else:
            login = f"{settings.client_id}:{settings.client_secret}".encode()
            form = {"grant_type": "client_credentials"}
            if settings.scope:
                form["scope"] = settings.scope
            headers = {
                "Authorization": f"Basic {base64.b64encode(login).decode()}",
                "Content-Type": "application/x-www-form-urlencoded",
            }
            self._fetch = fetcher(settings.tokens, read, headers, urlencode(form).encode())

    async def _new_token(self) -> tuple[str, int | None, int]:
        token = self._read(await self._answer())
        return token, *_life(token)

    async def _answer(self) -> bytes:
        """The provider's answer. Failures that may pass are retried, until the longest pause is
        reached."""
        endpoint = self._settings.tokens
        pause_ms, left_ms = endpoint.retry_ms, endpoint.retry_ms_max
        while True:
            try:
                return await self._fetch()
            except OSError as error:
                may_pass = not isinstance(error, FetchFailed) or error.may_pass
                if not may_pass:
                    raise AuthenticationRefused(f"{endpoint.url}: {error}") from None
                if left_ms <= 0 or is_file(endpoint):
                    raise ConnectionError(f"{endpoint.url}: {error}") from error
            await asyncio.sleep(pause_ms / 1000)
            left_ms -= pause_ms
            pause_ms = min(2 * pause_ms, endpoint.retry_ms_max)

    def _read(self, answer: bytes) -> str:
        text = answer.decode("utf-8", "replace").strip()
        if not is_file(self._settings.tokens):
            try:
                text = json.loads(text)["access_token"]
            except (ValueError, TypeError, KeyError, RecursionError):
                raise AuthenticationRefused(f"{self._where}: an answer without a token") from None
        if not isinstance(text, str) or not text or len(text) > TOKEN_LENGTH_MAX:
            raise AuthenticationRefused(f"{self._where}: no token")
        return text

    @property
    def _where(self) -> str:
        return self._settings.tokens.url


def _life(token: str) -> tuple[int | None, int]:
    """(when it was issued, if it says so; when it ends), as the token says. Only the broker checks
    it. Raises AuthenticationRefused."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        issued = claims.get("iat")
        expires_ms = int(1000 * float(claims["exp"]))
        return None if issued is None else int(1000 * float(issued)), expires_ms
    except (
        *(IndexError, binascii.Error, ValueError, TypeError, KeyError, AttributeError),
        *(OverflowError, RecursionError),
    ):
        raise AuthenticationRefused("a token that does not say when it ends") from None
