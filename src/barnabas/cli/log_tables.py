"""DumpLogSegments: the files beside a segment (indexes, snapshots, checkpoints) as entries by
Kafka's names. None is trusted: ``Damaged`` says what is wrong with one."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from barnabas.cli.log_source import Buffered, Damaged, Entry, Source
from barnabas.storage.checkpoints import (
    CLEAN_SHUTDOWN,
    CLEANER_CHECKPOINT,
    EPOCH_CHECKPOINT,
    LOG_START_CHECKPOINT,
    META_PROPERTIES,
    PARTITION_METADATA,
    RECOVERY_POINT_CHECKPOINT,
    REPLICATION_CHECKPOINT,
    CheckpointError,
    decode_clean_shutdown,
    decode_epochs,
    decode_meta_properties,
    decode_offsets,
    decode_partition_metadata,
)
from barnabas.storage.producers.snapshot_format import CorruptSnapshot, decode_snapshot
from barnabas.storage.segment import (
    CLEANED_SUFFIX,
    DELETED_SUFFIX,
    INDEX_SUFFIX,
    LOG_SUFFIX,
    SNAPSHOT_SUFFIX,
    SWAP_SUFFIX,
    TIME_INDEX_SUFFIX,
    TRANSACTION_INDEX_SUFFIX,
)
from barnabas.types import topic_id_text

OFFSET_ENTRY = struct.Struct(">ii")
TIME_ENTRY = struct.Struct(">qi")
TRANSACTION_ENTRY = struct.Struct(">hqqqq")
_OFFSET_CHECKPOINTS: Final = (
    RECOVERY_POINT_CHECKPOINT,
    LOG_START_CHECKPOINT,
    REPLICATION_CHECKPOINT,
    CLEANER_CHECKPOINT,
)
_PASSING: Final = (DELETED_SUFFIX, CLEANED_SUFFIX, SWAP_SUFFIX)
_OFFSET_DIGITS: Final = 20
"""Of the offset in a file's name."""


def kind_of(path: str) -> str | None:
    """What a file is by its name: a suffix such as ``.log``, or the whole name; None for any other
    file. What is about to be deleted or to replace another keeps its kind."""
    name = os.path.basename(path)
    for passing in _PASSING:
        name = name.removesuffix(passing)
    if name in ENTRIES:
        return name
    stem, dot, suffix = name.partition(".")
    kind = dot + suffix
    if kind != LOG_SUFFIX and kind not in ENTRIES:
        return None
    numbered = len(stem) == _OFFSET_DIGITS and stem.isascii() and stem.isdigit()
    return kind if numbered and int(stem) < 2**63 else None


def base_offset_of(path: str) -> int:
    """The offset in the name of a file of a segment."""
    return int(os.path.basename(path)[:_OFFSET_DIGITS])


def offset_entries(source: Source) -> Iterator[tuple[int, int]]:
    """(offset, position) of an offset index, up to the zeros that Kafka preallocates. Damaged if
    the last entry is cut short."""
    base = base_offset_of(source.path)
    for relative, position in _fixed(source, OFFSET_ENTRY):
        if (relative, position) == (0, 0):
            return
        yield base + relative, position


def time_entries(source: Source) -> Iterator[tuple[int, int]]:
    """(timestamp, offset) of a time index, as ``offset_entries``."""
    base = base_offset_of(source.path)
    for timestamp, relative in _fixed(source, TIME_ENTRY):
        if (timestamp, relative) == (0, 0):
            return
        yield timestamp, base + relative


def _fixed(source: Source, width: struct.Struct) -> Iterator[tuple[int, ...]]:
    near = Buffered(source)
    for position in range(0, source.size, width.size):
        data = near.read(width.size, position)
        if len(data) < width.size:
            raise Damaged(f"{len(data)} bytes at {position} are no whole entry")
        yield width.unpack(data)


def _offset_index(source: Source) -> Iterator[Entry]:
    for offset, position in offset_entries(source):
        yield {"offset": offset, "position": position}


def _time_index(source: Source) -> Iterator[Entry]:
    for timestamp, offset in time_entries(source):
        yield {"timestamp": timestamp, "offset": offset}


def _transaction_index(source: Source) -> Iterator[Entry]:
    for version, producer, first, last, stable in _fixed(source, TRANSACTION_ENTRY):
        yield {
            "version": version,
            "producerId": producer,
            "firstOffset": first,
            "lastOffset": last,
            "lastStableOffset": stable,
        }


def _snapshot(source: Source) -> Iterator[Entry]:
    try:
        producers = decode_snapshot(source.whole())
    except CorruptSnapshot as error:
        raise Damaged(str(error)) from None
    for entry in producers:
        first = entry.last_sequence - entry.offset_delta
        yield {
            "producerId": entry.producer_id,
            "producerEpoch": entry.epoch,
            "coordinatorEpoch": entry.coordinator_epoch,
            "currentTxnFirstOffset": (
                None if entry.current_txn_first_offset < 0 else entry.current_txn_first_offset
            ),
            "lastTimestamp": entry.timestamp,
            "firstSequence": first & 0x7FFF_FFFF if entry.last_sequence >= 0 else -1,
            "lastSequence": entry.last_sequence,
            "lastOffset": entry.last_offset,
            "offsetDelta": entry.offset_delta,
            "timestamp": entry.timestamp,
        }


def _epochs(source: Source) -> Iterator[Entry]:
    for entry in decode_epochs(source.whole()):
        yield {"epoch": entry.epoch, "startOffset": entry.start_offset}


def _offsets(source: Source) -> Iterator[Entry]:
    for partition, offset in decode_offsets(source.whole()).items():
        yield {"topic": partition.topic, "partition": partition.partition, "offset": offset}


def _meta(source: Source) -> Iterator[Entry]:
    meta = decode_meta_properties(source.whole())
    yield {
        "version": meta.version,
        "broker.id": meta.broker_id,
        "cluster.id": meta.cluster_id,
        **meta.others,
    }


def _partition(source: Source) -> Iterator[Entry]:
    metadata = decode_partition_metadata(source.whole())
    yield {"version": metadata.version, "topic_id": topic_id_text(metadata.topic_id)}


def _clean(source: Source) -> Iterator[Entry]:
    yield {"brokerEpoch": decode_clean_shutdown(source.whole())}


ENTRIES: Final[Mapping[str, Callable[[Source], Iterator[Entry]]]] = {
    INDEX_SUFFIX: _offset_index,
    TIME_INDEX_SUFFIX: _time_index,
    TRANSACTION_INDEX_SUFFIX: _transaction_index,
    SNAPSHOT_SUFFIX: _snapshot,
    EPOCH_CHECKPOINT: _epochs,
    META_PROPERTIES: _meta,
    PARTITION_METADATA: _partition,
    CLEAN_SHUTDOWN: _clean,
    **dict.fromkeys(_OFFSET_CHECKPOINTS, _offsets),
}


def table_entries(kind: str, source: Source) -> Iterator[Entry]:
    """The entries of a file that is no segment. Damaged, after the last good one."""
    try:
        yield from ENTRIES[kind](source)
    except CheckpointError as error:
        raise Damaged(str(error)) from None
