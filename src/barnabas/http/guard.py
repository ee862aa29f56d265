"""Decides which HTTP requests are served. Pure.

A server on loopback can be reached by every web page that its user opens, and by everybody who has
an account on the machine. So each request must pass three checks:

- **Host** names this server: by an IP address, ``localhost``, or a name that was given. A page
  whose name was made to resolve to 127.0.0.1 (DNS rebinding) sends its own name.
- **Origin**, if given, is this server; ``Sec-Fetch-Site``, if given, does not name another site. A
  request that changes something, and whose token comes from a cookie, must have an Origin (CSRF).
- **A token**, as with Jupyter: ``Authorization: Bearer TOKEN``, ``?token=TOKEN``, or a cookie. A
  browser that comes with ``?token=`` gets the cookie and is redirected to the same page without the
  token, so that the token does not stay in its history.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from barnabas.errors import ConfigError

TOKEN_BYTES: Final = 32
BODY_BYTES_MAX: Final = 1024 * 1024
"""The default limit for the body of a request."""
ANY_NAME: Final = "*"

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9._-]+)(?::[0-9]{1,5})?")
_ALWAYS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)


def new_token(entropy: Callable[[int], bytes]) -> str:
    """A random token of 256 bits that needs no escapes in a URL. ``entropy`` is like
    ``os.urandom``."""
    return urlsafe_b64encode(entropy(TOKEN_BYTES)).rstrip(b"=").decode()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_address(host: str, *, others: bool) -> None:
    """Raise ConfigError for an address that other machines can reach, unless ``others``."""
    if not others and not is_loopback(host):
        raise ConfigError(f"{host}: not a loopback address, so other machines could reach it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The head of a request: all before its body."""

    method: str
    path: str
    query: bytes = b""
    headers: Sequence[tuple[bytes, bytes]] = ()
    """Names in lower case."""

    def all(self, name: bytes) -> list[str]:
        """The values of one header."""
        return [value.decode("latin-1").strip() for key, value in self.headers if key == name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The decision about a request. ``status`` 0: it is served."""

    status: int = 0
    text: str = ""
    headers: Sequence[tuple[bytes, bytes]] = ()
    """Headers that are added to the answer."""
    query: bytes = b""
    """The query of the request, without the token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The rules by which a server decides about each request."""

    token: str | None = field(repr=False)
    """None: no token is needed."""
    names: frozenset[str] = frozenset()
    """Host names of this server, beside its addresses; ``ANY_NAME`` allows every name."""
    open_paths: frozenset[str] = frozenset()
    """Paths that need no token."""
    body_bytes_max: int = BODY_BYTES_MAX

    def link(self, url: str) -> str:
        """The link with the token, for a browser."""
        return url if self.token is None else f"{url}/?token={self.token}"

    @property
    def cookie(self) -> str:
        """The name of the cookie. It depends on the token, since browsers share the cookies of a
        host between all its ports."""
        return "barnabas-" + hashlib.sha256((self.token or "").encode()).hexdigest()[:12]

    def judge(self, head: Head) -> Judgement:
        """Decide whether a request is served, and which headers its answer gets."""
        foreign = self._is_foreign(head)
        if foreign is not None:
            return Judgement(status=HTTPStatus.FORBIDDEN, text=foreign, headers=_ALWAYS)
        given, query = _token_of(head.query)
        if self.token is None or head.path in self.open_paths:
            return Judgement(headers=_ALWAYS, query=query)
        if any(self._is_token(text) for text in (given, *_bearers(head))):
            if given and _is_navigation(head):
                return self._without_token(head, query)
            return Judgement(headers=_ALWAYS, query=query)
        if any(self._is_token(text) for text in _cookies(head, self.cookie)):
            if head.method in _SAFE or head.all(b"origin"):
                return Judgement(headers=_ALWAYS, query=query)
            text = "a request with a cookie that changes something needs an Origin header"
            return Judgement(status=HTTPStatus.FORBIDDEN, text=text, headers=_ALWAYS)
        return Judgement(
            status=HTTPStatus.UNAUTHORIZED,
            text="a token is needed: Authorization: Bearer TOKEN, or ?token=TOKEN",
            headers=[*_ALWAYS, (b"www-authenticate", b"Bearer")],
        )

    def _is_foreign(self, head: Head) -> str | None:
        """Why the request comes from another site, or is for another server; None if neither."""
        hosts = head.all(b"host")
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            return "the Host of this request is not a name of this server"
        if any(origin not in _origins(hosts[0]) for origin in head.all(b"origin")):
            return "the Origin of this request is not this server"
        site = head.all(b"sec-fetch-site")
        if any(s not in ("same-origin", "none") for s in site) and not _is_navigation(head):
            return "this request is from a page of another site"
        return None

    def _is_ours(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found[1].lower()
        if name == "localhost" or name in self.names or ANY_NAME in self.names:
            return True
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True

    def _is_token(self, text: str) -> bool:
        assert self.token is not None
        return hmac.compare_digest(text.encode(), self.token.encode())

    def _without_token(self, head: Head, query: bytes) -> Judgement:
        """Redirect a browser to the same page without the token, and give it a cookie."""
        target = head.path.encode("ascii", "ignore") + (b"?" + query if query else b"")
        bears = f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Lax"
        return Judgement(
            status=HTTPStatus.SEE_OTHER,
            headers=[
                *_ALWAYS,
                (b"location", b"/" + target.lstrip(b"/")),  # two slashes would name another host
                (b"set-cookie", bears.encode()),
                (b"cache-control", b"no-store"),
            ],
        )


def _token_of(query: bytes) -> tuple[str, bytes]:
    """The token in a query, and the rest of it."""
    parts = query.split(b"&")
    tokens = [part for part in parts if part.startswith(b"token=")]
    rest = b"&".join(part for part in parts if not part.startswith(b"token="))
    given = tokens[0].removeprefix(b"token=") if tokens else b""
    return given.decode("latin-1"), rest


def _bearers(head: Head) -> list[str]:
    said = [value.partition(" ") for value in head.all(b"authorization")]
    return [text.strip() for scheme, _, text in said if scheme.lower() in ("bearer", "token")]


def _cookies(head: Head, name: str) -> list[str]:
    pairs = [pair.strip() for line in head.all(b"cookie") for pair in line.split(";")]
    return [pair.removeprefix(f"{name}=") for pair in pairs if pair.startswith(f"{name}=")]


def _origins(host: str) -> tuple[str, str]:
    return f"http://{host}", f"https://{host}"


def _is_navigation(head: Head) -> bool:
    """Whether a browser opens a page, rather than a page fetches something."""
    return head.method == "GET" and head.all(b"sec-fetch-mode") == ["navigate"]
