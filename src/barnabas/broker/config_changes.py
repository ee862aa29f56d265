"""ZkConfigManager: follows ``/config/changes`` and tells who holds the settings to read them again.

A notification is only a hint to read: the node is the truth, so running one twice does no harm.
Old ones are deleted, by every broker, as in the original.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

from barnabas.seams import Clock
from barnabas.zk import paths
from barnabas.zk.startup import persist
from barnabas.zk.znodes import decode_config_change
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.client.operations import WatchEvent
from barnabas.zookeeper.errors import MalformedZNode, NoNode, SessionExpired
from barnabas.zookeeper.path_names import child_name

log = logging.getLogger("kafka.server")

CHANGE_EXPIRATION_MS = 15 * 60 * 1000


class ConfigChanges:
    """``run`` as a task. ``readers``: kind of an entity (``topics``) -> reads the one named."""

    def __init__(
        self,
        clock: Clock,
        zookeeper: ZooKeeperClient,
        readers: Mapping[str, Callable[[str], Awaitable[None]]],
    ) -> None:
        self._clock = clock
        self._zookeeper = zookeeper
        self._readers = readers
        self._last_change = -1
        self._wake = asyncio.Event()

    def on_event(self, event: WatchEvent) -> None:
        """Told of every watch event of the session."""
        if event.path == paths.CONFIG_CHANGES:
            self._wake.set()

    def on_new_session(self) -> None:
        """Watches are gone with the old session: look again."""
        self._wake.set()

    async def run(self) -> None:
        """Follow the notifications, for ever."""
        while True:
            self._wake.clear()
            try:
                await self._process_changes()
            except SessionExpired:
                pass  # ``on_new_session`` wakes us again
            await self._wake.wait()

    async def _process_changes(self) -> None:
        try:
            names, _ = await persist(
                self._zookeeper, lambda: self._zookeeper.children(paths.CONFIG_CHANGES, watch=True)
            )
        except NoNode:
            return
        for number in sorted(_numbers(names)):
            await self._process(number, f"{paths.CONFIG_CHANGE_PREFIX}{number:010d}")

    async def _process(self, number: int, path: str) -> None:
        try:
            data, stat = await persist(self._zookeeper, lambda: self._zookeeper.get(path))
        except NoNode:
            return
        if number > self._last_change:
            await self._read(path, data)
            self._last_change = number
        if self._clock.wall_ms() - stat.ctime > CHANGE_EXPIRATION_MS:
            try:
                await persist(self._zookeeper, lambda: self._zookeeper.delete(path))
            except NoNode:
                return  # another broker was first

    async def _read(self, path: str, data: bytes) -> None:
        try:
            kind, _, name = decode_config_change(path, data).partition("/")
            reader = self._readers.get(kind)
            if reader is not None:
                await reader(name)
        except MalformedZNode as error:
            log.error("a change of settings is ignored: %s", error)


def _numbers(names: Iterable[str]) -> Iterator[int]:
    """Of the nodes that are notifications; others are left alone."""
    prefix = child_name(paths.CONFIG_CHANGE_PREFIX)
    for name in names:
        try:
            number = paths.sequence_number(name)
        except ValueError:
            continue
        if name == f"{prefix}{number:010d}":
            yield number
