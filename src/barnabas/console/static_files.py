"""The page's files, read once and served from memory. So a request can name no other file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from starlette.requests import Request

from barnabas.http.answers import HttpError, Text

_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class StaticFiles:
    """``GET /`` and ``GET /static/...``."""

    def __init__(self, page: str = "index.html") -> None:
        self._page = page
        self._files = dict(_below(files("barnabas.console").joinpath("static"), ""))

    async def page(self, request: Request) -> Text:
        return self._answer(request, self._page)

    async def file(self, request: Request) -> Text:
        return self._answer(request, str(request.path_params["path"]))

    def _answer(self, request: Request, path: str) -> Text:
        content = self._files.get(path)
        kind = _TYPES.get(path.rpartition(".")[2])
        if content is None or kind is None:
            raise HttpError(404, "no such path")
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        headers = [
            (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
            (b"cache-control", b"no-cache"),
            (b"etag", tag.encode()),
        ]
        if request.headers.get("if-none-match") == tag:
            return Text("", 304, headers, media_type=kind)
        return Text(content, 200, headers, media_type=kind)


def _below(directory: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in sorted(directory.iterdir(), key=lambda e: e.name):
        if entry.is_dir():
            yield from _below(entry, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name, entry.read_bytes()
