"""Lesson 5, done."""

from __future__ import annotations

import asyncio

from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.client.producer import Producer
from barnabas.console.metadata_source import snapshot_of
from barnabas.console.tour.lesson import Seen, picture_of, plural
from barnabas.console.tour.lessons.no_zookeeper import WATCHED_MS, Facts, seen
from barnabas.console.tour.stage import COORDINATOR, LOOK_S, Abandoned, Stage, is_whole
from barnabas.console.tour.writing import read_all
from barnabas.records.batch import Record
from barnabas.types import TopicPartition

WANTED = 100


async def act(stage: Stage) -> list[Seen]:
    """Do it, and say what was seen."""
    if not stage.has_coordinator:
        raise Abandoned(
            "this cluster's ZooKeeper is none of its processes: it cannot be killed here"
        )
    loop = asyncio.get_running_loop()
    controller = stage.snapshot.controller.broker
    x, dead, last = sorted(stage.brokers, key=lambda b: (b == controller, b))
    tp = TopicPartition(stage.topic, 0)
    async with stage.step("create"):
        await stage.create({0: (x, last), 1: (dead, last)})
        stage.picture("Before")
        await read_all(stage.client, tp)  # opens the connections
    async with stage.step("away"):
        stage.zero()
        await stage.process("kill", COORDINATOR)
    async with stage.step("write"):
        began = loop.time()
        written = await _write(stage, tp)
        read = len(await read_all(stage.client, tp, written))
        wrote_ms = round((loop.time() - began) * 1000)
        stage.say(f"{plural(written, 'record')} acknowledged, {read} read.")
    async with stage.step("kill"):
        await stage.process("kill", dead)
        elected_without, watched_ms = await _watched(stage, dead)
        stage.say(
            f"Nobody else led partition 1 for {watched_ms:,} ms."
            if not elected_without
            else "Partition 1 has another leader."
        )
        await _show_what_brokers_say(stage, dead)
    async with stage.step("return"):
        await stage.process("restart", COORDINATOR)
        elected_ms = await stage.until(lambda _: stage.leader(stage.topic, 1) not in (-1, dead))
        leader = stage.leader(stage.topic, 1)
        stage.picture("ZooKeeper is back")
    async with stage.step("restart"):
        await stage.process("restart", dead)
        whole_ms = await stage.until(lambda s: is_whole(s, set(stage.brokers)) is None)
        stage.picture("After: all in sync")
    return seen(
        Facts(
            written=written,
            wanted=WANTED,
            read=read,
            wrote_ms=wrote_ms,
            dead=dead,
            elected_without=elected_without,
            watched_ms=watched_ms,
            leader=-1 if leader == dead else leader,
            elected_ms=elected_ms,
            whole_ms=whole_ms,
        )
    )


async def _write(stage: Stage, tp: TopicPartition) -> int:
    """How many records were acknowledged."""
    producer = Producer(stage.client, idempotent=False, delivery_timeout_ms=10_000)
    written = 0
    try:
        for number in range(WANTED):
            await producer.send(tp, [Record(value=b"%d" % number)])
            written += 1
    except (ClientError, Unreachable):
        pass  # the lesson says how many were acknowledged
    return written


async def _watched(stage: Stage, dead: int) -> tuple[bool, int]:
    """Whether a broker names another leader of partition 1, and for how many ms that was asked."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while (passed := loop.time() - began) < WATCHED_MS / 1000:
        view = await stage.client.metadata([stage.topic])
        if view.leader(stage.topic, 1) not in (None, dead):
            return True, round(passed * 1000)
        await asyncio.sleep(LOOK_S)
    return False, round(passed * 1000)


async def _show_what_brokers_say(stage: Stage, dead: int) -> None:
    client: ClusterClient = stage.client
    view = await client.metadata([stage.topic])
    snapshot = snapshot_of(view, [], stage.snapshot, lambda _: 1)
    stage.show(
        picture_of(
            "Without ZooKeeper, as a living broker tells it",
            snapshot,
            [stage.topic],
            stage.brokers,
            gone=[dead],
            note="The dead broker is still in the in-sync set: nobody can remove it.",
        )
    )
