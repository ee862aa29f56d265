"""What judging, stamping and reading record batches costs: CPU time of one core, best of five.

Run: ``.venv/bin/python bench/records_validate.py``. To compare two versions, run them by turns and
take the least of many.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from barnabas.records.batch import Codec, Record, build_batch, iterate_records, stamp
from barnabas.records.validate import validate_client_batch

NOW_MS = 1_700_000_000_000
ROUNDS = 5
ROUND_S = 0.05


def cpu_us(work: Callable[[], object]) -> float:
    """CPU microseconds of one call."""
    best = float("inf")
    for _ in range(ROUNDS):
        calls, start = 0, time.process_time()
        while (spent := time.process_time() - start) < ROUND_S:
            work()
            calls += 1
        best = min(best, spent / calls)
    return best * 1e6


def words(number: int, size: int) -> bytes:
    """``size`` bytes that compress like text with numbers in it."""
    return b" ".join(b"%d seven" % (number * 7919 + i) for i in range(size // 8))[:size]


class Kind(NamedTuple):
    """Of records."""

    name: str
    varied: bool = True
    """Sizes a fifth about the one named, else all of one."""
    keys: tuple[int, int] | None = None
    """Least and most bytes of their keys."""
    headers: tuple[tuple[str, bytes | None], ...] = ()
    span_ms: int = 5
    """Between the first timestamp and the last."""


HEADERS = (("trace", b"0123456789abcdef"), ("type", b"json"))
KINDS = (
    Kind("one size", varied=False),
    Kind("one size, headers", varied=False, keys=(12, 12), headers=HEADERS),
    Kind("about"),
    Kind("about, over 500 ms", span_ms=500),
    Kind("about, keys of one length", keys=(12, 12)),
    Kind("about, keys of any length", keys=(4, 20)),
    Kind("about, headers", keys=(12, 12), headers=HEADERS),
)
ALONE = ("one size", "one size, headers")
"""What is worth to be told of a single record."""


def batch(size: int, count: int, codec: int, kind: Kind) -> memoryview:
    chance = random.Random(size)
    records = []
    for i in range(count):
        change = chance.randrange(-size // 5, size // 5) if kind.varied else 0
        records.append(
            Record(
                timestamp=NOW_MS + kind.span_ms * i // count,
                key=b"k" * chance.randint(*kind.keys) if kind.keys else None,
                value=words(i, size + change),
                headers=kind.headers,
            )
        )
    return memoryview(build_batch(records, codec=codec))


def validate(view: memoryview) -> None:
    accepted = validate_client_batch(
        view, produce_version=11, max_message_bytes=2_000_000, compacted=False, now_ms=NOW_MS
    )
    stamp(accepted.records, 0, 0, 5)


def read_all(view: memoryview) -> None:
    for _ in iterate_records(view):
        pass


def main() -> None:
    print(
        f"codec  records          kind {'batch':>31}       validate+stamp          a record   read"
    )
    sizes = ((1000, 1), (1000, 4), (1000, 16), (1000, 1000), (100, 160), (100, 10_000))
    for codec in Codec:
        for size, count in sizes:
            for kind in KINDS:
                if count == 1 and kind.name not in ALONE:
                    continue
                view = batch(size, count, codec, kind)
                us = cpu_us(partial(validate, view))
                read = cpu_us(partial(read_all, view))
                print(
                    f"{codec.name:6} {count:6} x {size:4} B  {kind.name:26} {len(view):8} B"
                    f" {us:9.1f} us {len(view) / us:7.0f} MB/s"
                    f" {us / count * 1000:8.0f} ns a record, to read it {read / count * 1000:.0f}"
                )


if __name__ == "__main__":
    main()
