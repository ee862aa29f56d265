"""Which context a command uses, and the files that contain contexts.

The user's file is ``$BARNABAS_CONFIG``, or ``barnabas/config.toml`` in ``$XDG_CONFIG_HOME``
(``~/.config``). A project has ``.barnabas.toml``, found from the working directory up to the root
of its git repository; its contexts come before the user's of the same name.

A context that was not named in the command is used as a whole or not at all. Otherwise its servers
could receive a login that a variable or an option gave for other servers.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from barnabas.config.contexts import Context, ContextFile, parse_contexts
from barnabas.config.sources import parse_properties
from barnabas.errors import ConfigError
from barnabas.logs import visible

if TYPE_CHECKING:
    from barnabas.security.client import ClientSecurity

PROJECT_FILE: Final = ".barnabas.toml"
_FILE_BYTES_MAX: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Contexts:
    """The contexts of the user and of the project."""

    user_path: Path
    user: ContextFile | None
    project: ContextFile | None
    recorded: str | None
    """The name that ``context use`` has chosen."""

    @property
    def files(self) -> list[ContextFile]:
        """The files, in the order in which they are searched."""
        return [file for file in (self.project, self.user) if file is not None]

    @property
    def chosen(self) -> str | None:
        """The name of the context that is used by default."""
        if self.project is not None and self.project.chosen is not None:
            return self.project.chosen
        if self.recorded is not None:
            return self.recorded
        return None if self.user is None else self.user.chosen

    def all(self) -> list[Context]:
        """All contexts; of several with one name the first."""
        found: dict[str, Context] = {}
        for file in self.files:
            for name, context in file.contexts.items():
                found.setdefault(name, context)
        return list(found.values())

    def find(self, name: str) -> Context:
        """The context of this name. Raises ConfigError if there is none."""
        for file in self.files:
            if name in file.contexts:
                return file.contexts[name]
        known = ", ".join(visible(context.name) for context in self.all()) or "none"
        places = ", ".join(file.path for file in self.files) or str(self.user_path)
        raise ConfigError(f"there is no context {visible(name)!a} in {places}; known: {known}")


def load_contexts() -> Contexts:
    """Read all files. Raises ConfigError for a file that cannot be read, and for a project's file
    that belongs to another user."""
    path, project = user_path(), _project_path()
    named = bool(os.environ.get("BARNABAS_CONFIG"))
    return Contexts(
        user_path=path,
        user=_read(path) if named or path.exists() else None,
        project=None if project is None else _read_of_project(project),
        recorded=_recorded(path),
    )


def user_path() -> Path:
    """The path of the user's file, which need not exist."""
    given = os.environ.get("BARNABAS_CONFIG")
    if given:
        return Path(given).absolute()
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(base, "barnabas", "config.toml")


def record_path(path: Path) -> Path:
    """Where ``context use`` writes its choice. It never changes the file that the user writes."""
    return path.with_suffix(".context")


def _recorded(path: Path) -> str | None:
    try:
        return record_path(path).read_text().strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{record_path(path)}: cannot be read: {error}") from None


def _project_path() -> Path | None:
    """The project's file: in the working directory or above, up to the root of the repository.
    Outside of a repository only the working directory is searched."""
    try:
        here = Path.cwd()
    except OSError:
        return None
    candidates = [here]
    for directory in (here, *here.parents):
        if (directory / ".git").exists():
            break
        candidates.append(directory.parent)
    else:
        candidates = [here]
    for directory in candidates:
        path = directory / PROJECT_FILE
        if path.is_file():
            return path
    return None


def _read_of_project(path: Path) -> ContextFile:
    owner = path.stat().st_uid
    if owner not in (0, os.getuid()):
        raise ConfigError(
            f"{path}: belongs to another user; BARNABAS_CONFIG={path} if you trust it"
        )
    return _read(path)


def _read(path: Path) -> ContextFile:
    try:
        with path.open("rb") as file:
            data = file.read(_FILE_BYTES_MAX + 1)
            mode = os.fstat(file.fileno()).st_mode
        if len(data) > _FILE_BYTES_MAX:
            raise ConfigError(f"{path}: more than {_FILE_BYTES_MAX} bytes")
        found = parse_contexts(data.decode(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    if found.holds_secrets and mode & (stat.S_IRGRP | stat.S_IROTH):
        click.echo(f"barnabas: warning: {path} holds passwords and others may read it", err=True)
    return found


def properties_of(context: Context) -> dict[str, str]:
    """All client properties of a context. Raises ConfigError."""
    if context.config is None:
        return dict(context.properties)
    return {**read_properties(context.config, f"context {context.name}"), **context.properties}


def read_properties(path: str, by: str) -> dict[str, str]:
    """Read the file of client properties that ``by`` names. Raises ConfigError."""
    try:
        return parse_properties(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{by}: cannot read {path}: {error}") from None


def security_of(properties: dict[str, str]) -> ClientSecurity:
    """How a client with these properties connects to brokers. Raises ConfigError."""
    from barnabas.broker.main import system_env
    from barnabas.config.client_config import client_security

    env = system_env()
    return client_security(
        properties, read=env.files.read, secret=env.secret, wall_ms=env.clock.wall_ms
    )
