"""The frames recorded from the original (tests/golden/README.md)."""

from __future__ import annotations

import gzip
import json
from functools import cache
from typing import NamedTuple

from tests import places

GOLDEN = places.GOLDEN / "kafka-wire.jsonl.gz"


class Recorded(NamedTuple):
    """One frame, without its size."""

    api: int
    version: int
    is_request: bool
    correlation_id: int
    frame: bytes


@cache
def frames() -> tuple[Recorded, ...]:
    """All 2,446 of them, in order."""
    with gzip.open(GOLDEN, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    return tuple(
        Recorded(
            row["api"],
            row["version"],
            row["dir"] == "request",
            row["correlation"],
            bytes.fromhex(row["hex"]),
        )
        for row in rows
    )


def of(api: int, *, is_request: bool) -> list[Recorded]:
    """The frames of one API and direction."""
    return [row for row in frames() if row.api == api and row.is_request == is_request]


@cache
def kinds() -> tuple[Recorded, ...]:
    """Two frames of every (API, version, direction), for fuzzing."""
    found: dict[tuple[int, int, bool], list[Recorded]] = {}
    for row in frames():
        found.setdefault(row[:3], []).append(row)
    return tuple(row for rows in found.values() for row in (rows[0], rows[-1]))
