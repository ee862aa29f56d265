"""ConfigDef.Validator: checks of settings' values, with Kafka's texts. Pure.

A check takes the parsed value and returns what is wrong with it, or None.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from barnabas.config.java import double_text, parse_list

Value: TypeAlias = bool | int | float | str | tuple[str, ...] | None
Check: TypeAlias = Callable[[Value], str | None]
NAME = "(name)"
"""A placeholder for the setting's name in a check's text."""

_RELEASES = {
    "0.8": ("0.8.0", "0.8.1", "0.8.2"),
    "0.9": ("0.9.0",),
    "0.10": ("0.10.0-IV0", "0.10.0-IV1", "0.10.1-IV0", "0.10.1-IV1", "0.10.1-IV2", "0.10.2-IV0"),
    "0.11": ("0.11.0-IV0", "0.11.0-IV1", "0.11.0-IV2"),
}
_STEPS = {"1.0": 1, "1.1": 1, "2.0": 2, "2.1": 3, "2.2": 2, "2.3": 2, "2.4": 2, "2.5": 1}
_STEPS |= {"2.6": 1, "2.7": 3, "2.8": 2, "3.0": 2, "3.1": 1, "3.2": 1, "3.3": 4, "3.4": 1}
_STEPS |= {"3.5": 3, "3.6": 3, "3.7": 5, "3.8": 1, "3.9": 1, "4.0": 2}
VERSIONS = frozenset(
    [v for group in _RELEASES.values() for v in group]
    + [v.partition("-")[0] for group in _RELEASES.values() for v in group]
    + [f"{release}-IV{step}" for release, steps in _STEPS.items() for step in range(steps)]
    + [release for release in _STEPS if release != "4.0"]
)
"""The versions of the inter-broker protocol up to 3.9, with and without ``-IV`` numbers."""

_REPLICA = re.compile(r"([0-9]+:[0-9]+)?")
_VOTER = re.compile(r"[0-9]+@[^@]+:[0-9]+")
_SERVER = re.compile(r".*?\[?([0-9a-zA-Z\-%._:]*)\]?:([0-9]+)")


def within(low: float | None, high: float | None) -> Check:
    """A check for two bounds, both included. NaN passes, as in Java."""

    def check(value: Value) -> str | None:
        assert isinstance(value, int | float)
        if low is not None and value < low:
            return f"Value must be at least {_bound(low)}"
        if high is not None and value > high:
            return f"Value must be no more than {_bound(high)}"
        return None

    return check


def _bound(value: float) -> str:
    return double_text(value) if isinstance(value, float) else str(value)


def one_of(*choices: str) -> Check:
    """A check for one of these texts."""

    def check(value: Value) -> str | None:
        if value in choices:
            return None
        return f"String must be one of: {', '.join(choices)}"

    return check


def one_of_in_any_case(*choices: str) -> Check:
    def check(value: Value) -> str | None:
        if str(value).upper() in choices:
            return None
        return f"String must be one of (case insensitive): {', '.join(choices)}"

    return check


def _not_empty(value: Value) -> str | None:
    return None if value else "String must be non-empty"


def _version(value: Value) -> str | None:
    text = str(value)
    parts = text.rstrip(".").split(".")
    count = 3 if text.startswith("0.") else 2
    known = ".".join(parts[:count]) if len(parts) > count else text
    return None if known in VERSIONS else f"Version {text} is not a valid version"


def _throttled_replicas(value: Value) -> str | None:
    assert isinstance(value, tuple)
    items = [item.strip() for item in value]
    if all(_REPLICA.fullmatch(item) for item in items) or "".join(items) == "*":
        return None
    form = "[partitionId]:[brokerId],[partitionId]:[brokerId],..."
    return f"{NAME} must be the literal '*' or a list of replicas in the following format: {form}"


def _class(value: Value) -> str | None:
    text = str(value)
    parts = text.split(".")
    if not text or (len(parts) > 1 and all(part.isidentifier() for part in parts)):
        return None
    return f"Class {text} could not be found. It is named package.module.ClassName"


def _gzip_level(value: Value) -> str | None:
    assert isinstance(value, int)
    return (
        None if value == -1 or 1 <= value <= 9 else "Value must be between 1 and 9 or equal to -1"
    )


def _threads(value: Value) -> str | None:
    assert isinstance(value, int)
    return None if value == -1 or value >= 1 else "Value must be -1 or greater than 0"


def _voters(value: Value) -> str | None:
    assert isinstance(value, tuple)
    if all(_VOTER.fullmatch(item) for item in value):
        return None
    return "Each entry should be in the form {id}@{host}:{port}"


def _servers(value: Value) -> str | None:
    assert isinstance(value, tuple)
    if all(_SERVER.fullmatch(item) for item in value):
        return None
    return "Each entry should be in the form {host}:{port}"


_NAMED: dict[str, Check] = {
    "class": _class,
    "gzip": _gzip_level,
    "nonempty": _not_empty,
    "nonnull": lambda value: None,  # any text passes
    "replicas": _throttled_replicas,
    "servers": _servers,
    "threads": _threads,
    "version": _version,
    "voters": _voters,
}


def check_named(word: str) -> Check | None:
    """The check that ``word`` stands for in a row of the table; None if it stands for none.

    Words are: ``1..9`` for bounds, ``in:a,b`` for choices, ``each:a,b`` for choices of a list's
    items, ``anycase:A,B`` for choices in any case, or the name of a check."""
    if ".." in word:
        low, _, high = word.partition("..")
        return within(_number(low), _number(high))
    kind, colon, choices = word.partition(":")
    if colon and kind in ("in", "each"):
        return one_of(*parse_list(choices))
    if colon and kind == "anycase":
        return one_of_in_any_case(*parse_list(choices))
    return _NAMED.get(word)


def _number(text: str) -> float | None:
    if not text:
        return None
    return float(text) if "." in text else int(text)
