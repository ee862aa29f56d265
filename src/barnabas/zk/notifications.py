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
REST_MAX_S: Final = 0.5


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
        self._made_ms: dict[int, int] = {}
        """When those that have been read were made: none is read twice."""
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
        """Follow the notifications, for ever. A list of many takes long to read: it rests between
        two lists for as long as one took."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            begun = loop.time()
            try:
                await self._follow()
            except SessionExpired:
                pass  # ``on_new_session`` wakes us again
            await asyncio.sleep(min(loop.time() - begun, REST_MAX_S))
            await self._wake.wait()

    async def _follow(self) -> None:
        numbers = sorted(await self._numbers(watch=True))
        self._made_ms = {n: self._made_ms[n] for n in numbers if n in self._made_ms}
        for number in numbers:
            await self._process(number, f"{self._prefix}{number:010d}")

    async def _numbers(self, *, watch: bool = False) -> list[int]:
        try:
            names, _ = await persist(
                self._zookeeper, lambda: self._zookeeper.children(self._parent, watch=watch)
            )
        except NoNode:
            return []
        return list(_numbers(child_name(self._prefix), names))

    async def _process(self, number: int, path: str) -> None:
        made_ms = self._made_ms.get(number)
        if made_ms is None:
            try:
                data, stat = await persist(self._zookeeper, lambda: self._zookeeper.get(path))
            except NoNode:
                return
            if number > self._last_change:
                await self._process_body(path, data)
                self._last_change = number
            made_ms = self._made_ms[number] = stat.ctime
        if self._clock.wall_ms() - made_ms > CHANGE_EXPIRATION_MS:
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
