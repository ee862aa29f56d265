"""PlainSaslServer, PlainSaslClient: a name and a password in one message (RFC 4616). Pure."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from barnabas.security.jaas import JaasEntry
from barnabas.security.sasl.mechanism import AuthenticationFailed

MODULE: Final = "org.apache.kafka.common.security.plain.PlainLoginModule"
_USER: Final = "user_"
_TOKENS: Final = 3
_LOOKED_AT_MAX: Final = 4
_NOBODY: Final = b"\0"
"""Compared with if the user is unknown, so that it takes as long. No password is equal to it."""


def users_of(entry: JaasEntry) -> dict[str, str]:
    """The users in a server's JAAS entry, given as ``user_NAME="password"``: name -> password."""
    return {
        name.removeprefix(_USER): password
        for name, password in entry.options.items()
        if name.startswith(_USER)
    }


class PlainServer:
    """Checks one login against ``users``: name -> password, or by ``check(name, password)``."""

    def __init__(
        self, users: Mapping[str, str], check: Callable[[str, str], bool] | None = None
    ) -> None:
        self._users = users
        self._check = check
        self.authorization_id: str | None = None
        self.expires_ms: int | None = None
        self.by_token = False

    def step(self, token: bytes) -> bytes:
        """Check the only message of the login. Raises AuthenticationFailed."""
        parts = token.split(b"\0")[:_LOOKED_AT_MAX]
        if len(parts) != _TOKENS:
            raise _failed(f"Invalid SASL/PLAIN response: expected 3 tokens, got {len(parts)}")
        authorization_id, user, password = (part.decode("utf-8", "replace") for part in parts)
        if not user:
            raise _failed("Authentication failed: username not specified")
        if not password:
            raise _failed("Authentication failed: password not specified")
        if not (
            self._knows(user, parts[2]) if self._check is None else self._check(user, password)
        ):
            raise _failed("Authentication failed: Invalid username or password")
        if authorization_id not in ("", user):
            raise _failed(
                "Authentication failed: Client requested an authorization id that is different"
                " from username"
            )
        self.authorization_id = user
        return b""

    def _knows(self, user: str, password: bytes) -> bool:
        known = self._users.get(user)
        expected = _NOBODY if known is None else known.encode("utf-8", "replace")
        return hmac.compare_digest(_same_length(expected), _same_length(password))


def _failed(text: str) -> AuthenticationFailed:
    return AuthenticationFailed(text, told=text)


def _same_length(password: bytes) -> bytes:
    """A digest of the password, so that the time of a comparison does not show its length."""
    return hmac.digest(b"length", password, "sha256")


@dataclass(slots=True, kw_only=True)
class PlainClient:
    """Logs ``username`` in."""

    username: str
    password: str = field(repr=False)
    is_complete: bool = False

    def first(self) -> bytes:
        """The only message."""
        return f"\0{self.username}\0{self.password}".encode()

    def step(self, challenge: bytes) -> None:
        """The login is complete. Raises AuthenticationFailed if the server sends a challenge."""
        if challenge:
            raise AuthenticationFailed("the server sends a challenge to PLAIN")
        self.is_complete = True
