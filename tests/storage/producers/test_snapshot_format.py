"""Snapshots of producers: the original's bytes, and damage."""

from __future__ import annotations

import pytest
from tests.records.recordings import files

from barnabas.storage.producers.snapshot_format import (
    CorruptSnapshot,
    SnapshotEntry,
    decode_snapshot,
    encode_snapshot,
)
from barnabas.storage.producers.state import (
    ProducerState,
)


def test_recorded_snapshots() -> None:
    producers = 0
    for path in files("*.snapshot"):
        data = path.read_bytes()
        entries = decode_snapshot(data)
        producers += len(entries)
        assert encode_snapshot(entries) == data
        state = ProducerState()
        state.load(entries, int(path.stem), 0)
        assert state.snapshot() == data
    assert producers > 50


def test_damaged_snapshots() -> None:
    data = encode_snapshot([SnapshotEntry(1, 0, 4, 4, 1, 0, -1, -1)])
    for cut in range(len(data)):
        with pytest.raises(CorruptSnapshot):
            decode_snapshot(data[:cut])
    for pos in range(len(data)):
        with pytest.raises(CorruptSnapshot):
            decode_snapshot(data[:pos] + bytes([data[pos] ^ 1]) + data[pos + 1 :])
