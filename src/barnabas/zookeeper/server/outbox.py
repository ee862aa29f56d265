"""Holds back everything that is sent until the changes before it are durable.

Without this a client could see a change that a crash then undoes. The changes of one turn of the
event loop become one batch; while a batch is committed, the next one collects. Each frame, to any
client, waits for the newest batch with a change in it. So replies and watch events keep their
order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeAlias

from barnabas.zookeeper.server.store import Batch, Store


class Receiver(Protocol):
    """A connection, as the outbox sees it."""

    def deliver(self, frames: list[bytes | None]) -> None:
        """Send now; None stands for closing the connection."""
        ...

    def hold(self, size: int) -> None:
        """``size`` more bytes (fewer if negative) wait for a commit."""
        ...


_Held: TypeAlias = dict[Receiver, list[bytes | None]]


class Outbox:
    """Everything that the coordinator sends goes through here."""

    def __init__(self, store: Store, collect: Callable[[], Batch]) -> None:
        self._store = store
        self._collect = collect
        self._wake = asyncio.Event()
        self._next: _Held = {}
        self._running: _Held | None = None
        self._dirty = False

    def changed(self) -> None:
        """There is something to commit."""
        self._dirty = True
        self._wake.set()

    def send(self, receiver: Receiver, frame: bytes | None) -> None:
        """Send a frame (None: close) as soon as all changes made so far are durable."""
        held = self._next if self._dirty else self._running
        if held is None:
            receiver.deliver([frame])
            return
        if frame is not None:
            receiver.hold(len(frame))
        held.setdefault(receiver, []).append(frame)

    async def run(self) -> None:
        """Commit and deliver until cancelled. An error of the store ends the coordinator."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._dirty:
                self._dirty = False
                held, self._next = self._next, {}
                self._running = held
                await self._store.commit(self._collect())
                self._running = None
                for receiver, frames in held.items():
                    receiver.hold(-sum(len(frame) for frame in frames if frame is not None))
                    receiver.deliver(frames)
