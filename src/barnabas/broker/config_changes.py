"""ZkConfigManager: follows ``/config/changes``, and has changed settings read again."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from barnabas.seams import Clock
from barnabas.zk import paths
from barnabas.zk.notifications import ChangeNotifications
from barnabas.zk.znodes import decode_config_change
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.errors import MalformedZNode

log = logging.getLogger("kafka.server")


class ConfigChanges(ChangeNotifications):
    """Run ``run`` as a task. ``readers``: kind of entity (``topics``) -> function that reads
    one."""

    def __init__(
        self,
        clock: Clock,
        zookeeper: ZooKeeperClient,
        readers: Mapping[str, Callable[[str], Awaitable[None]]],
    ) -> None:
        super().__init__(clock, zookeeper, paths.CONFIG_CHANGE_PREFIX, self._read_entities)
        self._readers = readers

    async def _read_entities(self, changes: Sequence[tuple[str, bytes]]) -> None:
        entities: dict[str, None] = {}
        for path, data in changes:
            try:
                entities[decode_config_change(path, data)] = None
            except MalformedZNode as error:
                log.error("a change of settings is ignored: %s", error)
        for entity in entities:
            kind, _, name = entity.partition("/")
            reader = self._readers.get(kind)
            try:
                if reader is not None:
                    await reader(name)
            except MalformedZNode as error:
                log.error("a change of settings is ignored: %s", error)
