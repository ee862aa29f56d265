"""ZkNodeChangeNotificationListener: follows a node whose children each announce one change.

A notification only says what to read again, so handling one twice does no harm. Every broker
deletes old ones, as in the original.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Final

from barnabas.seams import Clock
from barnabas.zk import paths
from barnabas.zk.startup import persist
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.client.operations import WatchEvent
from barnabas.zookeeper.errors import NoNode, SessionExpired
from barnabas.zookeeper.path_names import child_name, parent_of

CHANGE_EXPIRATION_MS: Final = 15 * 60 * 1000


class ChangeNotifications:
    """``run`` as a task. ``prefix``: path of the sequential nodes, without their number;
    ``process``: given the path and the body of one."""

    def __init__(
        self,
        clock: Clock,
        zookeeper: ZooKeeperClient,
        prefix: str,
        process: Callable[[str, bytes], Awaitable[None]],
    ) -> None:
        self._clock = clock
        self._zookeeper = zookeeper
        self._prefix = prefix
        self._parent = parent_of(prefix)
        self._process_body = process
        self._last_change = -1
        self._wake = asyncio.Event()

    def on_event(self, event: WatchEvent) -> None:
        """Told of every watch event of the session."""
        if event.path == self._parent:
            self._wake.set()

    def on_new_session(self) -> None:
        """Watches are gone with the old session: look again."""
        self._wake.set()

    async def pass_over(self) -> None:
        """Skip the notifications that exist now: the caller is about to read everything."""
        for number in await self._numbers():
            self._last_change = max(self._last_change, number)

    async def run(self) -> None:
        """Follow the notifications, for ever."""
        while True:
            self._wake.clear()
            try:
                for number in sorted(await self._numbers(watch=True)):
                    await self._process(number, f"{self._prefix}{number:010d}")
            except SessionExpired:
                pass  # ``on_new_session`` wakes us again
            await self._wake.wait()

    async def _numbers(self, *, watch: bool = False) -> list[int]:
        try:
            names, _ = await persist(
                self._zookeeper, lambda: self._zookeeper.children(self._parent, watch=watch)
            )
        except NoNode:
            return []
        return list(_numbers(child_name(self._prefix), names))

    async def _process(self, number: int, path: str) -> None:
        try:
            data, stat = await persist(self._zookeeper, lambda: self._zookeeper.get(path))
        except NoNode:
            return
        if number > self._last_change:
            await self._process_body(path, data)
            self._last_change = number
        if self._clock.wall_ms() - stat.ctime > CHANGE_EXPIRATION_MS:
            try:
                await persist(self._zookeeper, lambda: self._zookeeper.delete(path))
            except NoNode:
                return  # another broker was first


def _numbers(prefix: str, names: Iterable[str]) -> Iterator[int]:
    """Of the nodes that are notifications; others are left alone."""
    for name in names:
        try:
            number = paths.sequence_number(name)
        except ValueError:
            continue
        if name == f"{prefix}{number:010d}":
            yield number
