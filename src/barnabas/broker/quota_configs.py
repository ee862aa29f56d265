"""QuotaConfigHandler, IpConfigHandler: the quotas in force on a broker, as ZooKeeper has them.

All are read at the start, and an entity's again when a notification names it.
"""

from __future__ import annotations

import asyncio
import logging

from barnabas.logs import visible
from barnabas.quotas.client_quotas import ClientQuotas
from barnabas.quotas.entities import Entity
from barnabas.zk.quotas import entity_at, read_quota, read_quotas
from barnabas.zookeeper.client.client import ZooKeeperClient

log = logging.getLogger("kafka.server")


class QuotaConfigs:
    """Keeps ``quotas`` as ZooKeeper has them."""

    def __init__(self, zookeeper: ZooKeeperClient, quotas: ClientQuotas) -> None:
        self._zookeeper = zookeeper
        self._quotas = quotas
        self._reading = asyncio.Lock()

    async def load(self) -> None:
        """Read everybody's. At the start of a broker."""
        async with self._reading:
            for entity, found in (await read_quotas(self._zookeeper)).items():
                self._take(entity, found)

    async def on_notification(self, place: str) -> None:
        """What is at a place below ``/config`` has changed: ``users/U``, ``users/U/clients/C``."""
        entity = entity_at(place)
        if entity is not None:
            await self.refresh(entity)

    async def refresh(self, entity: Entity) -> None:
        """Read an entity's quotas again."""
        async with self._reading:  # what is kept last is what was read last
            found = await read_quota(self._zookeeper, entity)
            log.info("quotas of %s: %s", visible(str(entity)), found or "none")
            self._take(entity, found)

    def _take(self, entity: Entity, found: dict[str, float]) -> None:
        if not entity.is_address:
            self._quotas.update(entity, found)
