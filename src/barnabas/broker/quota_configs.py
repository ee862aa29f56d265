"""QuotaConfigHandler, IpConfigHandler: keeps a broker's quotas as in ZooKeeper.

All quotas are read at the start, and those of an entity when a notification names it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from barnabas.logs import visible
from barnabas.quotas.client_quotas import ClientQuotas
from barnabas.quotas.entities import CONNECTION_CREATION_RATE, Entity, Name
from barnabas.zk.quotas import entity_at, read_quota, read_quotas
from barnabas.zookeeper.client.client import ZooKeeperClient

log = logging.getLogger("kafka.server")


class QuotaConfigs:
    """Keeps ``quotas`` as in ZooKeeper."""

    def __init__(self, zookeeper: ZooKeeperClient, quotas: ClientQuotas) -> None:
        self._zookeeper = zookeeper
        self._quotas = quotas
        self._reading = asyncio.Lock()
        self._address_rates: dict[Name, int] = {}
        """``connection_creation_rate`` by address."""
        self._set_rate: Callable[[Name, int | None], None] = lambda address, rate: None

    def follow_addresses(self, set_rate: Callable[[Name, int | None], None]) -> None:
        """Call ``set_rate`` with the rate of each address that has one, and after changes."""
        self._set_rate = set_rate
        for address, rate in self._address_rates.items():
            set_rate(address, rate)

    async def load(self) -> None:
        """Read all quotas, at the start of a broker."""
        async with self._reading:
            for entity, found in (await read_quotas(self._zookeeper)).items():
                self._take(entity, found)

    async def on_notification(self, place: str) -> None:
        """The entity of a path below ``/config`` has changed: ``users/U``,
        ``users/U/clients/C``."""
        entity = entity_at(place)
        if entity is not None:
            await self.refresh(entity)

    async def refresh(self, entity: Entity) -> None:
        """Read an entity's quotas again."""
        async with self._reading:  # so that what was read last is kept last
            found = await read_quota(self._zookeeper, entity)
            log.info("quotas of %s: %s", visible(str(entity)), found or "none")
            self._take(entity, found)

    def _take(self, entity: Entity, found: dict[str, float]) -> None:
        if not entity.is_address:
            self._quotas.update(entity, found)
            return
        rate = found.get(CONNECTION_CREATION_RATE)
        if rate is None:
            self._address_rates.pop(entity.ip, None)
        else:
            self._address_rates[entity.ip] = int(rate)
        self._set_rate(entity.ip, None if rate is None else int(rate))
