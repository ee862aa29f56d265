"""What a request to the control endpoint says beside its path: a query, a JSON object, or both."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

from barnabas.http.answers import HttpError

FIELDS_MAX: Final = 100


def read_parameters(query: str, body: bytes) -> dict[str, Any]:
    """By name; of a name that is in both, what the body says. Raises HttpError."""
    try:
        given: dict[str, Any] = dict(
            parse_qsl(query, keep_blank_values=True, max_num_fields=FIELDS_MAX)
        )
    except ValueError:
        raise HttpError(400, f"more than {FIELDS_MAX} parameters") from None
    if not body.strip():
        return given
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise HttpError(400, "the body is not JSON") from None
    if not isinstance(value, dict):
        raise HttpError(400, "the body is not a JSON object")
    return {**given, **value}


class Parameters:
    """Takes them one by one. Each method raises HttpError (400) with the name of what is wrong."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = {name: value for name, value in given.items() if value is not None}
        self._known: list[str] = []

    def done(self) -> None:
        """Refuse what nobody has taken: mostly a name that is misspelt."""
        if self._given:
            known = ", ".join(self._known) or "none"
            unknown = next(iter(self._given))
            raise HttpError(400, f"no parameter {unknown!r} here; there are: {known}")

    def _take(self, name: str) -> Any:
        self._known.append(name)
        return self._given.pop(name, None)

    def text(self, name: str) -> str | None:
        value = self._take(name)
        if value is not None and not isinstance(value, str):
            raise HttpError(400, f"{name}: not a text")
        return value

    def one_of(self, name: str, choices: Sequence[str]) -> str | None:
        value = self.text(name)
        if value is not None and value not in choices:
            raise HttpError(400, f"{name}: one of {', '.join(choices)}")
        return value

    def integer(self, name: str, *, at_least: int = 0, at_most: int = 2**31 - 1) -> int | None:
        value = self._take(name)
        if value is None:
            return None
        if isinstance(value, str) and len(value) <= 11 and value.removeprefix("-").isdecimal():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise HttpError(400, f"{name}: not a whole number")
        if not at_least <= value <= at_most:
            raise HttpError(400, f"{name}: from {at_least} to {at_most}")
        return value

    def number(self, name: str, *, at_most: float) -> float | None:
        """From 0."""
        value = self._take(name)
        if value is None:
            return None
        try:
            found = float(value) if not isinstance(value, bool) else -1.0
        except (TypeError, ValueError, OverflowError):
            found = -1.0
        if not 0 <= found <= at_most:
            raise HttpError(400, f"{name}: a number from 0 to {at_most:g}")
        return found

    def flag(self, name: str) -> bool:
        value = self._take(name)
        said = {None: False, "true": True, "1": True, "": True, "false": False, "0": False}
        if isinstance(value, bool):
            return value
        if not isinstance(value, str | None) or value not in said:
            raise HttpError(400, f"{name}: true or false")
        return said[value]

    def texts(self, name: str) -> list[str] | None:
        """A list; in a query with commas."""
        value = self._take(name)
        if value is None:
            return None
        if isinstance(value, str):
            value = [part for part in value.split(",") if part]
        if isinstance(value, int) and not isinstance(value, bool):
            value = [value]
        if not isinstance(value, list) or not all(type(part) in (str, int) for part in value):
            raise HttpError(400, f"{name}: not a list")
        return [str(part) for part in value]

    def brokers(self, name: str) -> list[int] | None:
        """Ids in a list."""
        found = self.texts(name)
        if found is None:
            return None
        if not all(part.isdecimal() and len(part) <= 10 for part in found):
            raise HttpError(400, f"{name}: not a list of brokers' ids")
        return [int(part) for part in found]

    def object(self, name: str) -> dict[str, Any]:
        """A JSON object; empty if it is not there."""
        value = self._take(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise HttpError(400, f"{name}: not a JSON object")
        return value
