"""Leaders that were replaced and have not heard of it.

The controller tells a leader that another broker leads now. If it cannot reach the leader, and so
counts it as silent, the leader would go on naming itself: with acks=all it acknowledges nothing any
more, and its clients lose a request timeout each time that they ask it. Its followers have heard of
their new leader, though, and have left. So a leader that no other member of the ISR has asked for a
partition for some time reads the partition's state in ZooKeeper. If another broker leads in a newer
epoch, this one stops leading, as by a StopReplica, and tells its clients who leads.

This needs no order of the controller: epochs guard who may take a role, not who may give one up. A
state that is out of date has no newer epoch and changes nothing. When the controller reaches this
broker again, a LeaderAndIsr in the newer epoch makes it a follower. The original goes on naming
itself until then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from barnabas.pace import Pace
from barnabas.replication.partition import Partition
from barnabas.replication.settings import ReplicationContext
from barnabas.types import LeaderAndIsr, TopicPartition

LOOK_S: Final = 1.0
"""Between two looks; doubled after each that found out nothing, up to ``LOOK_S_MAX``: the followers
may be dead or stopped, all of them."""
LOOK_S_MAX: Final = 8.0
WAITS: Final = 3
"""A follower asks again after ``replica.fetch.wait.max.ms`` at the latest. So many of these without
a question are too many."""
READ_AT_ONCE: Final = 512
LOOKED_AT_ONCE: Final = 64

ReadStates: TypeAlias = Callable[
    [Sequence[TopicPartition]], Awaitable[Sequence[LeaderAndIsr | None]]
]
"""The states of partitions in ZooKeeper, in order; None for those that cannot be read."""
Resign: TypeAlias = Callable[[TopicPartition, LeaderAndIsr], bool]
"""Stop leading if this state is newer and names another leader; whether it was."""


def is_left(partition: Partition, since_ms: int) -> bool:
    """Whether this broker leads a partition that has other members in its ISR, of which none has
    fetched since that time of the loop."""
    leadership = partition.leadership
    if leadership is None or partition.offline:
        return False
    isr = leadership.state.committed
    if len(isr) < 2:
        return False
    for watch in partition.watches.followers.values():
        if watch.last_fetch_ms >= since_ms and watch.replica_id in isr:
            return False
    return all(
        remote.last_fetch_ms < since_ms
        for replica, remote in leadership.remotes.items()
        if replica in isr
    )


def may_be_left(
    since_ms: int, looked_since_ms: int, left_ms: int, session_fetches: Iterable[int]
) -> bool:
    """Whether a partition that was not left at the look before, which asked who has fetched since
    ``looked_since_ms``, may be left now. Then the last fetch of it lies between both times: that of
    a session, or one after which its follower stopped asking (``left_ms``). Where thousands of
    partitions are led nobody looks at each of them every second."""
    return left_ms >= looked_since_ms or any(
        looked_since_ms <= fetched_ms < since_ms for fetched_ms in session_fetches
    )


class DeposedLeaders:
    """Finds them among the partitions of one broker."""

    def __init__(
        self,
        context: ReplicationContext,
        hosted: Mapping[TopicPartition, Partition],
        session_fetches: Callable[[], Iterable[int]],
        takes_orders: Callable[[], bool],
        read_states: ReadStates,
        resign: Resign,
    ) -> None:
        """``takes_orders``: whether a LeaderAndIsr is being carried out. Then the controller
        reaches this broker, which has better things to do than to look at all its partitions."""
        self._context = context
        self._hosted = hosted
        self._session_fetches = session_fetches
        self._takes_orders = takes_orders
        self._read_states = read_states
        self._resign = resign

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        pause_s, looked_since_ms = LOOK_S, 0
        left: Sequence[TopicPartition] = ()
        while True:
            await asyncio.sleep(pause_s)
            if self._takes_orders():
                continue
            since_ms = self._since_ms()
            if left or may_be_left(
                *(since_ms, looked_since_ms, self._context.left_ms, self._session_fetches())
            ):
                left = await self._left(since_ms)
            looked_since_ms = since_ms
            in_vain = left and not await self._look(left)
            pause_s = min(2 * pause_s, LOOK_S_MAX) if in_vain else LOOK_S

    def _since_ms(self) -> int:
        """Who has not fetched since then has left."""
        return self._context.now_ms() - WAITS * self._context.settings.replica_fetch_wait_max_ms

    async def _left(self, since_ms: int) -> list[TopicPartition]:
        """The partitions that their followers have left."""
        pace = Pace(self._context.env.stopwatch)
        found = []
        for number, (name, partition) in enumerate(list(self._hosted.items())):
            if is_left(partition, since_ms):
                found.append(name)
            if number % LOOKED_AT_ONCE == 0:
                await pace.step()
        return found

    async def _look(self, left: Sequence[TopicPartition]) -> bool:
        """Read their states, and stop leading where another broker leads; whether there was such a
        one."""
        resigned = False
        for first in range(0, len(left), READ_AT_ONCE):
            some = left[first : first + READ_AT_ONCE]
            states = await self._read_states(some)
            for name, state in zip(some, states, strict=True):
                if state is not None:
                    resigned = self._resign(name, state) or resigned
        return resigned
