"""KerberosName, KerberosShortNamer: from ``kafka/host@REALM`` to a user's name. Pure.

The rules are in ``sasl.kerberos.principal.to.local.rules``; the first rule that matches gives the
name. Patterns are those of RE2, whose time is linear in the length of the name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from barnabas.security.principal_mapping import NoMatchingRule

_NAME: Final = re.compile(r"([^/@]*)(?:/([^/@]*))?@([^/@]*)")
_RULE: Final = re.compile(
    r"(?P<default>DEFAULT)"
    r"|RULE:\[(?P<count>[0-9]*):(?P<format>[^\]]*)\](?:\((?P<match>[^)]*)\))?"
    r"(?:s/(?P<from>[^/]*)/(?P<to>[^/]*)/(?P<all>g)?)?/?(?P<case>[LU])?"
)
_PARAMETER: Final = re.compile(r"\$([0-9]*)")
_GROUP: Final = re.compile(r"\\(.)|\$([0-9])")


class KerberosName(NamedTuple):
    """A Kerberos principal; ``host`` and ``realm`` may be missing."""

    service: str
    host: str | None
    realm: str | None

    @classmethod
    def parse(cls, text: str) -> KerberosName:
        """Raises ValueError, in Kafka's words, if the text is no principal."""
        match = _NAME.fullmatch(text)
        if match is not None:
            return cls(*match.groups())
        if "@" in text:
            raise ValueError(f"Malformed Kerberos name: {text}")
        return cls(text, None, None)

    def __str__(self) -> str:
        host = "" if self.host is None else f"/{self.host}"
        realm = "" if self.realm is None else f"@{self.realm}"
        return f"{self.service}{host}{realm}"


class _Rule:
    def __init__(self, text: str) -> None:
        match = _RULE.match(text)
        if match is None:
            raise ValueError(f"Invalid rule: {text}")
        if match.end() != len(text):
            raise ValueError(
                f"Invalid rule: `{text}`, unmatched substring: `{text[match.end() :]}`"
            )
        self.text = text
        self.is_default = match["default"] is not None
        if self.is_default:
            return
        self._count = int(match["count"] or 0)
        self._format = match["format"]
        self._match = None if match["match"] is None else _compiled(match["match"], text)
        self._from = None if match["from"] is None else _compiled(match["from"], text)
        self._to = match["to"] or ""
        self._times = 0 if match["all"] else 1
        self._case = match["case"]

    def apply(self, default_realm: str, parameters: Sequence[str]) -> str | None:
        """The short name; None if the rule does not match. ``parameters``: realm, service and, if
        there is one, host."""
        if self.is_default:
            result = parameters[1] if parameters[0] == default_realm else None
            return None if result is None else self._simple(result)
        if len(parameters) - 1 != self._count:
            return None
        base = _PARAMETER.sub(lambda found: _parameter(found, parameters), self._format)
        if self._match is not None and not self._match.fullmatch(base):
            return None
        if self._from is not None:
            base = self._from.sub(self._replaced, base, self._times)
        base = self._simple(base)
        if self._case == "L":
            return base.lower()
        return base.upper() if self._case == "U" else base

    def _simple(self, name: str) -> str:
        if "/" in name or "@" in name:
            raise NoMatchingRule(f"Non-simple name {name} after auth_to_local rule {self.text}")
        return name

    def _replaced(self, match: Any) -> str:
        def value(found: re.Match[str]) -> str:
            if found[1] is not None:
                return found[1]
            number = int(found[2])
            if number > match.re.groups:
                raise NoMatchingRule(f"{self.text} has no group {number}")
            return match.group(number) or ""

        return _GROUP.sub(value, self._to)


def _compiled(pattern: str, rule: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error:
        raise ValueError(f"the pattern of {rule!a} is not one of RE2") from None


def _parameter(found: re.Match[str], parameters: Sequence[str]) -> str:
    if not found[1]:
        return ""
    number = int(found[1])
    if number >= len(parameters):
        raise NoMatchingRule(
            f"index {number} from {found[0]} is outside of the valid range 0 to"
            f" {len(parameters) - 1}"
        )
    return parameters[number]


class ShortNamer:
    """The rules of one listener."""

    def __init__(self, rules: Sequence[str]) -> None:
        """Raises ValueError, in Kafka's words, for a malformed rule."""
        self._rules = [_Rule(text) for text in rules or ("DEFAULT",)]

    def name_of(self, principal: str, default_realm: str) -> str:
        """The user's name. Raises NoMatchingRule, and ValueError if the text is no principal."""
        name = KerberosName.parse(principal)
        if name.realm is None:
            return name.service
        parameters = [name.realm, name.service]
        if name.host is not None:
            parameters.append(name.host)
        for rule in self._rules:
            short = rule.apply(default_realm, parameters)
            if short is not None:
                return short
        rules = ", ".join(rule.text for rule in self._rules)
        raise NoMatchingRule(f"No rules apply to {name}, rules [{rules}]")
