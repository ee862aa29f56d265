"""Lesson 4, done."""

from __future__ import annotations

from barnabas.console.tour.lesson import Seen, plural
from barnabas.console.tour.lessons.controller_dies import Facts, seen
from barnabas.console.tour.stage import BOUND_S, Abandoned, Stage
from barnabas.console.tour.writing import Writer, compared, read_all
from barnabas.types import TopicPartition

BEFORE, AFTER = 50, 50


async def act(stage: Stage) -> list[Seen]:
    """Do it, and say what was seen."""
    was = stage.snapshot.controller
    old = was.broker
    if old not in stage.brokers:
        raise Abandoned("the controller is none of the lessons' brokers")
    x, y = (b for b in stage.brokers if b != old)
    tp = TopicPartition(stage.topic, 0)
    async with stage.step("create"):
        await stage.create({0: (x, y), 1: (old, x)})
        stage.picture("Before")
        led_before = _led(stage)
    async with Writer(stage.new_client(), tp, stage.wall_ms) as writer:
        async with stage.step("write"):
            if not await writer.more(BEFORE, BOUND_S):
                raise Abandoned(f"the writer does not get on: {writer.failure}")
        async with stage.step("kill"):
            killed_ms = stage.zero()
            await stage.process("kill", old)
            await stage.until(lambda s: s.controller.broker not in (-1, old))
            await stage.until(lambda _: stage.leader(stage.topic, 1) not in (-1, old))
            await writer.more(AFTER, BOUND_S)
            stage.picture("After the death")
            led_after = _led(stage)
    acks, now = writer.acks, stage.snapshot.controller
    elected = await stage.until_event(lambda e: e.kind == "controller_elected", 1.0)
    led = await stage.until_event(
        lambda e: e.kind == "leader_elected" and e.topic == stage.topic and e.partition == 1, 1.0
    )
    async with stage.step("read"):
        lost, twice = compared(acks.count, await read_all(stage.client, tp))
        stage.say(f"{plural(acks.count, 'record')} acknowledged, {lost} lost, {twice} twice.")
    leader = stage.leader(stage.topic, 1)
    async with stage.step("restart"):
        await stage.process("restart", old)
        await stage.until(lambda _: old in stage.isr(stage.topic, 1))
        stage.picture("The broker is back, as one of the others")
    return seen(
        Facts(
            old=old,
            old_epoch=was.epoch,
            new=-1 if now.broker == old else now.broker,
            new_epoch=now.epoch,
            elected_ms=None if elected is None else elected.time_ms - killed_ms,
            leader=-1 if leader == old else leader,
            led_ms=None if led is None else led.time_ms - killed_ms,
            acked=acks.count,
            acked_after=acks.sent_after(killed_ms),
            led_before=led_before,
            led_after=led_after,
            acked_between=acks.between(
                killed_ms, killed_ms if elected is None else elected.time_ms
            ),
            still_ms=acks.still_ms,
            lost=lost,
            twice=twice,
        )
    )


def _led(stage: Stage) -> tuple[int, int]:
    """Leader and leader epoch of partition 0."""
    found = stage.partition(stage.topic)
    return (-1, -1) if found is None else (found.leader, found.leader_epoch)
