"""Connections to ZooKeeper that are lost in the middle of multis: before a share of them leaves, or
when its answer has come and nobody has heard it yet. Other requests of the client are lost with it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.simulation.kernel import Kernel

from barnabas.zookeeper.client.client import SessionState, ZooKeeperClient
from barnabas.zookeeper.client.operations import MultiOp
from barnabas.zookeeper.errors import ConnectionLoss


@contextmanager
def lost_multis(share: float, kernel: Kernel) -> Iterator[None]:
    """So it is for every client in this process, for the time of the context."""
    if not share:
        yield
        return
    streams: dict[ZooKeeperClient, random.Random] = {}
    before = ZooKeeperClient.submit

    def submit(self: ZooKeeperClient, op: Any) -> asyncio.Future[Any]:
        stream = streams.get(self)
        if stream is None:
            stream = streams[self] = kernel.random(f"lost/{len(streams)}")
        connection = self._connection
        is_cut = (
            isinstance(op, MultiOp)
            and connection is not None
            and self.state is SessionState.CONNECTED
            and stream.random() < share
        )
        if not is_cut:
            return before(self, op)
        assert connection is not None
        if stream.random() < 0.5:
            connection.drop("lost before a multi")
            return before(self, op)
        heard: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def answered(answer: asyncio.Future[Any]) -> None:
            if answer.cancelled():
                heard.cancel()
                return
            answer.exception()
            if not heard.done():
                heard.set_exception(ConnectionLoss(op.path, "(its answer was lost)"))
            connection.drop("lost after a multi")

        before(self, op).add_done_callback(answered)
        return heard

    ZooKeeperClient.submit = submit  # type: ignore[method-assign]
    try:
        yield
    finally:
        ZooKeeperClient.submit = before  # type: ignore[method-assign]
