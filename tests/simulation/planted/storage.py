"""Planted in logs on disk: syncs, cleaning, retention, formats."""

from __future__ import annotations

from typing import Any

from tests.simulation.planted.patches import Patches, nothing

from barnabas.records import down_conversion, up_conversion
from barnabas.storage import retention
from barnabas.storage.cleaner import log_cleaner as cleaner
from barnabas.storage.cleaner.filter import BatchFilter
from barnabas.storage.directories.log_dir import LogDirectory
from barnabas.storage.durability import Durability
from barnabas.storage.log_manager import LogManager


def fsync_skipped(patches: Patches) -> None:
    patches.set(Durability, "_sync", nothing)


def directory_not_synced(patches: Patches) -> None:
    patches.set(LogDirectory, "_make", lambda self: self.env.files.make_directories(self.path))


def unclean_start_untold(patches: Patches) -> None:
    patches.set(LogManager, "unclean_machine_start", property(lambda self: False))


def tombstone_dropped_early(patches: Patches) -> None:
    patches.set(BatchFilter, "_is_over", lambda self, header, offset: True)


def cleaned_past_watermark(patches: Patches) -> None:
    def cleanable(*args: Any, log_end_offset: int, **rest: Any) -> Any:
        rest["last_stable_offset"] = log_end_offset
        return before(*args, log_end_offset=log_end_offset, **rest)

    before = patches.set(cleaner, "cleanable_range", cleanable)


def retention_past_watermark(patches: Patches) -> None:
    def deletable(segments: Any, *args: Any, **rest: Any) -> int:
        rest["high_watermark"] = segments[-1].end_offset
        return before(segments, *args, **rest)

    before = patches.set(retention, "deletable_count", deletable)


def earlier_names_trusted(patches: Patches) -> None:
    """As it was: a log that was flushed once takes the names that it finds for durable."""

    def init(self: Durability, *args: Any, **rest: Any) -> None:
        before(self, *args, **rest)
        self._names_durable = 0 if self.flushed_offset == 0 else 1

    before = patches.set(Durability, "__init__", init)


def old_set_cut(patches: Patches) -> None:
    def plain(messages: Any, limits: Any) -> Any:
        return before(messages, limits)[:1]

    before = patches.set(up_conversion, "_plain_records", plain)


def absolute_inner_offsets(patches: Patches) -> None:
    """As in message format 0; then a consumer counts them from the wrapper's."""

    def wrap(
        magic: int, offset: int, timestamp: int, messages: Any, codec: int, stamped: bool
    ) -> bytes:
        data = b"".join(messages)
        return bytes(
            before(magic, offset + data.count(b"/") * magic, timestamp, [data], codec, stamped)
        )

    before = patches.set(down_conversion, "encode_wrapper", wrap)


def first_batch_cut(patches: Patches) -> None:
    """What the batches become may be longer than they are, and then nothing of it is whole."""

    def add(made: Any, pieces: Any, total: int) -> None:
        before(made, [b"".join(pieces)[:80]], total)

    before = patches.set(down_conversion, "_add", add)
