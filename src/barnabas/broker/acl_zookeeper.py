"""AclAuthorizer, with a ZooKeeper of its own (``authorizer.zookeeper.*``): servers or timeouts."""

from __future__ import annotations

import asyncio
from typing import Final

from barnabas.authorizer.authorizer import AclAuthorizer
from barnabas.authorizer.decision import Policy
from barnabas.broker.room_settings import zookeeper_in_flight
from barnabas.config.authorization import ZOOKEEPER_URL, AclZooKeeper
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.checks import Value
from barnabas.errors import ConfigError
from barnabas.seams import Env
from barnabas.zookeeper.client.client import SessionState, ZooKeeperClient
from barnabas.zookeeper.client.operations import WatchEvent
from barnabas.zookeeper.client.security import OPEN, ZooKeeperSecurity
from barnabas.zookeeper.errors import ConnectionLoss, SessionExpired

_ASKED: Final = (
    "zookeeper.ssl.client.enable",
    "zookeeper.set.acl",
    "java.security.auth.login.config",
    "barnabas.zookeeper.sasl.jaas.config",
)


class SeparateAclAuthorizer(AclAuthorizer):
    """Its session is not the broker's: it renews that itself, and reads everything again then."""

    def __init__(
        self, env: Env, config: BrokerConfig, settings: AclZooKeeper, policy: Policy
    ) -> None:
        """Raises ConfigError."""
        session_ms = config.integer("zookeeper.session.timeout.ms")
        if settings.session_timeout_ms is not None:
            session_ms = settings.session_timeout_ms
        self._url = settings.url or config.zookeeper_connect
        self._connection_ms = settings.connection_timeout_ms
        if self._connection_ms is None:
            asked = config.value("zookeeper.connection.timeout.ms")
            self._connection_ms = asked if isinstance(asked, int) else session_ms
        self._expired = asyncio.Event()
        self._own = ZooKeeperClient(
            env,
            self._url,
            session_ms,
            on_event=super().on_event,
            on_session=self._on_session,
            security=_security(env, config, settings),
            in_flight_max=settings.in_flight_max or zookeeper_in_flight(config),
        )
        super().__init__(env, self._own, policy)

    async def load(self) -> None:
        """Connect first. Raises ConfigError if no ZooKeeper answers."""
        try:
            await self._own.connect(timeout_ms=self._connection_ms)
        except ConnectionLoss as error:
            raise ConfigError(f"{ZOOKEEPER_URL}: no ZooKeeper at {self._url} ({error})") from None
        await super().load()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._own.run())
            tasks.create_task(self._renew())
            tasks.create_task(super().run())

    async def close(self) -> None:
        await self._own.close()

    def on_event(self, event: WatchEvent) -> None:
        """An event of the broker's session, which is another one."""

    def on_new_session(self) -> None:
        """The broker's session, which is another one."""

    def _on_session(self, state: SessionState) -> None:
        if state is SessionState.EXPIRED:
            self._expired.set()

    async def _renew(self) -> None:
        """Begin a new session after each expiry."""
        while True:
            await self._expired.wait()
            self._expired.clear()
            try:
                await self._own.new_session()
            except SessionExpired:
                continue  # it is set again
            super().on_new_session()


def _security(env: Env, config: BrokerConfig, settings: AclZooKeeper) -> ZooKeeperSecurity:
    """As for the broker's own connection, with the settings for this one laid over it."""

    def value(name: str) -> Value:
        found = settings.security.get(name)
        return config.value(name) if found is None else found

    if not any(map(value, _ASKED)):
        return OPEN
    from barnabas.broker import zookeeper_security as asked_for

    try:
        return asked_for.security_of(env, value)
    except ConfigError as error:
        raise ConfigError(f"authorizer.{error}") from None
