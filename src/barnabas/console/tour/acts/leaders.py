"""Lesson 1, done."""

from __future__ import annotations

import asyncio

from barnabas.client.partitioner import Partitioner
from barnabas.client.producer import Producer
from barnabas.console.tour.lesson import Picture, Seen, picture_of, plural
from barnabas.console.tour.lessons.leaders import Facts, seen
from barnabas.console.tour.stage import BOUND_S, LOOK_S, Stage
from barnabas.console.tour.writing import write_once
from barnabas.records.batch import Record
from barnabas.types import TopicPartition

WRITTEN = 30


async def act(stage: Stage) -> list[Seen]:
    """Do it, and say what was seen."""
    a, b, c = stage.brokers
    tps = [TopicPartition(stage.topic, n) for n in range(3)]
    async with stage.step("create"):
        stage.zero()
        await stage.create({0: (a, b, c), 1: (b, c, a), 2: (c, a, b)})
        leaders = {n: stage.leader(stage.topic, n) for n in range(3)}
        stage.show(_picture(stage, "Before: no records", await stage.ends(tps)))
    async with stage.step("write"):
        counts = await _write(stage)
        told = ", ".join(f"{plural(n, 'record')} to partition {p}" for p, n in counts.items())
        stage.say(f"Acknowledged: {told}.")
    async with stage.step("compare"):
        ends, copied_ms = await _copied(stage, tps)
        stage.show(_picture(stage, "After: what each copy has", ends))
    async with stage.step("refuse"):
        follower = next(r for r in stage.brokers if r != leaders[0])
        answer = await write_once(stage.client, follower, tps[0], b"refused", "1")
        stage.say(f"Broker {follower} answered {answer.answer} after {answer.ms} ms.")
    return seen(
        Facts(
            leaders=leaders,
            ends={n: tuple(ends.get((tps[n], x), 0) for x in stage.brokers) for n in range(3)},
            written=WRITTEN,
            copied_ms=copied_ms,
            follower=follower,
            answer=answer.answer,
        )
    )


async def _write(stage: Stage) -> dict[int, int]:
    """How many records went to each partition."""
    producer, partitioner = Producer(stage.client), Partitioner(3)
    await producer.start()
    counts = dict.fromkeys(range(3), 0)
    for number in range(WRITTEN):
        key = b"key-%d" % number
        partition = partitioner.partition(key)
        await producer.send(
            TopicPartition(stage.topic, partition), [Record(key=key, value=b"%d" % number)]
        )
        counts[partition] += 1
    return counts


async def _copied(
    stage: Stage, tps: list[TopicPartition]
) -> tuple[dict[tuple[TopicPartition, int], int], int | None]:
    """The ends of all logs, and after how many ms they were the same."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        ends = await stage.ends(tps)
        if all(len({ends.get((tp, b)) for b in stage.brokers}) == 1 for tp in tps):
            return ends, round((loop.time() - began) * 1000)
        if loop.time() - began > BOUND_S:
            return ends, None
        await asyncio.sleep(LOOK_S)


def _picture(stage: Stage, title: str, ends: dict[tuple[TopicPartition, int], int]) -> Picture:
    return picture_of(title, stage.snapshot, [stage.topic], stage.brokers, ends=ends)
