"""Stories of machines that fall silent, and of controllers that might think so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from tests.simulation.nemesis import Fault, Nemesis
from tests.simulation.nodes import Process
from tests.simulation.story_kit import broker_process

NOTICED_S = 3.0
"""barnabas.controller.silence.ms, and what it takes to look, to elect and to write."""
AWAY_S = 4.5
"""Shorter than a session: only who looks for silence notices it."""
STOPPED_S = 3.5
"""With it a session lasts, whenever its last ping was."""
HICCUP_S = 1.2
"""What a machine may be silent for without being blamed."""
FOUND_OUT_S = NOTICED_S + 3.5
"""And what a leader that is told nothing needs to find out that others lead."""


async def _cable(nemesis: Nemesis) -> None:
    """A machine's cable is out: packets vanish, connections stay. Alone, and if it is not the
    controller's, it must be out of all ISRs soon; a hiccup must not be noticed."""
    process, judge, stream = nemesis.target(), nemesis.invariants, nemesis.stream
    controller, broker = 0 if judge is None else judge.controller, int(process.name[1:])
    is_hiccup = stream.random() < 0.3
    nemesis.simulation.life("cable", f"{process.name}, {'hiccup' if is_hiccup else 'out'}")
    options = nemesis.options
    ends = nemesis.others(process)
    if not (options.acls or options.quotas or options.tokens or options.witness):
        ends.append("clients")  # else somebody expects his answers in time
    with _nobody_blamed(nemesis, "cable") if is_hiccup else nullcontext():
        for end in ends:
            nemesis.simulation.network.cut(process.host.name, end)
        await asyncio.sleep(stream.uniform(0.3, HICCUP_S) if is_hiccup else NOTICED_S)
        if not is_hiccup:
            if judge is not None and controller not in (0, broker):
                left = [
                    str(tp) for tp, state in sorted(judge.states.items()) if broker in state.isr
                ]
                if left:
                    text = f"broker {broker} is silent for {NOTICED_S} s, but in the ISR of {left}"
                    _fail(nemesis, "cable", text)
            await asyncio.sleep(stream.uniform(0.0, AWAY_S - NOTICED_S))
        for end in ends:
            nemesis.simulation.network.mend(process.host.name, end)
        await asyncio.sleep(1.0 if is_hiccup else stream.uniform(0.0, 4.0))


async def _deaf(nemesis: Nemesis) -> None:
    """The controller hears no other broker, though it reaches the coordinator. Alone, it must not
    elect around the others, who are well."""
    controller = _controller(nemesis)
    if controller is None:
        return
    nemesis.simulation.life("deaf", controller.name)
    ends = [end for end in nemesis.others(controller) if end != "zk"]
    with _nobody_blamed(nemesis, "deaf"):
        for end in ends:
            nemesis.simulation.network.cut(controller.host.name, end)
        await asyncio.sleep(nemesis.stream.uniform(2.5, AWAY_S))
        for end in nemesis.stream.sample(ends, len(ends)):
            nemesis.simulation.network.mend(controller.host.name, end)
            await asyncio.sleep(nemesis.stream.choice((0.0, 0.3, 1.0)))
        await asyncio.sleep(1.0)


async def _stopped(nemesis: Nemesis) -> None:
    """The controller's process stops for a while. Alone, it must not blame others for that."""
    controller = _controller(nemesis)
    if controller is None:
        return
    with _nobody_blamed(nemesis, "stopped"):
        controller.pause()
        await asyncio.sleep(nemesis.stream.uniform(2.2, STOPPED_S))
        controller.resume()
        await asyncio.sleep(1.5)


async def _unheard(nemesis: Nemesis) -> None:
    """A leader is cut from the controller only, one way or both. Alone, others are elected, and it
    must find out by itself that it does not lead any more."""
    controller, judge = _controller(nemesis), nemesis.invariants
    process = nemesis.target()
    if controller is None or judge is None or process is controller or not process.alive:
        return
    broker = int(process.name[1:])
    ways = [(process.host.name, controller.host.name), (controller.host.name, process.host.name)]
    chosen = nemesis.stream.choice((ways, ways[:1], ways[1:]))
    nemesis.simulation.life("unheard", f"{process.name} ({len(chosen)} ways)")
    deposed: dict[tuple[object, object], None] = {}

    def heard(who: Process, event: str, fields: dict[str, object]) -> None:
        if who is process and event in ("leader_deposed", "became_follower"):
            deposed[fields["topic"], fields["partition"]] = None

    before = {tp: state for tp, state in judge.states.items() if state.leader == broker}
    nemesis.simulation.listening.append(heard)
    for way in chosen:
        nemesis.simulation.network.block(*way)
    try:
        await asyncio.sleep(FOUND_OUT_S)
        for tp, led in sorted(before.items()):
            now = judge.states.get(tp)
            if now is None or now.leader_epoch == led.leader_epoch or now.leader == broker:
                continue
            if len(led.isr) > 1 and (tp.topic, tp.partition) not in deposed:
                text = f"broker {broker} does not know that broker {now.leader} leads {tp}"
                _fail(nemesis, "unheard", text)
    finally:
        nemesis.simulation.listening.remove(heard)
        for way in chosen:
            nemesis.simulation.network.unblock(*way)
    await asyncio.sleep(nemesis.stream.uniform(0.0, 4.0))


def _controller(nemesis: Nemesis) -> Process | None:
    judge = nemesis.invariants
    if judge is None or f"b{judge.controller}" not in nemesis.simulation.processes:
        return None
    return broker_process(nemesis, judge.controller)


@contextmanager
def _nobody_blamed(nemesis: Nemesis, story: str) -> Iterator[None]:
    """No controller treats a broker as silent."""

    def heard(process: Process, event: str, fields: dict[str, object]) -> None:
        if event == "broker_down" and str(fields["reason"]).startswith("silent"):
            _fail(nemesis, story, f"{process.name} has blamed {fields['broker']}, which is well")

    nemesis.simulation.listening.append(heard)
    try:
        yield
    finally:
        nemesis.simulation.listening.remove(heard)


def _fail(nemesis: Nemesis, story: str, text: str) -> None:
    if nemesis.options.kinds == (story,):
        nemesis.simulation.fail("invariants", f"SilentMachine: {text}")


SILENCE_STORIES: dict[str, Fault] = {
    "cable": _cable,
    "deaf": _deaf,
    "stopped": _stopped,
    "unheard": _unheard,
}
