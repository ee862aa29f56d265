"""FinalizedFeatureChangeListener: the feature epoch that ApiVersions answers carry (KIP-584).

It is the version of ``/feature``, which the first controller creates and which never changes in
ZooKeeper mode. In a new cluster a broker starts before the node exists.
"""

from __future__ import annotations

import asyncio

from barnabas.zk import paths
from barnabas.zk.startup import persist
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.client.operations import WatchEvent
from barnabas.zookeeper.errors import NoNode, SessionExpired

UNKNOWN_EPOCH = -1


class FinalizedFeatures:
    """Follows ``/feature``; ``epoch`` is -1 while there is none."""

    def __init__(self, zookeeper: ZooKeeperClient) -> None:
        self._zookeeper = zookeeper
        self._wake = asyncio.Event()
        self.epoch = UNKNOWN_EPOCH

    def on_event(self, event: WatchEvent) -> None:
        """Called with every watch event of the session."""
        if event.path == paths.FEATURE:
            self._wake.set()

    def on_new_session(self) -> None:
        """Look again: watches ended with the old session."""
        self._wake.set()

    async def load(self) -> None:
        """Read the node, and set a watch for changes."""
        self.epoch = await persist(self._zookeeper, self._read)

    async def run(self) -> None:
        """Follow changes until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.load()
            except SessionExpired:
                continue  # ``on_new_session`` wakes us again

    async def _read(self) -> int:
        if await self._zookeeper.exists(paths.FEATURE, watch=True) is None:
            return UNKNOWN_EPOCH
        try:
            _, stat = await self._zookeeper.get(paths.FEATURE)
        except NoNode:
            return UNKNOWN_EPOCH
        return stat.version
