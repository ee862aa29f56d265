"""ZooKeeper's answers, late: a share of them reaches whoever awaits it some time after it came.

Whatever was looked at before such an await may be different after it: here it often is. Answers of
one client stay in their order; its watch events do not wait for them.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.simulation.kernel import Kernel

from barnabas.zookeeper.client.client import ZooKeeperClient

LONGEST_S = 0.6


class _Lateness:
    """Of the answers to one client."""

    def __init__(self, share: float, stream: random.Random) -> None:
        self._share = share
        self._stream = stream
        self._until = 0.0

    def delayed(self, answer: asyncio.Future[Any]) -> asyncio.Future[Any]:
        """What is awaited in its place."""
        loop = asyncio.get_running_loop()
        late: asyncio.Future[Any] = loop.create_future()

        def came(_: asyncio.Future[Any]) -> None:
            now = loop.time()
            if self._stream.random() < self._share:
                self._until = max(self._until, now + self._stream.uniform(0, LONGEST_S))
            if self._until <= now:
                _settle(late, answer)
            else:
                loop.call_at(self._until, _settle, late, answer)

        answer.add_done_callback(came)
        return late


def _settle(late: asyncio.Future[Any], answer: asyncio.Future[Any]) -> None:
    if answer.cancelled():
        late.cancel()
    elif (error := answer.exception()) is not None:
        if not late.done():
            late.set_exception(error)
    elif not late.done():
        late.set_result(answer.result())


@contextmanager
def late_answers(share: float, kernel: Kernel) -> Iterator[None]:
    """So it is for every client in this process, for the time of the context."""
    if not share:
        yield
        return
    known: dict[ZooKeeperClient, _Lateness] = {}
    before = ZooKeeperClient.submit

    def submit(self: ZooKeeperClient, op: Any) -> asyncio.Future[Any]:
        lateness = known.get(self)
        if lateness is None:
            lateness = known[self] = _Lateness(share, kernel.random(f"late/{len(known)}"))
        return lateness.delayed(before(self, op))

    ZooKeeperClient.submit = submit  # type: ignore[method-assign]
    try:
        yield
    finally:
        ZooKeeperClient.submit = before  # type: ignore[method-assign]
