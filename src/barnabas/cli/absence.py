"""Waits of a command for brokers that are not there, and for a controller."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from barnabas.cli.obstacle import Obstacle, not_registered
from barnabas.client.errors import ClientError, Unfinished, Unreachable
from barnabas.client.metadata import ClusterView
from barnabas.client.reassignment import Move
from barnabas.errors import ErrorCode

T = TypeVar("T")

LOOK_EVERY_S: Final = 1.0


class Absence:
    """Brokers that are not registered, and that moves wait for."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._obstacle = Obstacle()
        self._since_s: float | None = None
        """Since then every move has been waiting."""

    def look(self, going: Sequence[Move], view: ClusterView) -> str | None:
        """``view``: of all topics of these moves, with registered brokers only. Returns what to
        tell the user now, if anything. Raises Unfinished when its patience is over."""
        now_s = asyncio.get_running_loop().time()
        waiting = {m: absent for m in going if (absent := awaited(m, view))}
        brokers = frozenset[int]().union(*waiting.values())
        tells = self._obstacle.met(brokers, now_s)
        if len(waiting) < len(going):
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s
        text = f"{counted(list(waiting), 'waits', 'wait')} until all brokers are there:"
        if self._since_s is not None and now_s - self._since_s > self._patience_s:
            said = f"{text} {not_registered(brokers)}, for {self._patience_s:.0f} s now"
            raise Unfinished("moves", said)
        return f"{text} {not_registered(brokers)}" if tells else None


def awaited(move: Move, view: ClusterView) -> frozenset[int]:
    """The brokers that are not registered and that a move waits for: all that are to have the
    partition must be in sync, and somebody must lead it. Pure."""
    leader = view.leader(move.partition.topic, move.partition.partition)
    needed = move.replicas if leader is None else move.target
    return frozenset(needed).difference(view.brokers)


async def patiently(
    step: Callable[[], Awaitable[T]],
    patience_s: float,
    on_loss: Callable[[Exception], None] | None = None,
) -> T:
    """Take a step again and again while no broker answers, there is no controller, or it does not
    answer in time; ``on_loss`` is told each time. The step must be one that may be repeated. Raises
    Unreachable when the patience is over."""
    loop = asyncio.get_running_loop()
    since_s: float | None = None
    while True:
        try:
            return await step()
        except (Unreachable, OSError) as error:
            last: Exception = error
        except ClientError as error:
            if error.code != ErrorCode.REQUEST_TIMED_OUT:
                raise
            last = error
        if since_s is None:
            since_s = loop.time()
        if loop.time() - since_s > patience_s:
            raise Unreachable(f"{last}, for {patience_s:.0f} s now")
        if on_loss is not None:
            on_loss(last)
        await asyncio.sleep(LOOK_EVERY_S)


def counted(moves: Sequence[Move], of_one: str, of_many: str) -> str:
    """``1 move waits``, ``2 moves wait``."""
    return f"1 move {of_one}" if len(moves) == 1 else f"{len(moves)} moves {of_many}"
