"""Compaction of one log on the real file system: records per second of processor time, how long the
loop was held up, what the disk holds before and after.

    python -m bench.storage_cleaner [--updates 1000000] [--keys 1000] [--codec 0]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import resource
import tempfile
import time

from tests.defaults import cleaner_settings, log_config

from barnabas.records.batch import Record, build_batch
from barnabas.seams import Env, SilentObserver
from barnabas.storage.cleaner.log_cleaner import LogCleaner
from barnabas.storage.files import OperatingSystemFiles
from barnabas.storage.log import Log
from barnabas.storage.producers.state import Origin
from barnabas.storage.recovery import new_log
from barnabas.types import TopicPartition

PARTITION = TopicPartition("compacted", 0)
BATCH_RECORDS = 100
DAY_MS = 86_400_000


class WallClock:
    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000


class PrintingObserver(SilentObserver):
    def note(self, event: str, /, **fields: object) -> None:
        print(event, " ".join(f"{k}={v}" for k, v in fields.items() if k != "path"))


def filled(env: Env, directory: str, updates: int, keys: int, codec: int) -> Log:
    config = log_config(cleanup_policy=("compact",), segment_bytes=16 * 1024 * 1024)
    log = Log(env, PARTITION, directory, config, new_log(env, directory, expiration_ms=DAY_MS))
    chance = random.Random(1)
    now_ms = env.clock.wall_ms()
    for start in range(0, updates, BATCH_RECORDS):
        records = [
            Record(
                timestamp=now_ms,
                key=b"key-%d" % (chance.randrange(keys) if keys < updates else start + i),
                value=b"%020d" % (start + i),
            )
            for i in range(BATCH_RECORDS)
        ]
        log.append_as_leader(
            memoryview(build_batch(records, codec=codec)),
            0,
            now_ms=now_ms,
            origin=Origin.COORDINATOR,
        )
    log.roll()
    log.set_high_watermark(log.log_end_offset)
    return log


async def watch(stalls: list[float]) -> None:
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0)
        stalls.append(time.perf_counter() - before)
        await asyncio.sleep(0.0005)


async def measure(env: Env, log: Log, updates: int) -> None:
    async def nothing(topic_partition: TopicPartition) -> None:
        return

    cleaner = LogCleaner(
        env, cleaner_settings(), {PARTITION: log}, make_durable=nothing, checkpoint=nothing
    )
    stalls: list[float] = []
    watcher = asyncio.create_task(watch(stalls))
    size, wall, cpu = log.size_bytes, time.perf_counter(), time.process_time()
    done = await cleaner.clean(log, cleaner.range_of(log))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    watcher.cancel()
    stalls.sort()
    worst, usual = stalls[-1] * 1000, stalls[len(stalls) * 99 // 100] * 1000
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"done={done} {updates / cpu:,.0f} records/s of CPU, {wall:.2f} s wall, {cpu:.2f} s CPU; "
        f"log {size:,} -> {log.size_bytes:,} bytes; others on the loop waited p99 {usual:.1f} ms, "
        f"at most {worst:.1f} ms; peak memory {peak} MiB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=1_000_000)
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--codec", type=int, default=0)
    options = parser.parse_args()
    files = OperatingSystemFiles()
    with tempfile.TemporaryDirectory() as parent:
        directory = os.path.join(parent, str(PARTITION))
        os.makedirs(directory)
        env = Env(
            clock=WallClock(),
            random=random.Random(1),
            files=files,
            boot_id="bench",
            observer=PrintingObserver(),
        )
        log = filled(env, directory, options.updates, options.keys, options.codec)
        asyncio.run(measure(env, log, options.updates))
        log.close()
    files.close()


if __name__ == "__main__":
    main()
