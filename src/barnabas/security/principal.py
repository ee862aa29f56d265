"""KafkaPrincipal: the identity of a client."""

from __future__ import annotations

from typing import Final, NamedTuple

USER: Final = "User"
"""The type of all principals that listeners make."""


class KafkaPrincipal(NamedTuple):
    """A type and a name. Both are case sensitive; the name may have any characters."""

    type: str
    name: str

    def __str__(self) -> str:
        return f"{self.type}:{self.name}"

    @classmethod
    def parse(cls, text: str) -> KafkaPrincipal:
        """Parse ``Type:name``. It is split at the first colon; both parts may be empty. Raises
        ValueError, in Kafka's words, if there is no colon."""
        kind, colon, name = text.partition(":")
        if not colon:
            raise ValueError(
                f"expected a string in format principalType:principalName but got {text}"
            )
        return cls(kind, name)


ANONYMOUS: Final = KafkaPrincipal(USER, "ANONYMOUS")
"""The principal of clients without a login or certificate, on PLAINTEXT and SSL listeners."""
