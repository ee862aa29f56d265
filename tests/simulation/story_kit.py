"""What stories share: where they happen, and waiting for what they wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.simulation.kernel import MILLISECOND
from tests.simulation.nemesis import Nemesis
from tests.simulation.network import Link
from tests.simulation.nodes import Process

from barnabas.types import LeaderAndIsr, TopicPartition

LAGGING = Link(latency_ns=600 * MILLISECOND, jitter_ns=300 * MILLISECOND, bytes_per_second=200_000)
LATE = Link(latency_ns=1500 * MILLISECOND)
SESSION_S = 6.0
LAG_S = 8.0
"""replica.lag.time.max.ms"""
OUTAGE_S = 18.0
"""Longer than session timeout, or lag time and a half, and what an ISR change takes."""


def some_partition(nemesis: Nemesis) -> tuple[TopicPartition, LeaderAndIsr] | None:
    """Some partition that has a leader."""
    if nemesis.invariants is None:
        return None
    states = nemesis.invariants.states
    led = [tp for tp in sorted(states) if states[tp].leader > 0]
    if not led:
        return None
    chosen = nemesis.stream.choice(led)
    return chosen, states[chosen]


def broker_process(nemesis: Nemesis, number: int) -> Process:
    return nemesis.simulation.processes[f"b{number}"]


async def until(condition: Callable[[], bool], limit_s: float) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_s
    while loop.time() < deadline:
        if condition():
            return True
        await asyncio.sleep(0.01)
    return False
