"""What judging, stamping and reading record batches costs: CPU time of one core, best of five.

Run: ``.venv/bin/python bench/records_validate.py``.
"""

from __future__ import annotations

import random
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


def batch(size: int, count: int, codec: int, *, varied: bool) -> memoryview:
    """Records of one size, or of sizes a fifth about it; spread over five ms."""
    chance = random.Random(size)
    return memoryview(
        build_batch(
            [
                Record(
                    timestamp=NOW_MS + 5 * i // count,
                    value=words(i, size + (chance.randrange(-size // 5, size // 5) * varied)),
                )
                for i in range(count)
            ],
            codec=codec,
        )
    )


def validate(view: memoryview) -> None:
    accepted = validate_client_batch(
        view, produce_version=11, max_message_bytes=2_000_000, compacted=False, now_ms=NOW_MS
    )
    stamp(accepted.records, 0, 0, 5)


def read_all(view: memoryview) -> None:
    for _ in iterate_records(view):
        pass


def main() -> None:
    print("codec  records          batch       validate+stamp            a record   read a record")
    for codec in Codec:
        for size, count in ((1000, 1), (1000, 16), (1000, 1000), (100, 160), (100, 10_000)):
            for varied in (False, True) if count > 1 else (False,):
                view = batch(size, count, codec, varied=varied)
                us = cpu_us(partial(validate, view))
                read = cpu_us(partial(read_all, view))
                kind = "about" if varied else "  all"
                print(
                    f"{codec.name:6} {count:6} x {kind} {size:4} B {len(view):8} B"
                    f" {us:9.1f} us {len(view) / us:7.0f} MB/s"
                    f" {us / count * 1000:8.0f} ns {read / count * 1000:8.0f} ns"
                )


if __name__ == "__main__":
    main()
