"""Contexts of the command line: clusters by name, and how a client reaches each. Pure.

They stand in a file of TOML::

    context = "dev"                        # used where none is named

    [contexts.dev]
    bootstrap-server = "127.0.0.1:9092"

    [contexts.prod]
    bootstrap-server = "kafka1:9093,kafka2:9093"
    command-config = "prod.properties"     # Kafka's client properties, from a file
    security.protocol = "SASL_SSL"         # or here, which comes before the file

Paths are relative to the file that names them.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from barnabas.config.definition import ConfigType
from barnabas.config.settings import SETTINGS
from barnabas.errors import ConfigError
from barnabas.logs import visible

HIDDEN: Final = "[hidden]"
_SERVERS, _CONFIG = "bootstrap-server", "command-config"
_LOCATIONS: Final = ("ssl.keystore.location", "ssl.truststore.location")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A cluster, and how a client reaches it."""

    name: str
    file: str
    """Where it stands."""
    servers: str
    """host:port[,host:port...]"""
    config: str | None
    """The path of a file of client properties."""
    properties: Mapping[str, str] = field(repr=False)
    """Those that stand here; they come before those of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextFile:
    """What one file says."""

    path: str
    chosen: str | None
    """The context to use where none is named."""
    contexts: Mapping[str, Context]

    @property
    def holds_secrets(self) -> bool:
        """Whether others should not read the file."""
        return any(
            is_secret(name) for context in self.contexts.values() for name in context.properties
        )


def parse_contexts(text: str, path: str) -> ContextFile:
    """What the file at ``path`` says. ConfigError, which repeats no value."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {visible(str(error))}") from None
    chosen, tables = document.pop("context", None), document.pop("contexts", {})
    if document:
        raise ConfigError(
            f"{path}: {visible(next(iter(document)))!a} is neither context nor contexts"
        )
    if chosen is not None and not isinstance(chosen, str):
        raise ConfigError(f"{path}: context is not a name")
    if not isinstance(tables, dict):
        raise ConfigError(f"{path}: contexts is not a table")
    contexts = {name: _context(name, table, path) for name, table in tables.items()}
    return ContextFile(path=path, chosen=chosen, contexts=contexts)


def is_secret(name: str) -> bool:
    """Whether the value of a client property is never shown: passwords, and what nobody knows."""
    setting = SETTINGS.get(name)
    if setting is None:
        return not name.startswith("security.") and name != "sasl.mechanism"
    return setting.type is ConfigType.PASSWORD


def shown(properties: Mapping[str, str]) -> dict[str, str]:
    """Properties for people: without secrets."""
    return {name: HIDDEN if is_secret(name) else text for name, text in properties.items()}


def _context(name: str, table: Any, path: str) -> Context:
    where = f"{path}: contexts.{visible(name)}"
    if not isinstance(table, dict):
        raise ConfigError(f"{where} is not a table")
    given = dict(_flat(table, "", where))
    servers, config = given.pop(_SERVERS, None), given.pop(_CONFIG, None)
    if not servers:
        raise ConfigError(f"{where}: {_SERVERS} is missing")
    for location in _LOCATIONS:
        if given.get(location):
            given[location] = _beside(path, given[location])
    return Context(
        name=name,
        file=path,
        servers=servers,
        config=_beside(path, config) if config else None,
        properties=given,
    )


def _flat(table: Mapping[str, Any], prefix: str, where: str) -> Iterator[tuple[str, str]]:
    """Dotted names, as Kafka has them: TOML takes ``a.b`` for a table in a table."""
    for key, value in table.items():
        name = prefix + key
        if isinstance(value, dict):
            yield from _flat(value, f"{name}.", where)
        elif isinstance(value, bool):
            yield name, str(value).lower()
        elif isinstance(value, str | int):
            yield name, str(value)
        else:
            raise ConfigError(f"{where}: {visible(name)} is neither text nor number")


def _beside(path: str, other: str) -> str:
    return os.path.join(os.path.dirname(path), os.path.expanduser(other))
