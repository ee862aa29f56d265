"""Paths of files compared as paths, not as texts, and what a refused one says of the disk. Pure."""

from __future__ import annotations

import errno
import os.path


def is_inside(path: str, directory: str) -> bool:
    """Whether ``path`` is ``directory`` or lies below it. By whole names: ``/data/10`` is not in
    ``/data/1``; slashes too many make no difference."""
    path, directory = os.path.normpath(path), os.path.normpath(directory)
    return path == directory or path.startswith(directory.rstrip("/") + "/")


_OF_THE_NAME = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)


def is_refused_name(error: OSError) -> bool:
    """Whether the file system refused the name that it was given: that says nothing of the disk.
    Some hold less than the usual 255 bytes."""
    return error.errno in _OF_THE_NAME
