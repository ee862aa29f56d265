"""Fetches the content of an endpoint: a file, or a provider's answer."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from barnabas.security.http_client import BYTES_MAX, FetchFailed, fetch
from barnabas.security.oauth_settings import Endpoint
from barnabas.security.stores import Read
from barnabas.security.tls import client_context

_FILE: Final = "file"


def read_file(url: str, read: Read) -> bytes:
    """The content of the file that a ``file:`` URL names. Raises OSError."""
    path = unquote(urlsplit(url).path)
    found = read(path)
    if len(found) > BYTES_MAX:
        raise FetchFailed(f"{path} has more than {BYTES_MAX} bytes", may_pass=False)
    return found


def is_file(endpoint: Endpoint) -> bool:
    return urlsplit(endpoint.url).scheme == _FILE


def fetcher(
    endpoint: Endpoint,
    read: Read,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Callable[[], Awaitable[bytes]]:
    """A function that fetches the endpoint; each call is one attempt and raises OSError if it
    fails. Raises BadTls."""
    context: ssl.SSLContext | None = None
    if urlsplit(endpoint.url).scheme == "https":
        if endpoint.tls is None:
            context = ssl.create_default_context()
        else:
            context = client_context(endpoint.tls, read)

    async def attempt() -> bytes:
        if is_file(endpoint):
            return read_file(endpoint.url, read)
        return await fetch(
            endpoint.url,
            tls=context,
            connect_timeout_s=endpoint.connect_timeout_ms / 1000,
            read_timeout_s=endpoint.read_timeout_ms / 1000,
            headers=headers,
            body=body,
        )

    return attempt
