"""Attributes that are replaced for a while."""

from __future__ import annotations

from typing import Any


class Patches:
    """Attributes replaced, and what they were."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, Any]] = []

    def set(self, owner: Any, name: str, value: Any) -> Any:
        """Replace an attribute; what it was."""
        before = owner.__dict__[name]
        self._before.append((owner, name, before))
        setattr(owner, name, value)
        return before

    def undo(self) -> None:
        """All as it was."""
        for owner, name, before in reversed(self._before):
            setattr(owner, name, before)
        self._before.clear()


async def nothing(*_: Any, **__: Any) -> None:
    """Instead of something."""
