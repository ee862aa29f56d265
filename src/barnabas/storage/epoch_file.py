"""LeaderEpochFileCache, its file: ``leader-epoch-checkpoint`` says what the cache says."""

from __future__ import annotations

from barnabas.seams import Files
from barnabas.storage.checkpoints import EPOCH_CHECKPOINT, encode_epochs
from barnabas.storage.epochs import LeaderEpochCache
from barnabas.storage.small_files import replace_unsynced, write_new


class EpochFile:
    """Of one log. Raises OSError."""

    __slots__ = ("_epochs", "_files", "_written")

    def __init__(self, files: Files, epochs: LeaderEpochCache) -> None:
        """``epochs``: as the file has them now."""
        self._files = files
        self._epochs = epochs
        self._written = epochs.entries

    def update(self, directory: str) -> str | None:
        """Bring the file up to date in the page cache; its path, or None if it was. It is to be
        synced soon, and before the recovery point moves.

        Kafka syncs on the spot. An entry lost with the machine is put back from the batches by
        recovery, or belongs to an epoch without batches, which a broker that registers anew does
        not get again."""
        entries = self._epochs.entries
        if entries == self._written:
            return None
        path = f"{directory}/{EPOCH_CHECKPOINT}"
        write = replace_unsynced if self._written else write_new
        write(self._files, path, encode_epochs(entries))
        self._written = entries
        return path

    def make(self, directory: str) -> None:
        """See that there is a file, if only an empty one: a clean stop leaves one."""
        path = f"{directory}/{EPOCH_CHECKPOINT}"
        if not self._files.exists(path):
            write_new(self._files, path, b"")
