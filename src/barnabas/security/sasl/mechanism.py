"""What all SASL mechanisms have in common: a login, step by step, on either side. Pure.

A server's login takes tokens and answers with challenges until it is complete; a client's begins.
Neither knows of connections. What a failure tells the peer never says whether the user exists.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

PLAIN: Final = "PLAIN"
SCRAM_SHA_256: Final = "SCRAM-SHA-256"
SCRAM_SHA_512: Final = "SCRAM-SHA-512"
OAUTHBEARER: Final = "OAUTHBEARER"
GSSAPI: Final = "GSSAPI"


class AuthenticationFailed(Exception):
    """The login ends. ``told``: what the peer hears, or None for the general text."""

    def __init__(self, why: str, told: str | None = None) -> None:
        super().__init__(why)
        self.told = told


class ServerLogin(Protocol):
    """One login on the server's side."""

    @property
    def authorization_id(self) -> str | None:
        """Who has logged in, once that is so."""
        ...

    @property
    def expires_ms(self) -> int | None:
        """Wall time at which the credential ends, if it does."""
        ...

    @property
    def by_token(self) -> bool:
        """Whether the credential is a delegation token: who has it may not ask for others."""
        ...

    def step(self, token: bytes) -> bytes:
        """The next challenge, or what is told with success. Raises AuthenticationFailed."""
        ...


class ClientLogin(Protocol):
    """One login on the client's side."""

    @property
    def is_complete(self) -> bool:
        """Whether the server has proved what it must."""
        ...

    def first(self) -> bytes:
        """The first token."""
        ...

    def step(self, challenge: bytes) -> bytes | None:
        """The next token, or None if there is none. Raises AuthenticationFailed."""
        ...


def in_hash_order(names: Iterable[str]) -> list[str]:
    """In the order of a HashMap of up to 12 strings, in which SaslHandshake names mechanisms."""
    return sorted(dict.fromkeys(names), key=_bucket)


def _bucket(name: str) -> int:
    code = 0
    for character in name:
        code = (31 * code + ord(character)) & 0xFFFFFFFF
    return (code ^ code >> 16) & 15
