"""Records as a page shows them."""

from __future__ import annotations

from barnabas.console.shown_records import matches, shown_bytes, shown_records
from barnabas.records.batch import (
    ControlType,
    EndTransactionMarker,
    Record,
    build_batch,
    build_marker,
)
from barnabas.records.compression import Codec

RECORDS = [Record(key=b"k", value=b"v\xff", headers=(("h", None),)), Record(value="é".encode())]


def test_bytes_are_text_or_hexadecimal() -> None:
    assert shown_bytes(None) is None
    assert shown_bytes(b"") == {"text": "", "bytes": 0}
    assert shown_bytes(b"\xff\x00") == {"hex": "ff 00", "bytes": 2}
    assert shown_bytes(b"a\x00b") == {"hex": "61 00 62", "bytes": 3}
    long = shown_bytes(b"x" * 50_000)
    assert long is not None
    assert (len(str(long["text"])), long["bytes"]) == (20_000, 50_000)


def test_records_and_what_their_batch_says() -> None:
    data = bytes(build_batch(RECORDS, base_offset=4, codec=Codec.GZIP, producer_id=7))
    found, following = shown_records(data, 2, 5)
    assert following == 6
    assert [(r["partition"], r["offset"], r["value"]["text"]) for r in found] == [(2, 5, "é")]
    assert found[0]["codec"] == "gzip"
    assert found[0]["producer"].startswith("7/")
    whole, _ = shown_records(data, 2, 0)
    assert whole[0]["headers"] == [["h", None]]
    assert whole[0]["value"] == {"hex": "76 ff", "bytes": 2}
    assert not found[0].get("transactional")


def test_a_batch_that_is_cut_short_waits() -> None:
    data = bytes(build_batch(RECORDS))
    assert shown_records(data[:-1], 0, 0) == ([], 0)
    assert shown_records(None, 0, 9) == ([], 9)


def test_a_batch_that_cannot_be_read_is_named_and_passed() -> None:
    data = bytearray(build_batch(RECORDS, codec=Codec.GZIP))
    data[-4:] = b"\0\0\0\0"
    ((bad,), following) = shown_records(bytes(data), 0, 0)
    assert "unreadable" in bad
    assert following == 2


def test_what_is_looked_for() -> None:
    shown, _ = shown_records(bytes(build_batch(RECORDS)), 0, 0)
    assert [matches(r, "É") for r in shown] == [False, True]
    assert matches(shown[0], "")
    assert matches(shown[0], "76 FF")


def test_a_control_batch_is_shown_as_what_it_is() -> None:
    marker = EndTransactionMarker(ControlType.ABORT, 3)
    data = build_marker(marker, producer_id=7, producer_epoch=1, timestamp_ms=9, base_offset=5)
    ((shown,), following) = shown_records(bytes(data), 0, 0)
    assert following == 6
    assert (shown["control"], shown["producer"], shown["coordinator_epoch"]) == ("abort", "7/1", 3)
    assert "value" not in shown
    assert matches(shown, "abort")
