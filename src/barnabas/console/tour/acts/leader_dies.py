"""Lesson 3, done."""

from __future__ import annotations

from barnabas.console.tour.lesson import Seen, plural
from barnabas.console.tour.lessons.leader_dies import Facts, seen
from barnabas.console.tour.stage import BOUND_S, Abandoned, Stage
from barnabas.console.tour.writing import Writer, compared, read_all
from barnabas.types import TopicPartition

BEFORE, AFTER = 50, 50
"""Records before the kill and after the election."""


async def act(stage: Stage) -> list[Seen]:
    """Do it, and say what was seen."""
    controller = stage.snapshot.controller.broker
    replicas = tuple(sorted(stage.brokers, key=lambda b: (b == controller, b)))
    old, tp = replicas[0], TopicPartition(stage.topic, 0)
    async with stage.step("create"):
        await stage.create({0: replicas})
        before = stage.partition(stage.topic)
        assert before is not None
        stage.picture("Before")
    async with Writer(stage.new_client(), tp, stage.wall_ms) as writer:
        async with stage.step("write"):
            if not await writer.more(BEFORE, BOUND_S):
                raise Abandoned(f"the writer does not get on: {writer.failure}")
        async with stage.step("kill"):
            killed_ms = stage.zero()
            await stage.process("kill", old)
            await stage.until(lambda _: stage.leader(stage.topic) not in (-1, old))
            led = stage.partition(stage.topic)
            await writer.more(AFTER, BOUND_S)
            stage.picture("After the death")
    acks = writer.acks
    new = stage.leader(stage.topic)
    new = -1 if new == old else new
    event = await stage.until_event(
        lambda e: e.kind == "leader_elected" and e.topic == stage.topic and e.broker == new, 1.0
    )
    async with stage.step("read"):
        lost, twice = compared(acks.count, await read_all(stage.client, tp))
        stage.say(f"{plural(acks.count, 'record')} acknowledged, {lost} lost, {twice} twice.")
    async with stage.step("restart"):
        await stage.process("restart", old)
        back_ms = await stage.until(lambda _: old in stage.isr(stage.topic))
        stage.picture("The broker is back")
    return seen(
        Facts(
            replicas=replicas,
            old=old,
            old_epoch=before.leader_epoch,
            isr_before=before.isr,
            new=new,
            new_epoch=-1 if led is None else led.leader_epoch,
            elected_ms=None if event is None else event.time_ms - killed_ms,
            acked=acks.count,
            acked_after=acks.sent_after(killed_ms),
            still_ms=acks.still_ms,
            lost=lost,
            twice=twice,
            back_ms=back_ms,
            leader_then=await _leader_then(stage, old),
        )
    )


async def _leader_then(stage: Stage, returned: int) -> int:
    """The leader when a broker was in sync again. Where the controller looks for preferred leaders
    just then, the returned one may lead already: who led before that is meant."""
    leader = stage.leader(stage.topic)
    if leader != returned:
        return leader
    event = await stage.until_event(
        lambda e: (
            e.kind == "leader_elected"
            and e.topic == stage.topic
            and e.broker == returned
            and e.strategy == "preferred"
        ),
        1.0,
    )
    was = None if event is None else event.fields.get("was")
    return was if isinstance(was, int) else leader
