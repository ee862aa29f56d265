"""DigestMD5Client, DigestMD5Server: a password as ZooKeeper asks for it (RFC 2831). Pure.

Both sides prove that they know the password over a nonce of each. The RFC is historic (RFC 6331)
and MD5 is broken: it keeps a password from being read off the wire, no more, so it belongs under
TLS. Only ``qop=auth`` is here; there is no library that is kept and has the server's side.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from barnabas.security.sasl.mechanism import AuthenticationFailed

MODULE: Final = "org.apache.zookeeper.server.auth.DigestLoginModule"
REALM: Final = "zk-sasl-md5"
DIGEST_URI: Final = f"zookeeper/{REALM}"
"""Of ZooKeeper, whatever its host is called."""
TOKEN_BYTES_MAX: Final = 4096
"""RFC 2831 2.1.2 allows no longer answer, and 2.1.1 a challenge below 2048."""
_FIRST_USE: Final = "00000001"
_DIRECTIVE = re.compile(
    rb"[\x00\t\n\r ,]*"
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[\t\n\r ]*=[\t\n\r ]*"
    rb'(?:"((?:[^"\\]|\\.)*)"|([!#$%&\'*+./:=^_`|~0-9A-Za-z-]*))'
    rb"[\t\n\r ]*(?:,|\Z)",
    re.DOTALL,
)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)


def directives(token: bytes) -> dict[str, str]:
    """``name=value, name="value"`` by name, each once. AuthenticationFailed."""
    if len(token) > TOKEN_BYTES_MAX:
        raise AuthenticationFailed(f"a DIGEST-MD5 token of {len(token)} bytes")
    found: dict[str, str] = {}
    position = 0
    while position < len(token):
        match = _DIRECTIVE.match(token, position)
        if match is None:
            raise AuthenticationFailed("a DIGEST-MD5 token that cannot be read")
        name, quoted, word = match.groups()
        value = word if quoted is None else _ESCAPE.sub(rb"\1", quoted)
        key = name.decode("ascii").lower()
        if key in found:
            raise AuthenticationFailed(f"DIGEST-MD5: {key} is given twice")
        try:
            found[key] = value.decode("utf-8")
        except UnicodeDecodeError:
            raise AuthenticationFailed(f"DIGEST-MD5: {key} is not UTF-8") from None
        position = match.end()
    return found


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _hashed(text: str) -> bytes:
    """A name or a password as it is hashed: ISO 8859-1 where that can spell it."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What both sides put into their proofs."""

    username: str
    realm: str
    password: str = field(repr=False)
    nonce: str
    cnonce: str
    digest_uri: str
    authorization_id: str = ""

    def proof(self, *, of_server: bool = False) -> str:
        """``response`` of the client, ``rspauth`` of the server: 32 hexadecimal digits."""
        secret = _md5(b":".join(map(_hashed, (self.username, self.realm, self.password))))
        parts = [secret, self.nonce.encode(), self.cnonce.encode()]
        if self.authorization_id:
            parts.append(self.authorization_id.encode())
        session = _md5(b":".join(parts)).hex()
        method = "" if of_server else "AUTHENTICATE"
        asked = _md5(f"{method}:{self.digest_uri}".encode()).hex()
        text = f"{session}:{self.nonce}:{_FIRST_USE}:{self.cnonce}:auth:{asked}"
        return _md5(text.encode()).hex()


class DigestMd5Client:
    """Logs ``username`` in. ``nonce``: a fresh random text without quotes."""

    def __init__(
        self, username: str, password: str, nonce: str, digest_uri: str = DIGEST_URI
    ) -> None:
        self._username = username
        self._password = password
        self._cnonce = nonce
        self._digest_uri = digest_uri
        self._exchange: Exchange | None = None
        self.is_complete = False

    def first(self) -> bytes:
        """Nothing: the server begins."""
        return b""

    def step(self, challenge: bytes) -> bytes | None:
        """The proof, then None when the server has proved itself. Raises AuthenticationFailed."""
        asked = directives(challenge)
        if self._exchange is None:
            return self._answer(asked)
        proof = self._exchange.proof(of_server=True)
        told = asked.get("rspauth", "").encode()
        if self.is_complete or not hmac.compare_digest(told, proof.encode()):
            raise AuthenticationFailed("the server does not know the password")
        self.is_complete = True
        return None

    def _answer(self, asked: Mapping[str, str]) -> bytes:
        nonce = asked.get("nonce")
        if not nonce:
            raise AuthenticationFailed("a challenge without a nonce")
        if asked.get("algorithm") != "md5-sess":
            raise AuthenticationFailed("a challenge with another algorithm than md5-sess")
        if "auth" not in asked.get("qop", "auth").replace(" ", "").split(","):
            raise AuthenticationFailed("the server wants more than authentication (qop)")
        self._exchange = exchange = Exchange(
            username=self._username,
            realm=asked.get("realm", ""),
            password=self._password,
            nonce=nonce,
            cnonce=self._cnonce,
            digest_uri=self._digest_uri,
            authorization_id=self._username,
        )
        told = [
            "charset=utf-8",
            f"username={_quoted(exchange.username)}",
            f"realm={_quoted(exchange.realm)}",
            f"nonce={_quoted(nonce)}",
            f"nc={_FIRST_USE}",
            f"cnonce={_quoted(exchange.cnonce)}",
            f"digest-uri={_quoted(exchange.digest_uri)}",
            "maxbuf=65536",
            f"response={exchange.proof()}",
            "qop=auth",
            f"authzid={_quoted(exchange.authorization_id)}",
        ]
        return ",".join(told).encode()


class DigestMd5Server:
    """Checks one login. ``password_of``: of a user, or None. ``nonce``: as of the client."""

    def __init__(
        self,
        password_of: Callable[[str], str | None],
        nonce: str,
        realm: str = REALM,
        digest_uri: str = DIGEST_URI,
    ) -> None:
        self._password_of = password_of
        self._nonce = nonce
        self._realm = realm
        self._digest_uri = digest_uri
        self._is_asked = False
        self.authorization_id: str | None = None
        self.expires_ms: int | None = None
        self.by_token = False

    def step(self, token: bytes) -> bytes:
        """The challenge, then the server's own proof. Raises AuthenticationFailed."""
        if self.authorization_id is not None:
            raise AuthenticationFailed("a token after the login")
        if not self._is_asked:
            if token:
                raise AuthenticationFailed("DIGEST-MD5 begins with the server")
            self._is_asked = True
            return (
                f'realm="{self._realm}",nonce="{self._nonce}",charset=utf-8,algorithm=md5-sess'
            ).encode()
        return self._check(directives(token))

    def _check(self, told: Mapping[str, str]) -> bytes:
        username, cnonce = told.get("username", ""), told.get("cnonce", "")
        expected = {
            "realm": self._realm,
            "nonce": self._nonce,
            "nc": _FIRST_USE,
            "digest-uri": self._digest_uri,
        }
        for name, value in expected.items():
            if told.get(name, "") != value:
                raise AuthenticationFailed(f"DIGEST-MD5: {name} is another")
        if told.get("qop", "auth") != "auth" or not username or not cnonce:
            raise AuthenticationFailed("DIGEST-MD5: username, cnonce and qop=auth are wanted")
        known = self._password_of(username)
        exchange = Exchange(
            username=username,
            realm=self._realm,
            password=known or "",  # for a stranger it is computed as well: it takes as long
            nonce=self._nonce,
            cnonce=cnonce,
            digest_uri=self._digest_uri,
            authorization_id=told.get("authzid", ""),
        )
        proof = told.get("response", "").encode()
        if not hmac.compare_digest(proof, exchange.proof().encode()) or not known:
            raise AuthenticationFailed("no such user, or another password")
        if exchange.authorization_id not in ("", username):
            raise AuthenticationFailed("somebody else's authorization is asked for")
        self.authorization_id = username
        return f"rspauth={exchange.proof(of_server=True)}".encode()
