"""HttpAccessTokenRetriever, FileTokenRetriever: fetches a client's token when it is needed.

The client's id and secret are sent to the provider only, never to a broker (client credentials, RFC
6749 4.4). A token is used for a share of its life; then the next connection fetches another.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlencode

from barnabas.security.client import AuthenticationRefused
from barnabas.security.http_client import FetchFailed
from barnabas.security.oauth.endpoints import fetcher, is_file
from barnabas.security.oauth_settings import LoginSettings
from barnabas.security.sasl.oauthbearer import OAuthBearerClient
from barnabas.security.stores import Read

TOKEN_LENGTH_MAX: Final = 256 * 1024


class AccessTokens:
    """The tokens of one client."""

    def __init__(self, settings: LoginSettings, read: Read, wall_ms: Callable[[], int]) -> None:
        """Raises BadTls."""
        self._settings = settings
        self._wall_ms = wall_ms
        self._token = ""
        self._renew_ms = 0
        self._fetching = asyncio.Lock()
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

    def begin(self) -> OAuthBearerClient:
        """Begin a login; ``prepare`` must have returned before."""
        return OAuthBearerClient(token=self._token, extensions=self._settings.extensions)

    async def prepare(self) -> None:
        """Fetch a token unless the current one lasts long enough. Raises ConnectionError and
        AuthenticationRefused."""
        async with self._fetching:
            now_ms = self._wall_ms()
            if now_ms < self._renew_ms:
                return
            token = self._read(await self._answer())
            expires_ms = _expires_ms(token)
            self._token = token
            self._renew_ms = now_ms + int((expires_ms - now_ms) * self._settings.refresh_factor)

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


def _expires_ms(token: str) -> int:
    """When the token says that it ends. Only the broker checks it. Raises AuthenticationRefused."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return int(1000 * float(claims["exp"]))
    except (
        *(IndexError, binascii.Error, ValueError, TypeError, KeyError),
        *(OverflowError, RecursionError),
    ):
        raise AuthenticationRefused("a token that does not say when it ends") from None
