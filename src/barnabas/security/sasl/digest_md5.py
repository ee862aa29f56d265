"""DigestMD5Client, DigestMD5Server: the password login of ZooKeeper (RFC 2831). Pure.

Each side proves that it knows the password, with a nonce of each side in the proof. The RFC is
historic (RFC 6331) and MD5 is broken: it only hides the password on the wire, so use TLS with it.
Only ``qop=auth`` is supported. No maintained library has the server's side.
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
"""The URI that ZooKeeper uses for any host."""
TOKEN_BYTES_MAX: Final = 4096
"""The longest answer by RFC 2831 2.1.2. A challenge has less than 2048 bytes (2.1.1)."""
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
    """The values in ``name=value, name="value"`` by name. Raises AuthenticationFailed, also for a
    name that is given twice."""
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
    """The bytes of a name or password for hashing: ISO 8859-1 if possible, else UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """The values from which both sides compute their proofs."""

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
        """Empty, since the server begins."""
        return b""

    def step(self, challenge: bytes) -> bytes | None:
        """The client's proof; then None, once the server's proof is right. Raises
        AuthenticationFailed."""
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
    """Checks one login. ``password_of``: a user's password, or None. ``nonce``: as for the
    client."""

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
        """The challenge; then the server's proof. Raises AuthenticationFailed."""
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
                raise AuthenticationFailed(f"DIGEST-MD5: {name} is not the expected one")
        if told.get("qop", "auth") != "auth" or not username or not cnonce:
            raise AuthenticationFailed("DIGEST-MD5: username, cnonce and qop=auth are required")
        known = self._password_of(username)
        exchange = Exchange(
            username=username,
            realm=self._realm,
            password=known or "",  # an unknown user's proof is computed too, so it takes as long
            nonce=self._nonce,
            cnonce=cnonce,
            digest_uri=self._digest_uri,
            authorization_id=told.get("authzid", ""),
        )
        proof = told.get("response", "").encode()
        if not hmac.compare_digest(proof, exchange.proof().encode()) or not known:
            raise AuthenticationFailed("unknown user or wrong password")
        if exchange.authorization_id not in ("", username):
            raise AuthenticationFailed("the authorization id is not the user's name")
        self.authorization_id = username
        return f"rspauth={exchange.proof(of_server=True)}".encode()
