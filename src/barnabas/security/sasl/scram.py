"""ScramSaslServer, ScramSaslClient, ScramFormatter: SCRAM-SHA-256 and -512 (RFC 5802, 7677). Pure.

A server keeps no password, only a salt, a number of iterations, StoredKey and ServerKey. As in
Kafka there is no channel binding, names are not changed (no SASLprep), and extensions of the first
message are ignored but signed.

An unknown user gets a challenge like any other, and fails at the same message with the same text
(RFC 5802 9). Kafka fails at the first message, which shows whether a user exists.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from barnabas.names import number_in
from barnabas.security.sasl.mechanism import SCRAM_SHA_256, SCRAM_SHA_512, AuthenticationFailed

MODULE: Final = "org.apache.kafka.common.security.scram.ScramLoginModule"
TOKEN_OPTION: Final = "tokenauth"
"""The option of a client's JAAS entry which says that its user is a delegation token."""
HASHES: Final = {SCRAM_SHA_256: "sha256", SCRAM_SHA_512: "sha512"}
ITERATIONS_MIN: Final = 4096
ITERATIONS_MAX: Final = 16384
"""Kafka's bounds for new credentials."""
CLIENT_ITERATIONS_MAX: Final = 1_000_000
"""A client refuses a server that asks for more, since computing them would take too long."""
DEFAULT_ITERATIONS: Final = 4096
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_NONCE_BITS: Final = 130
_NONCE_BYTES: Final = 17

_NAME = r"(?:[\x01-\x2b\x2d-\x3c\x3e-\x7f]|=2C|=3D)+"
_VALUE = r"[\x01-\x2b\x2d-\x7f]+"
_NONCE = r"[\x21-\x2b\x2d-\x7e]+"
_BASE64 = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)?"
_EXTENSIONS = rf"(?:,[A-Za-z]+={_VALUE})*"
_CLIENT_FIRST = re.compile(
    rf"n,(?:a=(?P<authzid>{_NAME}))?,(?:m={_VALUE},)?"
    rf"n=(?P<name>{_NAME}),r=(?P<nonce>{_NONCE})(?P<extensions>{_EXTENSIONS})",
    re.DOTALL,
)
_CLIENT_FINAL = re.compile(
    rf"(?P<signed>c={_BASE64},r=(?P<nonce>{_NONCE}){_EXTENSIONS}),p=(?P<proof>{_BASE64})",
    re.DOTALL,
)
_SERVER_FIRST = re.compile(
    rf"(?:m={_VALUE},)?r=(?P<nonce>{_NONCE}),s=(?P<salt>{_BASE64}),i=(?P<iterations>[0-9]+)"
    rf"{_EXTENSIONS}",
    re.DOTALL,
)
_SERVER_FINAL = re.compile(
    rf"(?:e=(?P<error>{_VALUE})|v=(?P<verifier>{_BASE64})){_EXTENSIONS}", re.DOTALL
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScramCredential:
    """ScramCredential: what a server stores for a password and one mechanism."""

    salt: bytes = field(repr=False)
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)
    iterations: int

    def text(self) -> str:
        """The credential as text, as in ``/config/users/NAME``."""
        return (
            f"salt={_encoded(self.salt)},stored_key={_encoded(self.stored_key)},"
            f"server_key={_encoded(self.server_key)},iterations={self.iterations}"
        )

    @classmethod
    def parse(cls, text: str) -> ScramCredential:
        """The inverse of ``text``, with keys in any order. Raises ValueError, which contains
        nothing of the text."""
        parts = dict(part.partition("=")[::2] for part in text.split(","))
        if parts.keys() != {"salt", "stored_key", "server_key", "iterations"}:
            raise ValueError("SCRAM credentials with other parts than the four")
        iterations = number_in(parts["iterations"])
        if iterations is None or not 0 < iterations < 1 << 31:
            raise ValueError("SCRAM credentials with an invalid number of iterations")
        try:
            return cls(
                salt=base64.b64decode(parts["salt"], validate=True),
                stored_key=base64.b64decode(parts["stored_key"], validate=True),
                server_key=base64.b64decode(parts["server_key"], validate=True),
                iterations=iterations,
            )
        except binascii.Error:
            raise ValueError("SCRAM credentials that are not base64") from None


class TokenLogin(NamedTuple):
    """What a login by a delegation token is checked against."""

    credential: ScramCredential
    owner: str
    """The user whom the token logs in."""
    expires_ms: int


Lookup = Callable[[str], "ScramCredential | None"]
"""Gives a user's credential for the mechanism, or None."""
Tokens = Callable[[str], "TokenLogin | None"]
"""Gives what a delegation token logs in with by its id, or None."""
Decoys = Callable[[str], ScramCredential]
"""Gives a false credential for a user who has none."""


def salted_password(mechanism: str, password: bytes, salt: bytes, iterations: int) -> bytes:
    """Hi(password, salt, i). A thousand iterations take about a millisecond."""
    return hashlib.pbkdf2_hmac(HASHES[mechanism], password, salt, iterations)


def credential_of(mechanism: str, salted: bytes, salt: bytes, iterations: int) -> ScramCredential:
    """The credential of a salted password."""
    return ScramCredential(
        salt=salt,
        stored_key=_hash(mechanism, _hmac(mechanism, salted, b"Client Key")),
        server_key=_hmac(mechanism, salted, b"Server Key"),
        iterations=iterations,
    )


def secure_text(chance: Callable[[int], bytes]) -> str:
    """About 25 random digits and small letters, as Kafka's nonces and salts."""
    number = int.from_bytes(chance(_NONCE_BYTES), "big") >> (8 * _NONCE_BYTES - _NONCE_BITS)
    digits = []
    while number:
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits)) or "0"


def decoy(mechanism: str, key: bytes, user: str, iterations: int) -> ScramCredential:
    """The credential with which an unknown user is challenged. It is always the same for the same
    ``key``, looks like a real one, and no proof matches it."""
    seed = hmac.digest(key, f"{mechanism}\0{user}".encode("utf-8", "replace"), "sha512")
    stored = hmac.digest(key, seed, "sha512")
    salt = secure_text(lambda count: seed[:count]).encode()
    return ScramCredential(salt=salt, stored_key=stored, server_key=stored, iterations=iterations)


def no_tokens(token_id: str) -> TokenLogin | None:
    """The look-up for listeners without delegation tokens."""
    return None


class ScramServer:
    """Checks one login. ``nonce`` is fresh; ``lookup`` finds users, ``tokens`` delegation tokens,
    and ``decoy_of`` makes false credentials for unknown users. With the extension
    ``tokenauth=true`` the name is a token's id, and its owner is logged in (KIP-48)."""

    def __init__(
        self,
        mechanism: str,
        nonce: str,
        lookup: Lookup,
        decoy_of: Decoys,
        tokens: Tokens = no_tokens,
    ) -> None:
        self._mechanism = mechanism
        self._nonce = nonce
        self._lookup = lookup
        self._decoy_of = decoy_of
        self._tokens = tokens
        self.authorization_id: str | None = None
        self.expires_ms: int | None = None
        self.by_token = False
        self._user = ""
        self._signed = ""
        """The messages so far, which the proof covers."""
        self._challenge_nonce = ""
        self._credential: ScramCredential | None = None
        self._is_real = False

    def step(self, token: bytes) -> bytes:
        """The challenge; then the server's signature. Raises AuthenticationFailed."""
        if self.authorization_id is not None:
            raise AuthenticationFailed("a message after the last one")
        text = token.decode("utf-8", "replace")
        return self._first(text) if self._credential is None else self._final(text)

    def _first(self, text: str) -> bytes:
        match = _CLIENT_FIRST.fullmatch(text)
        if match is None:
            raise AuthenticationFailed("Invalid SCRAM client first message format")
        user = match["name"].replace("=2C", ",").replace("=3D", "=")
        extensions = _extensions(match["extensions"])
        authorization_id = match["authzid"]
        if authorization_id not in (None, user):
            why = (
                "Authentication failed: Client requested an authorization id that is different"
                " from username"
            )
            raise AuthenticationFailed(why, told=why)
        by_token = any(v.lower() == "true" for k, v in extensions.items() if k == "tokenauth")
        instead = self._decoy_of(user)  # computed for known users too, so that it takes as long
        found = self._found_token(user) if by_token else self._found_user(user)
        credential = instead if found is None else found
        self._is_real = found is not None
        self._credential = credential
        self._challenge_nonce = match["nonce"] + self._nonce
        challenge = (
            f"r={self._challenge_nonce},s={_encoded(credential.salt)},i={credential.iterations}"
        )
        bare = ",".join(
            (f"n={match['name']},r={match['nonce']}", *(f"{k}={v}" for k, v in extensions.items()))
        )
        self._signed = f"{bare},{challenge}"
        return challenge.encode()

    def _found_user(self, user: str) -> ScramCredential | None:
        self._user = user
        found = self._lookup(user)
        return None if found is None or found.iterations < ITERATIONS_MIN else found

    def _found_token(self, token_id: str) -> ScramCredential | None:
        found = self._tokens(token_id)
        if found is None:
            return None
        self._user, self.expires_ms, self.by_token = found.owner, found.expires_ms, True
        return found.credential

    def _final(self, text: str) -> bytes:
        match = _CLIENT_FINAL.fullmatch(text)
        credential = self._credential
        if match is None or credential is None:
            raise AuthenticationFailed("Invalid SCRAM client final message format")
        if not match["nonce"] == self._challenge_nonce:
            raise AuthenticationFailed("Invalid client nonce in the final client message.")
        mechanism = self._mechanism
        auth_message = f"{self._signed},{match['signed']}".encode()
        signature = _hmac(mechanism, credential.stored_key, auth_message)
        proof = base64.b64decode(match["proof"])
        if len(proof) != len(signature):
            raise AuthenticationFailed("Invalid client credentials")
        stored = _hash(mechanism, _xor(signature, proof))
        if not (hmac.compare_digest(stored, credential.stored_key) and self._is_real):
            raise AuthenticationFailed("Invalid client credentials")
        self.authorization_id = self._user
        return f"v={_encoded(_hmac(mechanism, credential.server_key, auth_message))}".encode()


class ScramClient:
    """Logs ``username`` in. The server must prove that it knows the credential."""

    def __init__(
        self,
        mechanism: str,
        username: str,
        password: str,
        nonce: str,
        salted: dict[tuple[str, bytes, int], bytes] | None = None,
        *,
        by_token: bool = False,
    ) -> None:
        """``salted``: a cache of the caller's that makes its next login fast. ``by_token``: the
        name is a delegation token's id, and the password its HMAC in base64."""
        self._mechanism = mechanism
        self._password = password
        self._salted = {} if salted is None else salted
        self.is_complete = False
        name = username.replace("=", "=3D").replace(",", "=2C")
        self._nonce = nonce
        self._bare = f"n={name},r={nonce}" + ",tokenauth=true" * by_token
        self._expected: bytes | None = None

    def first(self) -> bytes:
        return f"n,,{self._bare}".encode()

    def step(self, challenge: bytes) -> bytes | None:
        """The proof; then None. Raises AuthenticationFailed."""
        text = challenge.decode("utf-8", "replace")
        if self._expected is None:
            return self._proof(text)
        match = _SERVER_FINAL.fullmatch(text)
        verifier = match["verifier"] if match is not None else None
        if verifier is None or not hmac.compare_digest(base64.b64decode(verifier), self._expected):
            raise AuthenticationFailed("the server does not know this user's credential")
        self.is_complete = True
        return None

    def _proof(self, text: str) -> bytes:
        match = _SERVER_FIRST.fullmatch(text)
        iterations = None if match is None else number_in(match["iterations"])
        if match is None or iterations is None or not match["nonce"].startswith(self._nonce):
            raise AuthenticationFailed("the server's challenge is malformed")
        if not ITERATIONS_MIN <= iterations <= CLIENT_ITERATIONS_MAX:
            raise AuthenticationFailed(f"the server asks for {iterations} iterations")
        mechanism = self._mechanism
        salt = base64.b64decode(match["salt"])
        salted = self._salted.get((mechanism, salt, iterations))
        if salted is None:
            salted = salted_password(mechanism, self._password.encode(), salt, iterations)
            self._salted.clear()
            self._salted[mechanism, salt, iterations] = salted
        client_key = _hmac(mechanism, salted, b"Client Key")
        final = f"c=biws,r={match['nonce']}"
        auth_message = f"{self._bare},{text},{final}".encode()
        signature = _hmac(mechanism, _hash(mechanism, client_key), auth_message)
        self._expected = _hmac(mechanism, _hmac(mechanism, salted, b"Server Key"), auth_message)
        return f"{final},p={_encoded(_xor(client_key, signature))}".encode()


def _extensions(text: str) -> dict[str, str]:
    """The extensions in ``,name=value,...``; if a name is given twice, the last one counts."""
    return dict(part.partition("=")[::2] for part in text.split(",") if part)


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _hmac(mechanism: str, key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, HASHES[mechanism])


def _hash(mechanism: str, data: bytes) -> bytes:
    return hashlib.new(HASHES[mechanism], data).digest()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
