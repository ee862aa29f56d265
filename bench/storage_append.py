"""CPU time of the log: appending batches of three sizes, reading them back, reading at the tail.

python -m bench.storage_append [directory]
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable

from tests.defaults import log_config

from barnabas.records.batch import Record, build_batch, stamp
from barnabas.seams import Env
from barnabas.storage.files import OperatingSystemFiles
from barnabas.storage.log import Log
from barnabas.storage.recovery import new_log
from barnabas.types import TopicPartition

BATCHES = {1_000: 20_000, 16_000: 5_000, 1_000_000: 300}
ROUNDS = 3


class WallClock:
    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000


def best(work: Callable[[], None]) -> float:
    """Least CPU seconds of a few rounds."""
    times = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


def measure(log: Log, size: int, count: int) -> None:
    records = [Record(timestamp=1, value=bytes(500)) for _ in range(max(size // 512, 1))]
    batch = memoryview(build_batch(records))
    length = len(batch)

    def append() -> None:
        log.truncate_fully_and_start_at(0)
        for _ in range(count):
            stamp(batch, 0, 0, -1)
            log.append_as_leader(batch, 0, now_ms=1)

    def read() -> None:
        end = log.log_end_offset
        offset = 0
        while offset < end:
            found = log.read(offset, 1 << 20, up_to=end, min_one=True)
            offset += max(found.bytes // length, 1) * len(records)

    def tail() -> None:
        end = log.log_end_offset
        for _ in range(10_000):
            log.read(end - 1, 1 << 20, up_to=end, min_one=True)

    append_us = best(append) / count * 1e6
    read_mb = length * count / best(read) / 1e6
    print(
        f"{length:>9} B batches: append {append_us:7.1f} us ({length / append_us:6.0f} MB/s), "
        f"read {read_mb:6.0f} MB/s, tail read {best(tail) / 10_000 * 1e6:6.1f} us"
    )


def main() -> None:
    root = tempfile.mkdtemp(dir=sys.argv[1] if len(sys.argv) > 1 else None)
    env = Env(
        clock=WallClock(), random=random.Random(1), files=OperatingSystemFiles(), boot_id="bench"
    )
    try:
        loaded = new_log(env, root, expiration_ms=86_400_000)
        log = Log(env, TopicPartition("bench", 0), root, log_config(), loaded)
        for size, count in BATCHES.items():
            measure(log, size, count)
        log.close()
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
