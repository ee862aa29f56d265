"""LeaderEpochFileCache, its file: ``leader-epoch-checkpoint`` says what the cache says."""

from __future__ import annotations

from collections.abc import Sequence

from barnabas.seams import Files
from barnabas.storage.checkpoints import EPOCH_CHECKPOINT, encode_epochs
from barnabas.storage.epochs import EpochEntry
from barnabas.storage.small_files import replace_unsynced, write_new


def replace_epochs(
    files: Files, directory: str, written: Sequence[EpochEntry], entries: Sequence[EpochEntry]
) -> str | None:
    """Bring the file of a log's directory up to date in the page cache; its path, or None if it
    was. ``written``: what it says now. It is to be synced soon, and before the recovery point
    moves. Raises OSError.

    Kafka syncs on the spot. An entry lost with the machine is put back from the batches by
    recovery, or belongs to an epoch without batches, which a broker that registers anew does not
    get again."""
    if entries == written:
        return None
    path = f"{directory}/{EPOCH_CHECKPOINT}"
    write = replace_unsynced if written else write_new
    write(files, path, encode_epochs(entries))
    return path


def make_epochs(files: Files, directory: str) -> None:
    """See that there is a file, if only an empty one: a clean stop leaves one. Raises OSError."""
    path = f"{directory}/{EPOCH_CHECKPOINT}"
    if not files.exists(path):
        write_new(files, path, b"")
