"""Appends of one producer to one partition stay in the order of their requests, though some wait
for a verdict of the coordinator and later ones need none. (Kafka serves one request of a connection
after the other; here a producer's requests are served as they come.)"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, TypeAlias

from barnabas.coordinator.transaction.verification import Verdicts
from barnabas.types import TopicPartition

Turn: TypeAlias = "asyncio.Future[Verdicts]"


class AppendOrder:
    """The turns of the requests that wait on one broker. A turn is done with the verdicts of its
    request, after all turns before it; it is also over when whoever waits for it is cancelled."""

    def __init__(self) -> None:
        self._last: dict[tuple[TopicPartition, int], asyncio.Future[Any]] = {}
        """Who comes next waits for it."""
        self._loop = asyncio.get_running_loop()

    def turn(
        self,
        producer_id: int,
        partitions: Iterable[TopicPartition],
        verdicts: Turn | None,
        appended: asyncio.Future[None] | None = None,
    ) -> Turn | None:
        """The turn of a request. ``verdicts``: what it waits for itself, if anything. ``appended``:
        of a request whose append takes more than one turn of the loop; who comes next waits for
        that too. None if it may append at once."""
        keys = [(partition, producer_id) for partition in partitions]
        before = dict.fromkeys(last for key in keys if (last := self._last.get(key)) is not None)
        awaited: list[asyncio.Future[Any]] = [*before, *(() if verdicts is None else (verdicts,))]
        if not awaited:
            return None
        turn: Turn = self._loop.create_future()
        left = len(awaited)

        def one_is_over(_: asyncio.Future[Any]) -> None:
            nonlocal left
            left -= 1
            if left or turn.done():
                return
            if verdicts is not None and verdicts.cancelled():
                turn.cancel()
            else:
                turn.set_result({} if verdicts is None else verdicts.result())

        def forget(end: asyncio.Future[Any]) -> None:
            for key in keys:
                if self._last.get(key) is end:
                    del self._last[key]

        end: asyncio.Future[Any] = turn if appended is None else appended
        end.add_done_callback(forget)
        for each in awaited:
            each.add_done_callback(one_is_over)
        self._last.update(dict.fromkeys(keys, end))
        return turn
