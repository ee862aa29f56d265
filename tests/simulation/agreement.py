"""When all is whole again, every broker tells clients the same: leaders, ISRs, brokers, controller.

A client that asks one broker for metadata is sent where that broker sends it. One that was left out
of an update, and gets no other, would send its clients astray for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.client.metadata import ClusterView
from barnabas.types import LeaderAndIsr, TopicPartition

AGREE_S = 15.0
"""An update that was due when all became whole has arrived by then."""


async def disagreement(
    listeners: Mapping[int, str], states: Mapping[TopicPartition, LeaderAndIsr]
) -> str:
    """Ask each broker until all say what the coordinator says (``states``); "" then, and after
    ``AGREE_S`` what one of them says else. ``listeners``: host:port of each broker."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + AGREE_S
    while True:
        views = [await _view(address) for address in listeners.values()]
        found = _difference(listeners, states, views)
        if not found or loop.time() > deadline:
            return found
        await asyncio.sleep(0.5)


async def _view(address: str) -> ClusterView | None:
    """What one broker says; None if it does not answer."""
    async with ClusterClient(address, "agreement", timeout_ms=2000) as client:
        try:
            return await client.metadata()
        except (OSError, ClientError, Unreachable):
            return None


def _difference(
    brokers: Mapping[int, str],
    states: Mapping[TopicPartition, LeaderAndIsr],
    views: Sequence[ClusterView | None],
) -> str:
    for broker, view in zip(brokers, views, strict=True):
        if view is None:
            return f"broker {broker} does not answer"
        if sorted(view.brokers) != sorted(brokers):
            return f"broker {broker} names the brokers {sorted(view.brokers)}"
        for name, topic in view.topics.items():
            for told in topic.partitions:
                state = states.get(TopicPartition(name, told.partition))
                if state is None:
                    return f"broker {broker} names {name}-{told.partition}, which is no more"
                says = (told.leader, told.leader_epoch, sorted(told.isr))
                holds = (state.leader, state.leader_epoch, sorted(state.isr))
                if says != holds:
                    return (
                        f"broker {broker} says of {name}-{told.partition} (leader, epoch, ISR) "
                        f"{says}, the coordinator {holds}"
                    )
        missing = {tp.topic for tp in states} - {*view.topics}
        if missing:
            return f"broker {broker} does not name {sorted(missing)}"
    controllers = {view.controller_id for view in views if view is not None}
    return "" if len(controllers) == 1 else f"brokers name the controllers {sorted(controllers)}"
