"""What judging, stamping and reading record batches costs: CPU time of one core, best of five.

Run: ``.venv/bin/python bench/records_validate.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

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


def validate(view: memoryview, *, walk: bool) -> None:
    accepted = validate_client_batch(
        view,
        produce_version=11,
        max_message_bytes=2_000_000,
        compacted=False,
        now_ms=NOW_MS,
        walk=walk,
    )
    stamp(accepted.records, 0, 0, 5)


def read_all(view: memoryview) -> None:
    for _ in iterate_records(view):
        pass


def main() -> None:
    print("codec   record  records    batch   validate+stamp            with walk   read records")
    for codec in (Codec.NONE, Codec.LZ4, Codec.ZSTD):
        for size, count in ((1000, 1), (1000, 16), (1000, 1000), (100, 160), (100, 8000)):
            records = [
                Record(timestamp=NOW_MS + i, key=b"k%d" % i, value=words(i, size))
                for i in range(count)
            ]
            view = memoryview(build_batch(records, codec=codec))
            fast = cpu_us(partial(validate, view, walk=False))
            walk = cpu_us(partial(validate, view, walk=True))
            read = cpu_us(partial(read_all, view))
            print(
                f"{codec.name:5} {size:6} B {count:8} {len(view):8} B"
                f" {fast:7.1f} us {len(view) / fast:7.0f} MB/s {walk:9.0f} us"
                f" {read / count:7.2f} us a record"
            )


if __name__ == "__main__":
    main()
