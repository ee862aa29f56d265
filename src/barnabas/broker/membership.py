"""This broker among the others: registered in its own ZooKeeper session, and again in the next one
whenever a session expires."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from barnabas.broker.registration import BrokerRegistration
from barnabas.seams import Env
from barnabas.types import Broker, Endpoint
from barnabas.zookeeper.client import ZooKeeperClient
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
        while True:
            try:
                if self._expired.is_set():
                    self._expired.clear()
                    await self._zookeeper.new_session()
                    self._on_new_session()
                told = replace(broker, unclean_start=self._in_doubt())
                self.registered = await self._registration.register(told)
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
        if self.registered is not None:
            self.registered = replace(self.registered, endpoints=endpoints)

    async def update(self) -> None:
        """Bring our node up to date; the controller tells the others."""
        if self.registered is not None:
            told = replace(self.registered, unclean_start=self._in_doubt())
            try:
                await self._registration.update(told)
            except (SessionExpired, NoNode):
                return  # the next registration says it
