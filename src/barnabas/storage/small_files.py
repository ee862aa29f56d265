"""Small files that are replaced often: written at once, made durable later."""

from __future__ import annotations

from barnabas.seams import Files
from barnabas.types import Buffer


def replace_unsynced(files: Files, path: str, data: Buffer) -> None:
    """Replace ``path`` in the page cache. If the process dies, the old or the new content is there;
    if the machine dies, perhaps neither until ``sync_file`` has run."""
    temporary = path + ".tmp"
    file = files.open(temporary, create=True)
    try:
        file.truncate(0)
        file.pwrite(data, 0)
    finally:
        file.close()
    files.rename(temporary, path)


def write_new(files: Files, path: str, data: Buffer) -> None:
    """Write a file that is not there or empty. Being small it is written whole or not at all if the
    process dies; whoever reads it takes an empty file for none."""
    file = files.open(path, create=True)
    try:
        if file.size():
            file.truncate(0)
        if data:
            file.pwrite(data, 0)
    finally:
        file.close()


async def sync_file(files: Files, path: str) -> None:
    """Make a file durable; nothing to do if it is gone."""
    try:
        file = files.open(path)
    except FileNotFoundError:
        return
    try:
        await file.fsync()
    finally:
        file.close()


def sync_file_blocking(files: Files, path: str) -> None:
    """``sync_file`` in one go."""
    try:
        file = files.open(path)
    except FileNotFoundError:
        return
    try:
        file.fsync_blocking()
    finally:
        file.close()


async def replace_durably(files: Files, path: str, data: Buffer) -> None:
    """``write_atomically`` without blocking the loop. Its temporary file is another, as that may
    replace the same file meanwhile; this one then replaces it again."""
    temporary = path + ".next.tmp"
    file = files.open(temporary, create=True)
    try:
        file.truncate(0)
        file.pwrite(data, 0)
        await file.fsync()
    finally:
        file.close()
    files.rename(temporary, path)
    await files.fsync_directory(path.rpartition("/")[0])
