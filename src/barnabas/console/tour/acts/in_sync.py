"""Lesson 2, done. The leader is the controller, so that no paused broker is needed."""

from __future__ import annotations

import asyncio

from barnabas.client.cluster import METADATA_VERSION
from barnabas.client.metadata import cluster_view
from barnabas.console.tour.lesson import Seen, broker_set
from barnabas.console.tour.lessons.in_sync import Facts, Write, seen
from barnabas.console.tour.stage import BOUND_S, LOOK_S, Abandoned, Stage
from barnabas.console.tour.writing import ACKS, write_once
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.metadata import MetadataRequest
from barnabas.types import TopicPartition


async def act(stage: Stage) -> list[Seen]:
    """Do it, and say what was seen."""
    leader = stage.snapshot.controller.broker
    if leader not in stage.brokers:
        raise Abandoned("the controller is none of the lessons' brokers")
    first, second = (b for b in stage.brokers if b != leader)
    tp = TopicPartition(stage.topic, 0)

    async def write(acks: str) -> Write:
        # To the leader itself: a paused broker must not be asked where it is.
        told = await write_once(stage.client, leader, tp, acks.encode(), acks)
        stage.say(f"acks={acks}: {'done' if told.ok else told.answer} after {told.ms:,} ms.")
        return told

    async with stage.step("create"):
        await stage.create({0: (leader, first, second)}, min_insync_replicas="2")
        stage.picture("Before: all in sync")
    async with stage.step("calm"):
        await write("all")  # the first one opens the connection
        stage.run.steps[-1].said.clear()
        calm = {acks: await write(acks) for acks in ACKS}
    async with stage.step("pause"):
        stage.zero()
        await stage.process("pause", first)
        # Both are sent at once, so that the second one meets the follower in its place as well.
        one, everybody = await asyncio.gather(write("1"), write("all"))
        await stage.until(lambda _: first not in stage.isr(stage.topic))
        isr_after = stage.isr(stage.topic)
        stage.say(f"In sync after that: {broker_set(isr_after)}.")
    async with stage.step("second"):
        await stage.process("pause", second)
        await stage.until(lambda _: stage.isr(stage.topic) == (leader,))
        isr_alone = stage.isr(stage.topic)
        await _until_known(stage, leader)
        stage.picture("Both followers silent: the leader is alone")
    async with stage.step("alone"):
        alone_one, alone_all = await write("1"), await write("all")
    async with stage.step("resume"):
        for broker in (first, second):
            await stage.process("resume", broker)
        back_ms = await stage.until(lambda _: len(stage.isr(stage.topic)) == 3, 2 * BOUND_S)
        stage.picture("After: all in sync again")
    return seen(
        Facts(
            calm=calm,
            paused=first,
            one=one,
            all=everybody,
            isr_after=isr_after,
            isr_alone=isr_alone,
            alone_one=alone_one,
            alone_all=alone_all,
            isr_back=stage.isr(stage.topic),
            back_ms=back_ms,
        )
    )


async def _until_known(stage: Stage, leader: int) -> None:
    """Wait until the leader knows that it is alone: it hears of that after the znode says it, and
    before its metadata do. Else it takes a write, which waits for a follower's copy (KIP-966)."""
    request = MetadataRequest(
        topics=[MetadataRequest.Topic(topic_id=None, name=stage.topic)],
        allow_auto_topic_creation=False,
        include_topic_authorized_operations=False,
    )
    loop = asyncio.get_running_loop()
    deadline = loop.time() + BOUND_S
    while loop.time() < deadline:
        answer = await stage.client.broker(leader, ApiKey.METADATA, METADATA_VERSION, request)
        if cluster_view(answer).topics[stage.topic].partitions[0].isr == (leader,):
            return
        await asyncio.sleep(LOOK_S)
