"""Values that are accepted, as by the original, but that a careless loop would spin or stop at."""

from __future__ import annotations

import asyncio

import pytest
from tests.api import kit


@pytest.mark.parametrize(
    "settings",
    [
        {"replica.high.watermark.checkpoint.interval.ms": "-1"},
        {"replica.high.watermark.checkpoint.interval.ms": "0"},
        {"log.flush.offset.checkpoint.interval.ms": "0", "log.initial.task.delay.ms": "0"},
        {"replica.lag.time.max.ms": "0", "replica.fetch.wait.max.ms": "-5"},
        {"log.cleaner.backoff.ms": "0", "log.cleaner.io.buffer.size": "0"},
        {"log.cleaner.io.buffer.load.factor": "NaN", "log.cleaner.io.max.bytes.per.second": "NaN"},
        {"log.cleaner.io.buffer.load.factor": "Infinity", "log.cleaner.min.cleanable.ratio": "NaN"},
        {"connections.max.idle.ms": "-1", "leader.imbalance.per.broker.percentage": "-1"},
        {"log.retention.check.interval.ms": str(2**63 - 1), "log.roll.jitter.ms": str(2**63 - 1)},
        {"group.initial.rebalance.delay.ms": "-1", "offset.metadata.max.bytes": "-1"},
    ],
)
def test_a_broker_serves_with(settings: dict[str, str]) -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        compacted = {"cleanup.policy": "compact", "segment.ms": "1", "max.compaction.lag.ms": "1"}
        await client.create("c", **compacted)
        for topic in ("t", "c"):
            for value in (b"1", b"2"):
                assert (await client.produce(topic, value)).error_code in (0, 87)  # no key
                await asyncio.sleep(10)

    kit.run(scenario, settings=settings)
