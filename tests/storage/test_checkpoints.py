"""Checkpoint files: what the original wrote reads and writes back byte for byte."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.records.recordings import files

from barnabas.names import is_topic
from barnabas.storage.checkpoints import (
    CLEAN_SHUTDOWN,
    EPOCH_CHECKPOINT,
    META_PROPERTIES,
    PARTITION_METADATA,
    CheckpointError,
    MetaProperties,
    PartitionMetadata,
    decode_clean_shutdown,
    decode_epochs,
    decode_meta_properties,
    decode_offsets,
    decode_partition_metadata,
    encode_clean_shutdown,
    encode_epochs,
    encode_meta_properties,
    encode_offsets,
    encode_partition_metadata,
    write_atomically,
)
from barnabas.storage.epochs import EpochEntry, LeaderEpochCache
from barnabas.storage.memory_files import MemoryFiles
from barnabas.types import TopicPartition


def test_recorded_offset_checkpoints() -> None:
    entries = 0
    for path in files("*-offset-checkpoint"):
        data = path.read_bytes()
        offsets = decode_offsets(data)
        entries += len(offsets)
        assert encode_offsets(offsets) == data
    assert entries > 20


def test_recorded_epoch_checkpoints() -> None:
    entries = 0
    for path in files(EPOCH_CHECKPOINT):
        data = path.read_bytes()
        decoded = decode_epochs(data)
        entries += len(decoded)
        if data:
            assert encode_epochs(LeaderEpochCache(decoded).entries) == data
        else:
            assert decoded == []
    assert entries > 20


def test_recorded_meta_properties() -> None:
    for path in files(META_PROPERTIES):
        data = path.read_bytes()
        date = data.decode().splitlines()[1][1:]
        meta = decode_meta_properties(data)
        assert meta.broker_id in (1, 2, 3)
        assert meta.cluster_id is not None
        assert encode_meta_properties(meta, date) == data


def test_recorded_partition_metadata() -> None:
    for path in files(PARTITION_METADATA):
        data = path.read_bytes()
        assert len(data) == 43
        assert encode_partition_metadata(decode_partition_metadata(data)) == data


def test_recorded_clean_markers() -> None:
    for path in files(CLEAN_SHUTDOWN):
        data = path.read_bytes()
        assert encode_clean_shutdown(decode_clean_shutdown(data)) == data
    for damaged in (b"", b"[]", b"\xff", b'{"brokerEpoch":"x"}'):
        assert decode_clean_shutdown(damaged) == -1
    assert decode_clean_shutdown(encode_clean_shutdown(7)) == 7


def test_empty_checkpoints() -> None:
    assert decode_offsets(b"") == decode_offsets(b"0\n0\n") == {}
    assert decode_epochs(b"") == decode_epochs(b"0\n0\n") == []
    assert encode_offsets({}) == encode_epochs([]) == b"0\n0\n"


@pytest.mark.parametrize(
    "data",
    [
        b"1\n0\n",
        b"0\n",
        b"\n",
        b"0\n1\n",
        b"0\n0\nt 0 1\n",
        b"0\n1\nt 0\n",
        b"0\n1\nt 0 1 2\n",
        b"0\n1\nt x 1\n",
        b"0\nx\n",
        b"\0" * 20,
        b"\xff\xfe",
    ],
)
def test_damaged_checkpoints(data: bytes) -> None:
    with pytest.raises(CheckpointError):
        decode_offsets(data)


@given(st.binary(max_size=60) | st.text(alphabet="0123456789 \n-t", max_size=40).map(str.encode))
def test_any_bytes_as_files(data: bytes) -> None:
    for decode in (
        decode_offsets,
        decode_epochs,
        decode_meta_properties,
        decode_partition_metadata,
    ):
        try:
            decode(data)
        except CheckpointError:
            pass
    decode_clean_shutdown(data)


@given(
    st.dictionaries(
        st.builds(
            TopicPartition,
            st.from_regex(r"[a-zA-Z0-9._-]{1,20}", fullmatch=True).filter(is_topic),
            st.integers(0, 99),
        ),
        st.integers(0, 2**63 - 1),
    )
)
def test_offsets_round_trip(offsets: dict[TopicPartition, int]) -> None:
    assert decode_offsets(encode_offsets(offsets)) == offsets


@given(st.lists(st.builds(EpochEntry, st.integers(0, 2**31 - 1), st.integers(0, 2**63 - 1))))
def test_epochs_round_trip(entries: list[EpochEntry]) -> None:
    assert decode_epochs(encode_epochs(entries)) == entries


def test_meta_properties_in_another_order_and_with_other_lines() -> None:
    data = b"# comment\n! too\ncluster.id=a\\=b\n directory.id = d\nbroker.id=7\nversion=0\n\n"
    meta = decode_meta_properties(data)
    assert meta == MetaProperties(broker_id=7, cluster_id="a=b", others={"directory.id": "d"})
    again = encode_meta_properties(meta, "Mon Nov 23 00:54:42 UTC 2026")
    assert decode_meta_properties(again) == meta
    assert decode_meta_properties(b"version=0\n") == MetaProperties()


@pytest.mark.parametrize("data", [b"", b"broker.id=1\n", b"version=0\nbroker.id=x\n", b"version\n"])
def test_damaged_meta_properties(data: bytes) -> None:
    with pytest.raises(CheckpointError):
        decode_meta_properties(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"version: 0",
        b"version: 0\ntopic_id: ???",
        b"topic_id: aVl0RnefRkWzntmnHupgFg",
        b"version: 7\ntopic_id: aVl0RnefRkWzntmnHupgFg",
        b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA",
        b"version 0",
        b"version: 0\ntopic_id: aVl0",
        b"\xff",
    ],
)
def test_damaged_partition_metadata(data: bytes) -> None:
    with pytest.raises(CheckpointError):
        decode_partition_metadata(data)


def test_partition_metadata() -> None:
    metadata = PartitionMetadata(topic_id=uuid.UUID(int=5))
    assert decode_partition_metadata(encode_partition_metadata(metadata)) == metadata
    assert decode_partition_metadata(encode_partition_metadata(metadata) + b"\n") == metadata


def test_write_atomically_syncs_then_renames_then_syncs_the_directory() -> None:
    steps: list[str] = []

    class Watched(MemoryFiles):
        def rename(self, source: str, target: str) -> None:
            steps.append(f"rename {source} {target}")
            super().rename(source, target)

        def sync_directory(self, path: str) -> None:
            steps.append(f"sync {path}")

    disk = Watched()
    disk.make_directories("/d")
    write_atomically(disk, "/d/c", b"a longer text")
    write_atomically(disk, "/d/c", b"text")
    assert disk.read("/d/c") == b"text"
    assert disk.list("/d") == ["c"]
    assert steps == ["rename /d/c.tmp /d/c", "sync /d"] * 2


def test_write_atomically_leaves_the_old_file_when_the_disk_fails() -> None:
    class Full(MemoryFiles):
        def rename(self, source: str, target: str) -> None:
            raise OSError(28, "No space left on device")

    disk = Full()
    disk.make_directories("/d")
    disk.open("/d/c", create=True).append([b"old"])
    with pytest.raises(OSError, match="No space"):
        write_atomically(disk, "/d/c", b"new")
    assert disk.read("/d/c") == b"old"


BAD_LINES = [
    " 0 5",
    "t 0",
    "t -1 5",
    "t 0 -5",
    "t x 5",
    "t \u00b2 5",
    "../t 0 5",
    "t 0 9223372036854775808",
    "a\x0bb 0 1",
    "t 0 \u0665",
]


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_bad_line_of_a_checkpoint_is_set_aside_alone(line: str) -> None:
    data = f"0\n3\nt 1 7\n{line}\nt 2 8\n".encode()
    bad: list[str] = []
    assert decode_offsets(data, bad) == {TopicPartition("t", 1): 7, TopicPartition("t", 2): 8}
    assert bad == [line]
    with pytest.raises(CheckpointError):
        decode_offsets(data)
