"""ZkNodeChangeNotificationListener: follows a node whose children are notifications of changes.

A notification only says what to read again. So handling one twice does no harm, and several that
name the same thing are handled once. Every broker deletes old notifications, as in Kafka.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from barnabas.seams import Clock
from barnabas.zk import paths
from barnabas.zk.startup import persist, read_all
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.client.operations import DeleteOp, GetOp, Operation, WatchEvent
from barnabas.zookeeper.errors import NoNode, SessionExpired
from barnabas.zookeeper.messages import Stat
from barnabas.zookeeper.path_names import child_name, parent_of

CHANGE_EXPIRATION_MS: Final = 15 * 60 * 1000
REST_MAX_S: Final = 0.5
AT_ONCE_MAX: Final = 100
"""How many notifications are read and handled together."""

Process: TypeAlias = Callable[[Sequence[tuple[str, bytes]]], Awaitable[None]]
"""Handles some notifications: (path, body) of each, in their order."""


class RereadOnNewSession:
    """Reads everything again with each new session, since watches ended with the old one and
    notifications may have been deleted. Run ``run`` as a task."""

    def __init__(self, read_all: Callable[[], Awaitable[None]]) -> None:
        self._read_all = read_all
        self._stale = asyncio.Event()

    def on_new_session(self) -> None:
        """Read everything again: what is known may be outdated."""
        self._stale.set()

    async def run(self) -> None:
        """Follow the sessions until cancelled."""
        while True:
            await self._stale.wait()
            self._stale.clear()
            try:
                await self._read_all()
            except SessionExpired:
                continue  # ``on_new_session`` starts it again


class ChangeNotifications:
    """Run ``run`` as a task. ``prefix``: the path of the sequential nodes, without the number."""

    def __init__(
        self,
        clock: Clock,
        zookeeper: ZooKeeperClient,
        prefix: str,
        process: Process,
    ) -> None:
        self._clock = clock
        self._zookeeper = zookeeper
        self._prefix = prefix
        self._parent = parent_of(prefix)
        self._process = process
        self._last_change = -1
        self._made_ms: dict[int, int] = {}
        """When the notifications that were read were created. None is read twice."""
        self._wake = asyncio.Event()

    def on_event(self, event: WatchEvent) -> None:
        """Called with every watch event of the session."""
        if event.path == self._parent:
            self._wake.set()

    def on_new_session(self) -> None:
        """Look again: watches ended with the old session."""
        self._wake.set()

    async def pass_over(self) -> None:
        """Skip the notifications that exist now: the caller is about to read everything."""
        for number in await self._numbers():
            self._last_change = max(self._last_change, number)

    async def run(self) -> None:
        """Follow the notifications until cancelled. Reading many takes long, so after each list it
        pauses for as long as the list took."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            begun = loop.time()
            try:
                await self._follow()
            except SessionExpired:
                pass  # ``on_new_session`` starts it again
            await asyncio.sleep(min(loop.time() - begun, REST_MAX_S))
            await self._wake.wait()

    async def _follow(self) -> None:
        numbers = sorted(await self._numbers(watch=True))
        self._made_ms = {n: self._made_ms[n] for n in numbers if n in self._made_ms}
        unread = [number for number in numbers if number not in self._made_ms]
        for start in range(0, len(unread), AT_ONCE_MAX):
            await self._read(unread[start : start + AT_ONCE_MAX])
        now_ms = self._clock.wall_ms()
        old = [n for n, made_ms in self._made_ms.items() if now_ms - made_ms > CHANGE_EXPIRATION_MS]
        if old:
            await self._delete(old)

    async def _read(self, numbers: Sequence[int]) -> None:
        """Read some notifications, and have the new ones handled."""
        reads: list[Operation[tuple[bytes, Stat]]] = [GetOp(self._path(n)) for n in numbers]
        outcomes = await read_all(self._zookeeper, reads)
        news, made_ms = [], {}
        for number, outcome in zip(numbers, outcomes, strict=True):
            if isinstance(outcome, NoNode):
                continue  # another broker has deleted it
            data, stat = outcome
            made_ms[number] = stat.ctime
            if number > self._last_change:
                news.append((self._path(number), data))
        if news:
            await self._process(news)
        self._made_ms |= made_ms
        self._last_change = max([self._last_change, *made_ms])

    def _path(self, number: int) -> str:
        return f"{self._prefix}{number:010d}"

    async def _delete(self, numbers: Sequence[int]) -> None:
        """Delete old notifications. Another broker may have deleted some; failures are tried again
        later."""
        for outcome in await self._zookeeper.submit_all(DeleteOp(self._path(n)) for n in numbers):
            if isinstance(outcome, SessionExpired):
                raise outcome

    async def _numbers(self, *, watch: bool = False) -> list[int]:
        try:
            names, _ = await persist(
                self._zookeeper, lambda: self._zookeeper.children(self._parent, watch=watch)
            )
        except NoNode:
            return []
        return list(_numbers(child_name(self._prefix), names))


def _numbers(prefix: str, names: Iterable[str]) -> Iterator[int]:
    """The numbers of the nodes that are notifications; other nodes are ignored."""
    for name in names:
        try:
            number = paths.sequence_number(name)
        except ValueError:
            continue
        if name == f"{prefix}{number:010d}":
            yield number
