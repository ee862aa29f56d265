"""KafkaPrincipal: who somebody is, as far as this broker knows."""

from __future__ import annotations

from typing import Final, NamedTuple

USER: Final = "User"
"""The type of everybody whom a listener lets in."""


class KafkaPrincipal(NamedTuple):
    """A type and a name. Both are case sensitive, and the name may hold anything."""

    type: str
    name: str

    def __str__(self) -> str:
        return f"{self.type}:{self.name}"

    @classmethod
    def parse(cls, text: str) -> KafkaPrincipal:
        """``Type:name``, split at the first colon; both may be empty. ValueError, in Kafka's words,
        without a colon."""
        kind, colon, name = text.partition(":")
        if not colon:
            raise ValueError(
                f"expected a string in format principalType:principalName but got {text}"
            )
        return cls(kind, name)


ANONYMOUS: Final = KafkaPrincipal(USER, "ANONYMOUS")
"""Who has not said who he is: on a PLAINTEXT listener, and on an SSL one without a certificate."""
