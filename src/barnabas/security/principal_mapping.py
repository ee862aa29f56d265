"""SslPrincipalMapper: from a certificate's name to a user's, by ``ssl.principal.mapping.rules``.

The first rule that matches the whole name gives the user's name; ``DEFAULT`` leaves it as it is.
Patterns are those of RE2, whose time is linear in the length of the name.
"""

from __future__ import annotations

import re
from typing import Any, Final

import re2

_PART = r"(?:\\.|[^\\/])*"
_ONE: Final = re.compile(
    rf"(?P<default>DEFAULT)|RULE:(?P<pattern>{_PART})/(?P<with>{_PART})/(?P<case>[LU]?)"
)
_GROUP: Final = re.compile(r"\\(.)|\$(\d)")


class NoMatchingRule(Exception):
    """No rule matches the name."""


class _Rule:
    def __init__(self, match: re.Match[str]) -> None:
        self.text = match[0]
        self.is_default = match["default"] is not None
        self._case = match["case"]
        if not self.is_default:
            options = re2.Options()
            options.log_errors = False
            try:
                self._pattern = re2.compile(match["pattern"].replace("\\/", "/"), options)
            except re2.error:
                raise ValueError(f"the pattern of {self.text!a} is not one of RE2") from None
            self._with = match["with"]

    def apply(self, name: str) -> str | None:
        if self.is_default:
            return name
        if not self._pattern.fullmatch(name):
            return None
        result: str = self._pattern.sub(self._replaced, name)
        if self._case == "L":
            return result.lower()
        return result.upper() if self._case == "U" else result

    def _replaced(self, match: Any) -> str:
        def value(found: re.Match[str]) -> str:
            if found[1] is not None:
                return found[1]
            number = int(found[2])
            # A reference to a group that does not exist stays as text.
            return (match.group(number) or "") if number <= self._pattern.groups else found[0]

        return _GROUP.sub(value, self._with)


class PrincipalMapping:
    """The rules of one listener."""

    def __init__(self, text: str) -> None:
        """Raises ValueError, in Kafka's words, for a malformed rule."""
        self._rules = [_Rule(match) for match in _matches(text)]

    def name_of(self, distinguished_name: str) -> str:
        """The user's name for a certificate's name. Raises NoMatchingRule."""
        for rule in self._rules:
            name = rule.apply(distinguished_name)
            if name is not None:
                return name
        rules = ", ".join(rule.text for rule in self._rules)
        raise NoMatchingRule(f"No rules apply to {distinguished_name}, rules [{rules}]")


def _matches(text: str) -> list[re.Match[str]]:
    """The rules of a text. They are separated by commas, and may contain commas."""
    found: list[re.Match[str]] = []
    rest = text.strip()
    while rest:
        match = _ONE.match(rest)
        if match is None:
            raise ValueError(f"Invalid rule: `{rest}`, unmatched substring: `{rest}`")
        after = rest[match.end() :].lstrip()
        if after and not after.startswith(","):
            wrong = after.partition(",")[0].rstrip()
            raise ValueError(f"Invalid rule: `{match[0]}{wrong}`, unmatched substring: `{wrong}`")
        found.append(match)
        rest = after[1:].lstrip()
    return found
