"""Lesson 6, done."""

from __future__ import annotations

import asyncio

from barnabas.client.errors import ClientError, Unreachable
from barnabas.client.producer import Producer
from barnabas.console.tour.lesson import Seen, plural
from barnabas.console.tour.lessons.last_replica import HALF, WATCHED_MS, Facts, seen
from barnabas.console.tour.stage import Abandoned, Stage
from barnabas.console.tour.writing import read_all
from barnabas.records.batch import Record
from barnabas.types import TopicPartition


async def act(stage: Stage) -> list[Seen]:
    """Do it, and say what was seen."""
    controller = stage.snapshot.controller.broker
    leader, follower, *_ = sorted(stage.brokers, key=lambda b: (b == controller, b))
    both = (leader, follower)
    async with stage.step("create"):
        safe = await stage.create({0: both}, topic=f"{stage.topic}-safe")
        unclean = await stage.create(
            {0: both},
            topic=f"{stage.topic}-unclean",
            unclean_leader_election_enable="true",
        )
        topics = (safe, unclean)
        stage.picture("Before: both in sync", *topics)
    async with stage.step("first"):
        acked = {topic: await _write(stage, topic, 0) for topic in topics}
    async with stage.step("follower"):
        stage.zero()
        await stage.process("kill", follower)
        await _until_isr(stage, topics, (leader,))
        for topic in topics:
            acked[topic] += await _write(stage, topic, HALF)
        stage.say(
            f"Acknowledged so far: {plural(acked[safe], 'record')} without, and"
            f" {acked[unclean]} with unclean election."
        )
        stage.picture("The leader is alone", *topics)
    async with stage.step("leader"):
        await stage.process("kill", leader)
        await stage.until(lambda s: leader not in s.brokers)
        await stage.until(lambda _: all(_is_known_leaderless(stage, topic) for topic in topics))
        stage.picture("Both are dead", *topics)
    async with stage.step("return"):
        await stage.process("restart", follower)
        if await stage.until(lambda s: follower in s.brokers) is None:
            raise Abandoned(f"broker {follower} did not come back")
        back_ms = stage.snapshot.brokers[follower].since_ms
        unclean_leader = await _leader_within(stage, unclean)
        safe_leader, watched_ms = await _watched(stage, safe)
        unclean_read = len(await read_all(stage.client, TopicPartition(unclean, 0)))
        stage.say(f"{unclean}: {plural(unclean_read, 'record')} of {acked[unclean]} can be read.")
        stage.say(
            f"{safe}: "
            + (
                "nobody leads it; it cannot be read."
                if safe_leader < 0
                else f"broker {safe_leader} leads it."
            )
        )
        stage.picture("Only the old follower is back", *topics)
    event = await stage.until_event(
        lambda e: e.kind == "leader_elected" and e.topic == unclean and e.broker == follower, 1.0
    )
    async with stage.step("last"):
        await stage.process("restart", leader)
        await stage.until(lambda _: stage.leader(safe) == leader)
        await _until_isr(stage, topics, both)
        safe_leader_at_end = stage.leader(safe)
        read = {t: len(await read_all(stage.client, TopicPartition(t, 0))) for t in topics}
        for topic in topics:
            stage.say(f"{topic}: {plural(read[topic], 'record')} of {acked[topic]} can be read.")
        stage.picture("Both are back", *topics)
    return seen(
        Facts(
            leader=leader,
            follower=follower,
            safe_acked=acked[safe],
            unclean_acked=acked[unclean],
            watched_ms=watched_ms,
            safe_leader=safe_leader,
            unclean_leader=unclean_leader,
            elected_ms=None if event is None else max(event.time_ms - back_ms, 0),
            unclean_read=unclean_read,
            unclean_read_at_end=read[unclean],
            safe_leader_at_end=safe_leader_at_end,
            safe_read=read[safe],
        )
    )


async def _write(stage: Stage, topic: str, first: int) -> int:
    """How many of ``HALF`` records were acknowledged."""
    producer = Producer(stage.client, idempotent=False, delivery_timeout_ms=20_000)
    acked = 0
    try:
        await stage.client.metadata()
        for number in range(first, first + HALF):
            await producer.send(TopicPartition(topic, 0), [Record(value=b"%d" % number)])
            acked += 1
    except (ClientError, Unreachable):
        pass  # the lesson says how many were acknowledged
    return acked


async def _until_isr(stage: Stage, topics: tuple[str, ...], isr: tuple[int, ...]) -> None:
    wanted = set(isr)
    if await stage.until(lambda _: all(set(stage.isr(t)) == wanted for t in topics)) is None:
        told = "; ".join(f"{t}: {list(stage.isr(t))}" for t in topics)
        raise Abandoned(f"in sync should be {list(isr)}, and is {told}")


def _is_known_leaderless(stage: Stage, topic: str) -> bool:
    partition = stage.partition(topic)
    return partition is not None and partition.leader < 0


async def _leader_within(stage: Stage, topic: str) -> int:
    await stage.until(lambda _: stage.leader(topic) >= 0)
    return stage.leader(topic)


async def _watched(stage: Stage, topic: str) -> tuple[int, int]:
    """(leader, ms): who became leader of a topic while it was watched, -1 if nobody."""
    began = asyncio.get_running_loop().time()
    await stage.until(lambda _: stage.leader(topic) >= 0, WATCHED_MS / 1000)
    return stage.leader(topic), round((asyncio.get_running_loop().time() - began) * 1000)
