"""RegisterBrokerAndReelect: this broker registers in each ZooKeeper session that it has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from barnabas.broker.registration import BrokerRegistration
from barnabas.seams import Env
from barnabas.types import Broker, Endpoint
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.errors import NoNode, SessionExpired


class Membership:
    """``in_doubt``: whether the machine died and records may be missing (KIP-966).
    ``on_new_session`` is called before anything is written in it."""

    def __init__(
        self,
        env: Env,
        zookeeper: ZooKeeperClient,
        *,
        in_doubt: Callable[[], bool],
        on_new_session: Callable[[], None],
    ) -> None:
        self._zookeeper = zookeeper
        self._registration = BrokerRegistration(env, zookeeper)
        self._in_doubt = in_doubt
        self._on_new_session = on_new_session
        self._expired = asyncio.Event()
        self._wanted: Broker | None = None
        """What our node is to say."""
        self.registered: Broker | None = None
        """What our node says; None before the first registration."""

    @property
    def epoch(self) -> int | None:
        """Of the newest registration."""
        return None if self.registered is None else self.registered.epoch

    def expire(self) -> None:
        """The session has expired."""
        self._expired.set()

    async def register(self, broker: Broker) -> None:
        """Register, in another session as often as one expires meanwhile. ConfigError if somebody
        else has the id."""
        self._wanted = broker
        while True:
            try:
                if self._expired.is_set():
                    self._expired.clear()
                    await self._zookeeper.new_session()
                    self._on_new_session()
                told = self._to_tell(self._wanted)
                self.registered = await self._registration.register(told)
                if told != self._to_tell(self._wanted):
                    await self.update()  # it has changed while we waited, maybe for long
                return
            except SessionExpired:
                await self._expired.wait()

    async def follow(self, on_registered: Callable[[], None]) -> None:
        """After each expiry: a new session and a new registration; for ever."""
        while True:
            await self._expired.wait()
            assert self.registered is not None
            await self.register(self.registered)
            on_registered()

    def move(self, endpoints: tuple[Endpoint, ...]) -> None:
        """We advertise other endpoints from the next ``update`` on."""
        if self._wanted is not None:
            self._wanted = replace(self._wanted, endpoints=endpoints)

    async def update(self) -> None:
        """Bring our node up to date; the controller tells the others."""
        while self._wanted is not None and self.registered is not None:
            told = self._to_tell(self._wanted)
            try:
                await self._registration.update(told)
            except (SessionExpired, NoNode):
                return  # the next registration says it
            if told == self._to_tell(self._wanted):
                # The epoch may be another by now: it is that of the newest registration.
                self.registered = replace(told, epoch=self.registered.epoch)
                return

    def _to_tell(self, broker: Broker) -> Broker:
        return replace(broker, unclean_start=self._in_doubt())
