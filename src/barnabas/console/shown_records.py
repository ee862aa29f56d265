"""Records as a page shows them, control batches among them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from barnabas.errors import KafkaError
from barnabas.records.batch import (
    BatchHeader,
    Codec,
    ControlType,
    Record,
    iterate_batches,
    iterate_records,
    read_marker,
)
from barnabas.types import NO_PRODUCER_ID

SHOWN_LENGTH_MAX: Final = 20_000
"""In characters or bytes, of one key or value."""

Shown = dict[str, Any]


def shown_records(data: bytes | None, partition: int, offset: int) -> tuple[list[Shown], int]:
    """The records from ``offset`` on of whole batches, and the offset after them."""
    view = memoryview(data or b"")
    found: list[Shown] = []
    following = offset
    for header, position, size in iterate_batches(view):
        if position + size > len(view):
            break
        try:
            found += [s for s in _batch(view, position, header) if s["offset"] >= offset]
        except KafkaError as error:
            found.append({"offset": header.base_offset, "unreadable": str(error)})
        following = max(following, header.last_offset + 1)
    for shown in found:
        shown["partition"] = partition
    return found, following


def _batch(view: memoryview, position: int, header: BatchHeader) -> Iterator[Shown]:
    about = _about(header)
    if header.is_control:
        marker = read_marker(view, position, header)
        kind = "marker of an unknown type"
        if marker is not None:
            kind = "commit" if marker.type == ControlType.COMMIT else "abort"
            about["coordinator_epoch"] = marker.coordinator_epoch
        yield {
            "offset": header.base_offset,
            "timestamp": header.max_timestamp,
            "control": kind,
            **about,
        }
        return
    for record in iterate_records(view, position):
        yield {**shown_record(record), **about}


def shown_record(record: Record) -> Shown:
    """One record, its bytes as text where they are UTF-8."""
    return {
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": shown_bytes(record.key),
        "value": shown_bytes(record.value),
        "headers": [
            [name.encode(errors="surrogateescape").decode(errors="replace"), shown_bytes(value)]
            for name, value in record.headers
        ],
    }


def shown_bytes(data: bytes | None) -> dict[str, object] | None:
    """``text`` or ``hex``, with ``bytes``, the length of the whole; None for null."""
    if data is None:
        return None
    raw = bytes(data)
    length = {"bytes": len(raw)}
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = ""
        printable = False
    else:
        printable = "\0" not in text
    if printable:
        return {"text": text[:SHOWN_LENGTH_MAX], **length}
    return {"hex": raw[: SHOWN_LENGTH_MAX // 2].hex(" "), **length}


def _about(header: BatchHeader) -> Shown:
    about: Shown = {"leader_epoch": header.partition_leader_epoch}
    if header.producer_id != NO_PRODUCER_ID:
        about["producer"] = f"{header.producer_id}/{header.producer_epoch}"
    if header.is_transactional:
        about["transactional"] = True
    codec = header.attributes & 0x07
    if codec:
        about["codec"] = Codec(codec).name.lower() if codec in list(Codec) else str(codec)
    return about


def matches(shown: Shown, text: str) -> bool:
    """Whether key, value or a header's value contains ``text``, whatever its case."""
    if not text:
        return True
    wanted = text.lower()
    fields = [shown.get("key"), shown.get("value"), *(v for _, v in shown.get("headers", ()))]
    texts = [str(f.get("text") or f.get("hex") or "") for f in fields if f]
    return any(wanted in t.lower() for t in [*texts, str(shown.get("control", ""))])
