"""Paths of files compared as paths, not as texts. Pure."""

from __future__ import annotations

import os.path


def is_inside(path: str, directory: str) -> bool:
    """Whether ``path`` is ``directory`` or lies below it. By whole names: ``/data/10`` is not in
    ``/data/1``; slashes too many make no difference."""
    path, directory = os.path.normpath(path), os.path.normpath(directory)
    return path == directory or path.startswith(directory.rstrip("/") + "/")
