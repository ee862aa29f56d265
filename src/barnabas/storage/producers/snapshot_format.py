"""ProducerStateManager, its snapshots: producers as the bytes of a file (reference 6.4). Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

from barnabas.records.crc import crc32c
from barnabas.types import Buffer

SNAPSHOT_VERSION = 1
_SNAPSHOT_HEADER = struct.Struct(">hI")
_SNAPSHOT_COUNT = struct.Struct(">i")
_SNAPSHOT_ENTRY = struct.Struct(">qhiqiqiq")


class SnapshotEntry(NamedTuple):
    """One producer in a snapshot file, in the order of its fields on disk."""

    producer_id: int
    epoch: int
    last_sequence: int
    last_offset: int
    offset_delta: int
    timestamp: int
    coordinator_epoch: int
    current_txn_first_offset: int


class CorruptSnapshot(Exception):
    """A producer snapshot that cannot be used: remove it and use an older one."""


def encode_snapshot(entries: Iterable[SnapshotEntry]) -> bytes:
    """A snapshot file; 10 bytes without producers."""
    packed = [_SNAPSHOT_ENTRY.pack(*entry) for entry in entries]
    body = _SNAPSHOT_COUNT.pack(len(packed)) + b"".join(packed)
    return _SNAPSHOT_HEADER.pack(SNAPSHOT_VERSION, crc32c(body)) + body


def decode_snapshot(data: Buffer) -> list[SnapshotEntry]:
    """The producers of a snapshot file, in its order. Raises CorruptSnapshot."""
    start = _SNAPSHOT_HEADER.size
    if len(data) < start + _SNAPSHOT_COUNT.size:
        raise CorruptSnapshot(f"{len(data)} bytes")
    version, checksum = _SNAPSHOT_HEADER.unpack_from(data)
    if version != SNAPSHOT_VERSION:
        raise CorruptSnapshot(f"version {version}")
    body = memoryview(data)[start:]
    if crc32c(body) != checksum:
        raise CorruptSnapshot("checksum does not match")
    (count,) = _SNAPSHOT_COUNT.unpack_from(body)
    if count * _SNAPSHOT_ENTRY.size != len(body) - _SNAPSHOT_COUNT.size:
        raise CorruptSnapshot(f"{count} entries in {len(data)} bytes")
    entries = _SNAPSHOT_ENTRY.iter_unpack(body[_SNAPSHOT_COUNT.size :])
    return [SnapshotEntry._make(fields) for fields in entries]
