"""SaslServer, SaslClient: the interface of all SASL mechanisms, a login in steps. Pure.

A client's login makes the first token. A server's login takes tokens and returns challenges until
it is complete. Neither knows of connections. No answer to a failure says whether the user exists.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final, Generic, Protocol, TypeVar

PLAIN: Final = "PLAIN"
SCRAM_SHA_256: Final = "SCRAM-SHA-256"
SCRAM_SHA_512: Final = "SCRAM-SHA-512"
OAUTHBEARER: Final = "OAUTHBEARER"
GSSAPI: Final = "GSSAPI"

A = TypeVar("A")


class AuthenticationFailed(Exception):
    """The login has failed. ``told``: the text for the peer; None for the general one."""

    def __init__(self, why: str, told: str | None = None) -> None:
        super().__init__(why)
        self.told = told


class Waits(Exception):
    """A step needs an answer that may take long. Await ``work``, and take the step again."""

    def __init__(self, work: Coroutine[Any, Any, None]) -> None:
        super().__init__()
        self.work = work


class Asked(Generic[A]):
    """Asks somebody once for a login: the first call raises Waits, later ones have the answer."""

    def __init__(self, ask: Callable[..., Coroutine[Any, Any, A]]) -> None:
        self._ask = ask
        self._answers: list[A] = []

    def __call__(self, *question: str) -> A:
        if not self._answers:
            raise Waits(self._work(question))
        return self._answers[0]

    async def _work(self, question: tuple[str, ...]) -> None:
        self._answers.append(await self._ask(*question))


class ServerLogin(Protocol):
    """One login on the server's side."""

    @property
    def authorization_id(self) -> str | None:
        """The user who has logged in; None before that."""
        ...

    @property
    def expires_ms(self) -> int | None:
        """The wall time at which the credential ends; None if it does not."""
        ...

    @property
    def by_token(self) -> bool:
        """Whether the credential is a delegation token. With one, others may not be created."""
        ...

    def step(self, token: bytes) -> bytes:
        """The next challenge, or the last answer of a successful login. Raises
        AuthenticationFailed, and Waits."""
        ...


class ClientLogin(Protocol):
    """One login on the client's side."""

    @property
    def is_complete(self) -> bool:
        """Whether the login has succeeded, and the server has proved itself where it must."""
        ...

    def first(self) -> bytes:
        """The first token."""
        ...

    def step(self, challenge: bytes) -> bytes | None:
        """The next token, or None if the login is complete. Raises AuthenticationFailed."""
        ...


def in_hash_order(names: Iterable[str]) -> list[str]:
    """The names in the order of a Java HashMap of up to 12 strings, as Kafka's SaslHandshake lists
    mechanisms."""
    return sorted(dict.fromkeys(names), key=_bucket)


def _bucket(name: str) -> int:
    code = 0
    for character in name:
        code = (31 * code + ord(character)) & 0xFFFFFFFF
    return (code ^ code >> 16) & 15
