"""Settings of logs and of their manager, and what they change."""

from __future__ import annotations

import asyncio
import random

import pytest
from tests.defaults import log_config, log_manager_settings
from tests.virtual_time import run

from barnabas.records.batch import Record, build_batch, iterate_records
from barnabas.records.compression import Codec
from barnabas.storage.background import BackgroundWork
from barnabas.storage.incoming import validate_for
from barnabas.storage.log_owner import LogOwner

_CHOICES = random.Random(1).choices(("leader", "follower", "epoch", "isr"), k=9000)
WORDS = " ".join(_CHOICES).encode()


@pytest.mark.parametrize(
    ("codec", "name", "low", "high"),
    [
        (Codec.GZIP, "compression_gzip_level", 1, 9),
        (Codec.LZ4, "compression_lz4_level", 9, 12),
        (Codec.ZSTD, "compression_zstd_level", -5, 19),
    ],
)
def test_the_broker_compresses_at_the_topic_s_level(
    codec: Codec, name: str, low: int, high: int
) -> None:
    """Level 9 of lz4 is Kafka's default, and its fast mode."""
    sizes = []
    for level in (low, high):
        config = log_config(compression_type=codec.name.lower(), **{name: level})
        batch = build_batch([Record(timestamp=1, value=WORDS)])
        stored = validate_for(
            config, memoryview(batch), produce_version=9, now_ms=1, in_transaction=False
        )
        assert stored.header.codec == codec
        assert [r.value for r in iterate_records(stored.records)] == [WORDS]
        sizes.append(len(stored.records))
    assert sizes[0] > sizes[1]
    others = log_config(compression_type="snappy", **{name: high})
    assert others.compression_level is None


class _Counting:
    """Stands for the directories and for the writer of checkpoints."""

    def __init__(self) -> None:
        self.online = (self,)
        self.logs: dict[str, object] = {}
        self.points = self.starts_written = 0

    async def recovery_points(self, _directory: object) -> None:
        self.points += 1

    async def starts(self, _directory: object) -> None:
        self.starts_written += 1

    async def high_watermarks(self, _directory: object) -> None:
        return


def test_recovery_points_and_log_starts_are_written_at_their_own_intervals() -> None:
    async def main() -> None:
        told = _Counting()
        work = BackgroundWork(
            *(None, told, told, LogOwner()),  # type: ignore[arg-type]
            syncs_together=True,
        )
        settings = log_manager_settings(
            initial_task_delay_ms=0,
            offset_checkpoint_interval_ms=1000,
            start_offset_checkpoint_interval_ms=5000,
        )
        tasks = [asyncio.ensure_future(timer) for timer in work.timers(settings)]
        await asyncio.sleep(20.5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (told.points, told.starts_written) == (20, 4)

    run(main())
