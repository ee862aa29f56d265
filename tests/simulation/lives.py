"""Several lives of one process on one host, each of them a step of a test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from tests.simulation.disk import DiskSettings
from tests.simulation.nodes import Process, Simulation

from barnabas.seams import Env

Step = Callable[[Env], Coroutine[Any, Any, None]]


def play(seed: int, *steps: Step | str, disk: DiskSettings | None = None) -> None:
    """Run steps one after the other as incarnations of one process, with ``kill`` or ``power``
    between them."""
    simulation = Simulation(seed, disk=disk)
    left = list(steps)

    async def main(env: Env) -> None:
        step = left.pop(0)
        assert not isinstance(step, str)
        await step(env)
        await asyncio.sleep(10_000)

    async def scenario() -> None:
        process: Process | None = None
        while left:
            if left[0] == "power":
                left.pop(0)
                simulation.hosts["n"].power_loss()
                simulation.hosts["n"].power_on()
            elif left[0] == "kill":
                left.pop(0)
                simulation.processes["n"].kill()
            elif process is None:
                process = simulation.start("n", main)
            else:
                process.start()
            await asyncio.sleep(5)

    simulation.run(scenario)
