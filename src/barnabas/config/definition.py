"""ConfigDef: what a setting is, and how the rows of the table (``config/table/``) are read.

A row is a head and, indented, a line of documentation. The head's words, over one or more lines::

    name  TYPE  default  [check]  IMPORTANCE  [word...]
        What it is.

``-`` means no default, ``""`` an empty one. The words:

- ``dynamic``: may change while a broker runs, for one broker or for all of them
- ``per-broker``: may change while a broker runs, for one broker only
- ``dynamic-only``: is only set while brokers run, never in a file
- ``unused``: is accepted and described but has no effect; any value but the default gives a warning
- ``refused``: only the default is accepted, since ignoring another value would be unsafe
- ``refused-but=A,B``: the same, but these values are accepted too; they have no effect
- ``restart``: for security: is read at the start, so it cannot be set while a broker runs, even
  where Kafka allows that
- ``internal``: is described only if it is given
- ``ours``: Kafka does not have it
- ``behind=a,b*1000``: for a topic's setting: the broker settings that apply if the topic has none,
  the first one given wins, with the factor from their unit to this one's
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from barnabas.config.checks import NAME, Check, Value, check_named
from barnabas.config.java import (
    double_text,
    parse_boolean,
    parse_double,
    parse_integer,
    parse_list,
    trim,
)
from barnabas.errors import ConfigError
from barnabas.logs import visible


class ConfigType(IntEnum):
    """The type codes of DescribeConfigs."""

    UNKNOWN = 0
    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting with Kafka's name, type and default."""

    name: str
    type: ConfigType
    default: Value
    doc: str
    importance: str
    """HIGH, MEDIUM or LOW."""
    check: Check | None = None
    each_item: bool = False
    """Whether ``check`` is for each item of a list."""
    dynamic: bool = False
    """Whether it may change while a broker runs."""
    per_broker: bool = False
    """Whether a dynamic setting is for one broker only."""
    dynamic_only: bool = False
    effect: bool = True
    """Whether it has an effect."""
    refused: bool = False
    """Whether any other value than the default, and those in ``harmless``, is refused."""
    harmless: tuple[str, ...] = ()
    """Values that have no effect, and whose owner is not less safe for it."""
    restart: bool = False
    """Whether it cannot be set while a broker runs, dynamic or not."""
    internal: bool = False
    ours: bool = False
    behind: tuple[tuple[str, int], ...] = ()
    """(broker setting, factor from its unit to this one's); the first one that is given applies."""

    @property
    def sensitive(self) -> bool:
        """Whether its value is never shown. A setting of unknown type might be a password."""
        return self.type in (ConfigType.PASSWORD, ConfigType.UNKNOWN)

    def parse(self, text: str) -> Value:
        """The typed value of ``text``; ConfigError naming the setting and what it accepts."""
        trimmed = trim(text)
        try:
            value = _PARSERS[self.type](trimmed)
        except ValueError:
            raise self._invalid(text, _EXPECTED[self.type]) from None
        wrong = self.wrong(value)
        if wrong is not None:
            raise self._invalid(*wrong)
        return value

    def wrong(self, value: Value) -> tuple[str, str] | None:
        """(the part of ``value`` that is not accepted, the reason), or None if all is accepted."""
        if self.check is None:
            return None
        items = value if self.each_item and isinstance(value, tuple) else (value,)
        for item in items:
            why = self.check(item)
            if why is not None:
                shown = f"[{', '.join(item)}]" if isinstance(item, tuple) else self.text(item)
                return shown or "", why.replace(NAME, self.name)
        return None

    def _invalid(self, value: str, why: str) -> ConfigError:
        return ConfigError(f"Invalid value {visible(value)} for configuration {self.name}: {why}")

    def text(self, value: Value) -> str | None:
        """``value`` as DescribeConfigs shows it; None if it is unset."""
        if value is None:
            return None
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, tuple):
            return ",".join(value)
        return double_text(value) if isinstance(value, float) else str(value)

    def is_default(self, value: Value) -> bool:
        """Whether ``value`` is the default, or an empty text."""
        if isinstance(value, str) and isinstance(self.default, str):
            return value.lower() in ("", self.default.lower())
        return value == self.default or value in ("", ())

    def is_refused(self, value: Value) -> bool:
        """Whether ``value`` is one that would be unsafe to ignore."""
        return self.refused and not self.is_default(value) and value not in self.harmless


_PARSERS: dict[ConfigType, Callable[[str], Value]] = {
    ConfigType.BOOLEAN: parse_boolean,
    ConfigType.STRING: str,
    ConfigType.INT: lambda text: parse_integer(text, 32),
    ConfigType.SHORT: lambda text: parse_integer(text, 16),
    ConfigType.LONG: lambda text: parse_integer(text, 64),
    ConfigType.DOUBLE: parse_double,
    ConfigType.LIST: parse_list,
    ConfigType.CLASS: str,
    ConfigType.PASSWORD: str,
    ConfigType.UNKNOWN: str,
}
_EXPECTED = {
    ConfigType.BOOLEAN: "Expected value to be either true or false",
    **{
        kind: f"Not a number of type {kind.name}"
        for kind in (ConfigType.INT, ConfigType.SHORT, ConfigType.LONG, ConfigType.DOUBLE)
    },
}


def read_rows(rows: str) -> Iterator[Setting]:
    """The settings of a part of the table. ValueError for a row that cannot be read."""
    head: list[str] = []
    lines = rows.splitlines()
    for i, line in enumerate(lines):
        if not line:
            continue
        following = lines[i + 1] if i + 1 < len(lines) else ""
        if line.startswith(" ") and not following.startswith(" "):
            yield _setting(head, line.strip())
            head = []
        else:
            head += line.split()


def _setting(head: list[str], doc: str) -> Setting:
    name, kind, default, *words = head
    found = Setting(name=name, type=ConfigType[kind], default=None, doc=doc, importance="")
    importance, flags, check = "", set(), None
    behind: tuple[tuple[str, int], ...] = ()
    harmless: tuple[str, ...] = ()
    for word in words:
        known = check_named(word)
        if known is not None:
            check = known
        elif word in ("HIGH", "MEDIUM", "LOW"):
            importance = word
        elif word.startswith("behind="):
            behind = _behind(word.removeprefix("behind="))
        elif word.startswith(_REFUSED_BUT):
            harmless = parse_list(word.removeprefix(_REFUSED_BUT))
        elif word in _FLAGS:
            flags.add(word)
        else:
            raise ValueError(f"{name}: unknown word {word}")
    if not importance:
        raise ValueError(f"{name}: no importance")
    value = None if default == "-" else found.parse("" if default == '""' else default)
    return Setting(
        name=name,
        type=found.type,
        default=value,
        doc=doc,
        importance=importance,
        check=check,
        each_item=any(word.startswith("each:") for word in words),
        dynamic=bool(flags & {"dynamic", "per-broker", "dynamic-only"}),
        per_broker="per-broker" in flags,
        dynamic_only="dynamic-only" in flags,
        effect="unused" not in flags and not harmless,
        refused="refused" in flags or bool(harmless),
        harmless=harmless,
        restart="restart" in flags,
        internal="internal" in flags,
        ours="ours" in flags,
        behind=behind,
    )


_REFUSED_BUT = "refused-but="
_FLAGS = {"dynamic", "per-broker", "dynamic-only", "unused"}
_FLAGS |= {"refused", "restart", "internal", "ours"}


def _behind(text: str) -> tuple[tuple[str, int], ...]:
    found = []
    for item in parse_list(text):
        name, _, factor = item.partition("*")
        found.append((name, int(factor or 1)))
    return tuple(found)
