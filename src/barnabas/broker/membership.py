"""RegisterBrokerAndReelect: registers this broker in each of its ZooKeeper sessions."""

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
    """``in_doubt``: whether the machine has crashed and records may be missing (KIP-966).
    ``on_new_session``: called with a new session before anything is written in it."""

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
        """The registration that this broker should have."""
        self.registered: Broker | None = None
        """The present registration; None before the first one."""

    @property
    def epoch(self) -> int | None:
        """The epoch of the newest registration."""
        return None if self.registered is None else self.registered.epoch

    def expire(self) -> None:
        """The session has expired."""
        self._expired.set()

    async def register(self, broker: Broker) -> None:
        """Register. If the session expires before, it tries again in a new one. Raises ConfigError
        if another broker has the id."""
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
                    await self.update()  # ``_wanted`` may have changed during the wait
                return
            except SessionExpired:
                await self._expired.wait()

    async def follow(self, on_registered: Callable[[], None]) -> None:
        """After each expiry begin a new session and register again, until cancelled."""
        while True:
            await self._expired.wait()
            assert self.registered is not None
            await self.register(self.registered)
            on_registered()

    def move(self, endpoints: tuple[Endpoint, ...]) -> None:
        """Advertise other endpoints from the next ``update`` on."""
        if self._wanted is not None:
            self._wanted = replace(self._wanted, endpoints=endpoints)

    async def update(self) -> None:
        """Write changes to the node; the controller tells the other brokers."""
        while self._wanted is not None and self.registered is not None:
            told = self._to_tell(self._wanted)
            try:
                await self._registration.update(told)
            except (SessionExpired, NoNode):
                return  # the next registration will have the change
            if told == self._to_tell(self._wanted):
                # There may be a newer registration by now: keep its epoch.
                self.registered = replace(told, epoch=self.registered.epoch)
                return

    def _to_tell(self, broker: Broker) -> Broker:
        return replace(broker, unclean_start=self._in_doubt())
