"""Answers as small ASGI apps, for handlers of Starlette and for apps without it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, TypeAlias

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Names in lower case, and values, as they are on the wire."""


class HttpError(Exception):
    """A request that cannot be served. It is answered with ``{"error": text}``, on one line."""

    def __init__(self, status: int, text: str, headers: Headers = ()) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers

    def answer(self) -> Json:
        return Json({"error": self.text}, self.status, self.headers)


class Text:
    """An answer that is sent as one piece."""

    def __init__(
        self,
        content: str | bytes,
        status: int = 200,
        headers: Headers = (),
        *,
        media_type: str = "text/plain; charset=utf-8",
    ) -> None:
        self.content = content.encode() if isinstance(content, str) else content
        self.status = status
        self.headers = [
            (b"content-type", media_type.encode()),
            (b"content-length", b"%d" % len(self.content)),
            *headers,
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.content, "more_body": False})


class Json(Text):
    """A value as JSON, on one line. Objects that JSON cannot hold are converted with ``str``."""

    def __init__(self, value: object, status: int = 200, headers: Headers = ()) -> None:
        line = json.dumps(value, default=str) + "\n"
        super().__init__(line, status, headers, media_type="application/json")
