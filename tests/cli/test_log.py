"""The command log, on files of the original and on damaged ones."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cli.kit import fails, here
from tests.places import GOLDEN

from barnabas.cli import log_batches
from barnabas.cli.log_tables import ENTRIES
from barnabas.coordinator.group.records.consumer_group import (
    encode_consumer_key,
    encode_consumer_value,
)
from barnabas.coordinator.group.records.facts import EpochKey
from barnabas.coordinator.group.records.group_metadata import (
    CommittedOffset,
    GroupRecord,
    MemberRecord,
    encode_group_key,
    encode_group_value,
    encode_offset_key,
    encode_offset_value,
)
from barnabas.records.batch import Record, build_batch
from barnabas.records.compression import Codec
from barnabas.records.legacy import build_set

STOPPED = GOLDEN / "storage" / "recovered-and-stopped"
SEGMENT = "00000000000000001400"
NAME = f"{0:020}"


def dumped(*arguments: str) -> list[str]:
    done = here("log", "dump", *arguments)
    assert done.returncode == 0, done
    return done.stdout.splitlines()


def documents(*arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in dumped(*arguments, "-o", "jsonl")]


def problems(path: Path) -> list[str]:
    """What verify says of a file or a directory; it fails if and only if it says something."""
    done = here("log", "verify", str(path), "-o", "jsonl")
    assert done.stderr == ""
    found = [p for line in done.stdout.splitlines() for p in json.loads(line)["problems"]]
    assert done.returncode == (1 if found else 0)
    return found


@pytest.fixture
def partition(tmp_path: Path) -> Path:
    """A copy of a partition of the original with transactions and several segments."""
    return Path(shutil.copytree(STOPPED / "rolled-0", tmp_path / "rolled-0"))


def test_files_of_the_original_are_shown_as_its_own_tool_shows_them() -> None:
    recorded = (GOLDEN / "storage" / "dump-log-segments.txt").read_text().splitlines()
    files = [line.removeprefix("Dumping ") for line in recorded if line.startswith("Dumping ")]
    assert len(files) > 5
    shown = dumped("--deep-iteration", *(str(STOPPED / file) for file in files))
    assert [line.replace(f"{STOPPED}/", "") for line in shown] == recorded


def test_without_deep_iteration_there_is_a_line_for_each_batch() -> None:
    path = str(STOPPED / "rolled-0" / f"{SEGMENT}.log")
    shown = dumped(path)
    assert len([line for line in shown if line.startswith("baseOffset: ")]) == 15
    assert not [line for line in shown if line.startswith("| ")]


def test_all_files_of_the_original_are_sound() -> None:
    for state in ("recovered-and-stopped", "killed"):
        found = sorted(p for p in (GOLDEN / "storage" / state).rglob("*") if p.is_file())
        done = here("log", "verify", *map(str, found))
        assert (done.returncode, done.stderr) == (0, "")
        assert f"{SEGMENT}.log: sound, 15 batches, 136 records, offsets 1400 to 1535" in done.stdout


def test_keys_values_and_headers_are_shown(tmp_path: Path) -> None:
    records = [
        Record(0, 5, b"k", b"v", (("h", b"x"), ("none", None))),
        Record(1, 6, None, b"\xff\x00"),
        Record(2, 7, b"k\x1b[2J\n", None),
    ]
    path = tmp_path / f"{NAME}.log"
    path.write_bytes(build_batch(records, codec=Codec.ZSTD))
    one, two, three = documents(str(path), "--print-data-log")[1:]
    assert (one["key"], one["payload"], one["headers"]) == ("k", "v", [["h", "x"], ["none", None]])
    assert "key" not in two
    assert two["payload"] == "0xff00"
    assert "payload" not in three
    last = dumped(str(path), "--print-data-log")[-1]
    assert last.endswith(r"key: k\x1b[2J\n")
    bare = dumped(str(path), "--skip-record-metadata")
    assert bare[2:] == [
        "| key: k payload: v headers: [[h,x],[none,None]]",
        "| payload: 0xff00",
        r"| key: k\x1b[2J\n",
    ]


def test_records_of_internal_topics_are_decoded(tmp_path: Path) -> None:
    directory = tmp_path / "__consumer_offsets-7"
    directory.mkdir()
    member = MemberRecord(
        id="m-1",
        instance_id=None,
        client_id="c",
        client_host="/127.0.0.1",
        rebalance_timeout_ms=1,
        session_timeout_ms=2,
        subscription=b"\x00\x01",
        assignment=b"\xff",
    )
    group = GroupRecord(
        protocol_type="consumer", generation=3, protocol="range", leader="m-1", members=(member,)
    )
    epoch = EpochKey("new")
    records = [
        Record(
            key=encode_offset_key("g", "t", 4),
            value=encode_offset_value(CommittedOffset(42, 1, "m", 1000)),
        ),
        Record(key=encode_group_key("g"), value=encode_group_value(group)),
        Record(key=encode_consumer_key(epoch), value=encode_consumer_value(epoch, 9)),
        Record(key=encode_offset_key("g", "t", 4), value=None),
        Record(key=encode_offset_key("g", "t", 4), value=b"\x00"),
        Record(key=b"\x00\x63", value=b"later"),
    ]
    path = directory / f"{NAME}.log"
    path.write_bytes(build_batch(records))
    offset, members, consumer, gone, broken, later = documents(str(path), "--print-data-log")[1:]
    key = {"type": "offset_commit", "group": "g", "topic": "t", "partition": 4}
    assert offset["key"] == key
    assert offset["payload"] == {
        "offset": 42,
        "leader_epoch": 1,
        "metadata": "m",
        "commit_ms": 1000,
        "expire_ms": None,
    }
    assert members["key"] == {"type": "group_metadata", "group": "g"}
    assert members["payload"]["members"][0]["assignment"] == "0xff"
    assert consumer["key"] == {"type": "consumer_group_epoch", "group": "new"}
    assert consumer["payload"] == 9
    assert (gone["key"], gone["payload"]) == (key, None)
    assert "offset value" in str(broken["unread"])
    assert later["key"] is None
    elsewhere = tmp_path / f"{NAME}.log"
    shutil.copy(path, elsewhere)
    assert documents(str(elsewhere), "--offsets-decoder")[1:] == [
        {**found, "file": str(elsewhere)}
        for found in (offset, members, consumer, gone, broken, later)
    ]
    states = documents(str(STOPPED / "__transaction_state-0" / f"{NAME}.log"), "--print-data-log")
    assert {"type": "transaction", "transactional_id": "tx"} in [s.get("key") for s in states]
    assert [s["payload"]["state"] for s in states if "payload" in s][:3] == [
        "Empty",
        "Ongoing",
        "PrepareCommit",
    ]


def old_message(offset: int, magic: int, value: bytes, attributes: int = 0) -> bytes:
    time = struct.pack(">q", 1234) if magic else b""
    body = struct.pack(">bb", magic, attributes) + time
    body += struct.pack(">i1si", 1, b"k", len(value)) + value
    return struct.pack(">qiI", offset, len(body) + 4, zlib.crc32(body)) + body


def test_messages_of_formats_0_and_1_are_shown_and_verified(tmp_path: Path) -> None:
    path = tmp_path / f"{NAME}.log"
    data = old_message(0, 0, b"zero") + old_message(1, 1, b"one")
    path.write_bytes(data)
    assert dumped(str(path), "--print-data-log")[2:] == [
        f"offset: 0 position: 0 CreateTime: -1 size: 31 magic: 0 compresscodec: none"
        f" crc: {zlib.crc32(data[16:31])} isvalid: true key: k payload: zero",
        f"offset: 1 position: 31 CreateTime: 1234 size: 38 magic: 1 compresscodec: none"
        f" crc: {zlib.crc32(data[47:])} isvalid: true key: k payload: one",
    ]
    assert problems(path) == []
    path.write_bytes(data[:-1] + b"X")
    assert problems(path) == ["batch at 31: the checksum does not match"]


@pytest.mark.parametrize("magic", [0, 1])
def test_what_a_compressed_message_wraps_is_shown(tmp_path: Path, magic: int) -> None:
    path = tmp_path / f"{NAME}.log"
    records = [(5 + n, 100 + n, b"k", b"%d" % n) for n in range(3)]
    path.write_bytes(build_set(magic, records, codec=Codec.GZIP))
    wrapper, *inner = documents(str(path), "--print-data-log")
    assert (wrapper["magic"], wrapper["compresscodec"], wrapper["isvalid"]) == (magic, "gzip", True)
    assert "payload" not in wrapper
    assert [(m["offset"], m["key"], m["payload"]) for m in inner] == [
        (5, "k", "0"),
        (6, "k", "1"),
        (7, "k", "2"),
    ]
    assert problems(path) == []
    assert "1 batch, 3 records" in here("log", "verify", str(path)).stdout


@pytest.mark.parametrize("cut", [1, 16, 17, 60, 61, 200])
def test_a_segment_that_is_cut_short_is_shown_up_to_there(partition: Path, cut: int) -> None:
    path = partition / f"{SEGMENT}.log"
    whole = dumped(str(path))
    os.truncate(path, path.stat().st_size - cut)
    done = here("log", "dump", str(path))
    shown = done.stdout.splitlines()
    assert shown == whole[: len(shown)]
    fails(done, 1, f"{SEGMENT}.log: ")
    assert re.search("cut short|no whole batch", done.stderr)
    assert len(problems(path)) == 1


def test_zeros_at_the_end_are_what_the_original_preallocates(partition: Path) -> None:
    for suffix in ("log", "index", "timeindex"):
        path = partition / f"{SEGMENT}.{suffix}"
        os.truncate(path, path.stat().st_size + 10_000 // 24 * 24)
    assert problems(partition) == []


def test_a_changed_byte_is_found(partition: Path) -> None:
    path = partition / f"{SEGMENT}.log"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    assert problems(path) == ["batch at 0: the checksum does not match"]


def written(directory: Path, *batches: bytes, base: int = 0) -> Path:
    path = directory / f"{base:020}.log"
    path.write_bytes(b"".join(batches))
    return path


def batch(offset: int, count: int = 1, epoch: int = 0) -> bytes:
    records = [Record(timestamp=100 + offset) for _ in range(count)]
    return bytes(build_batch(records, base_offset=offset, leader_epoch=epoch))


def test_offsets_epochs_and_records_are_verified(tmp_path: Path) -> None:
    size = len(batch(0))
    path = written(tmp_path, batch(5), batch(4), batch(9, epoch=3), batch(10, epoch=2), base=5)
    assert problems(path) == [
        f"batch at {size}: offset 4 where 6 is the least",
        f"batch at {3 * size}: leader epoch 2 after 3",
    ]
    twice = [Record(3, 100), Record(3, 100)]
    path = written(tmp_path, bytes(build_batch(twice, keep_offsets=True, base_offset=3)))
    assert problems(path) == ["batch at 0: record 3 after 3"]
    path.unlink()
    written(tmp_path, batch(0, count=10))
    assert "the segment before it ends at offset 9" in problems(tmp_path)


def test_indexes_must_fit_their_segment(tmp_path: Path) -> None:
    one, two, three = batch(0, count=2), batch(2, count=3), batch(5)
    path = written(tmp_path, one, two, three)
    index, times = path.with_suffix(".index"), path.with_suffix(".timeindex")

    def entries(*pairs: tuple[int, int], form: str = ">ii") -> bytes:
        return b"".join(struct.pack(form, *pair) for pair in pairs)

    third = len(one) + len(two)
    index.write_bytes(entries((4, len(one)), (5, third)))
    times.write_bytes(entries((102, 4), (105, 5), form=">qi"))
    assert problems(path) == []
    # One entry for two batches that were appended together, as the original's followers write it.
    index.write_bytes(entries((5, len(one))))
    assert problems(path) == []
    index.write_bytes(entries((4, len(one) + 1)))
    assert problems(path) == [f"entry (4, {len(one) + 1}): no batch begins at {len(one) + 1}"]
    index.write_bytes(entries((3, len(one)), (5, third)))
    assert problems(path) == [f"entry (3, {len(one)}): 3 ends no batch from there on"]
    index.write_bytes(entries((5, third), (4, len(one)), (99, 10_000))[:-1])
    assert len(problems(index)) == 3
    index.write_bytes(entries((99, 10_000)))
    assert problems(path) == ["entry (99, 10000) is beyond the end of the segment"]
    index.unlink()
    times.write_bytes(entries((101, 4), (105, 7), form=">qi"))
    assert problems(path) == [
        "entry (101, 4): the batch's largest timestamp is 102",
        "entry (105, 7) is beyond the end of the segment",
    ]


def test_other_files_are_verified_by_themselves(partition: Path) -> None:
    snapshot = partition / f"{SEGMENT}.snapshot"
    data = bytearray(snapshot.read_bytes())
    data[-1] ^= 1
    snapshot.write_bytes(data)
    assert problems(snapshot) == ["checksum does not match"]
    (partition / "leader-epoch-checkpoint").write_text("0\n2\n3 10\n2 20\n")
    assert problems(partition / "leader-epoch-checkpoint") == ["epoch 2 after 3"]
    aborted = partition / f"{SEGMENT}.txnindex"
    aborted.write_bytes(aborted.read_bytes() + b"\x00")
    assert len(problems(aborted)) == 1


def test_a_batch_too_long_to_be_read_is_summed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_batches, "BATCH_BYTES_MAX", 100)
    path = written(tmp_path, batch(0), batch(1, count=20), batch(21))
    done = here("log", "dump", str(path), "--deep-iteration")
    assert done.stdout.count("isvalid: true") == 3
    assert "is too long for its records to be read" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert len(problems(path)) == 1


KINDS = [
    f"{NAME}.log",
    *(f"{NAME}{k}" if k.startswith(".") and k != ".kafka_cleanshutdown" else k for k in ENTRIES),
]


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(KINDS),
    data=st.binary(max_size=300),
    whole=st.booleans(),
    cut=st.integers(0, 60),
)
def test_whatever_a_file_holds_there_is_no_traceback(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: bytes, whole: bool, cut: int
) -> None:
    path = tmp_path_factory.mktemp("hostile") / name
    head = batch(0)[:cut] if whole else b""
    path.write_bytes(head + data)
    for arguments in (["dump", "--print-data-log"], ["verify"]):
        for more in ([], ["-o", "jsonl"]):
            done = here("log", *arguments, str(path), *more)
            assert done.returncode in (0, 1)
            assert done.stdout.isprintable() or "\n" in done.stdout


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    def refused(*arguments: str) -> subprocess.CompletedProcess[str]:
        done = here("log", *arguments)
        fails(done, 1)
        return done

    assert "No such file" in refused("dump", str(tmp_path / f"{NAME}.log")).stderr
    assert "by its name" in refused("verify", str(tmp_path / "other.txt")).stderr
    assert "no files of a log directory" in refused("dump", str(tmp_path)).stderr
    os.mkfifo(tmp_path / f"{NAME}.log")
    assert "not a file" in refused("verify", str(tmp_path / f"{NAME}.log")).stderr
    fails(here("log", "dump", "--offsets-decoder", "--transaction-log-decoder", "x"), 2)
