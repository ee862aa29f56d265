"""Durable before visible: what is sent waits for the changes that it may show.

Changes of one turn of the loop become one batch. While a batch is being committed the next one
collects. Everything sent, to whomever, waits for the newest batch with a change in it, so replies
and watch events keep their order and a read never shows what a crash could undo.
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
        """So many more (or fewer) bytes wait for a commit."""
        ...


_Held: TypeAlias = dict[Receiver, list[bytes | None]]


class Outbox:
    """Everything the coordinator sends passes here."""

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
        """Commit and deliver until cancelled. What the store raises ends the coordinator."""
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
