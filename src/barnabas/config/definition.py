"""What a setting is: name, type, default, bounds, and how its text is parsed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from barnabas.errors import ConfigError

Value: TypeAlias = bool | int | float | str | tuple[str, ...] | None


class ConfigType(IntEnum):
    """The type codes of DescribeConfigs."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


_INTEGER_BOUNDS = {
    ConfigType.SHORT: 2**15 - 1,
    ConfigType.INT: 2**31 - 1,
    ConfigType.LONG: 2**63 - 1,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting with Kafka's name, type and default."""

    name: str
    type: ConfigType
    default: Value
    doc: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    topic_name: str | None = None
    """The topic-level setting that overrides this broker-level one."""
    scale_to_topic: int = 1
    """Factor from this setting's unit to that of ``topic_name`` (hours to milliseconds)."""
    ours: bool = False
    """Not Kafka's: an addition of Barnabas."""

    def parse(self, text: str) -> Value:
        """The typed value of ``text``; ConfigError naming the setting and what it accepts."""
        text = text.strip()
        try:
            value = _PARSERS[self.type](text)
        except ValueError:
            raise ConfigError(
                f"{self.name}: '{text}' is not a valid {self.type.name.lower()}"
            ) from None
        self.check(value)
        return value

    def check(self, value: Value) -> None:
        """ConfigError unless ``value`` lies within the bounds."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            bound = _INTEGER_BOUNDS.get(self.type)
            low = self.minimum if self.minimum is not None else (-bound - 1 if bound else None)
            high = self.maximum if self.maximum is not None else bound
            if low is not None and value < low:
                raise ConfigError(f"{self.name}: {value} is below the least value, {low}")
            if high is not None and value > high:
                raise ConfigError(f"{self.name}: {value} is above the greatest value, {high}")
        if self.choices:
            for item in value if isinstance(value, tuple) else (value,):
                if item not in self.choices:
                    raise ConfigError(
                        f"{self.name}: '{item}' is not one of {', '.join(self.choices)}"
                    )

    def text(self, value: Value) -> str | None:
        """The spelling of ``value`` that DescribeConfigs shows; None when unset."""
        if value is None:
            return None
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, tuple):
            return ",".join(value)
        return str(value)


def _parse_boolean(text: str) -> bool:
    lowered = text.lower()
    if lowered not in ("true", "false"):
        raise ValueError(text)
    return lowered == "true"


def _parse_list(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",")) if text else ()


_PARSERS: dict[ConfigType, Callable[[str], Value]] = {
    ConfigType.BOOLEAN: _parse_boolean,
    ConfigType.STRING: str,
    ConfigType.INT: int,
    ConfigType.SHORT: int,
    ConfigType.LONG: int,
    ConfigType.DOUBLE: float,
    ConfigType.LIST: _parse_list,
    ConfigType.CLASS: str,
    ConfigType.PASSWORD: str,
}
