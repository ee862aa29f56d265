"""Checks the paths of log directories: no two are the same, and none is inside another. Pure."""

from __future__ import annotations

import os.path
from collections.abc import Callable, Sequence

from barnabas.errors import ConfigError
from barnabas.storage.paths import is_inside


def check_log_dirs(
    directories: Sequence[str], resolve: Callable[[str], str] = os.path.normpath
) -> None:
    """Raises ConfigError if two directories are the same, or if one is inside another. If the outer
    one failed, the inner one would fail too. ``resolve`` makes paths comparable; an edge may pass
    one that follows links."""
    if not directories:
        raise ConfigError("log.dirs: at least one directory is needed")
    for path in directories:
        if "\0" in path:
            raise ConfigError(f"log.dirs: {path!a} is no path")
    places = {path: _from_root(resolve(path)) for path in directories}
    for i, one in enumerate(directories):
        for other in directories[i + 1 :]:
            if places[one] == places[other]:
                raise ConfigError(f"log.dirs: {one} and {other} are the same directory")
            for inner, outer in ((one, other), (other, one)):
                if is_inside(places[inner], places[outer]):
                    raise ConfigError(f"log.dirs: {inner} lies inside {outer}")


def _from_root(path: str) -> str:
    """``//a`` becomes ``/a``, although POSIX allows them to differ."""
    return f"/{path.lstrip('/')}" if path.startswith("/") else path
