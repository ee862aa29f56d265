"""CheckedEphemeral: ``/brokers/ids/N``. It exists while the broker lives, and its czxid is the
broker's epoch (reference 1.3, traps 33 and 34).

A broker takes no role before it has registered in its own new session. After ``EXPIRED`` the owner
ends all roles, begins a new session and calls ``register`` again. The new czxid tells the
controller that the broker was away.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Final

from barnabas.errors import ConfigError
from barnabas.seams import Env
from barnabas.types import Broker
from barnabas.zk.paths import broker_id_path
from barnabas.zk.startup import persist, read_brokers
from barnabas.zk.znodes import encode_broker
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.client.operations import CreateOp, SetOp
from barnabas.zookeeper.errors import ConnectionLoss, NodeExists, NoNode
from barnabas.zookeeper.messages import Stat

log = logging.getLogger("kafka.server")

PREDECESSOR_WAIT_FACTOR: Final = 1.5
"""How many session timeouts to wait for the predecessor's session to end. A server expires a
session only at its next tick after the timeout, so one timeout would be just too short."""


class BrokerRegistration:
    """Registers one broker. It remembers its earlier sessions, to recognise a node that one of them
    has left behind."""

    def __init__(self, env: Env, zookeeper: ZooKeeperClient) -> None:
        self._env = env
        self._zookeeper = zookeeper
        self._sessions: dict[int, None] = {}
        """The ids of sessions in which this process has tried to register."""

    async def register(self, broker: Broker) -> Broker:
        """Create the node in the client's session. Returns ``broker`` with its epoch.

        A node of this process's old session is replaced. A node of another session most likely
        belongs to a killed predecessor of this broker; it waits until that is gone, for about a
        session timeout. Raises ConfigError if another broker advertises one of these endpoints
        (naming ``advertised.listeners``) or has this id (``broker.id``), and SessionExpired."""
        await self._refuse_shared_endpoints(broker)
        path = broker_id_path(broker.id)
        body = encode_broker(broker, self._env.clock.wall_ms())
        deadline: float | None = None
        while True:
            try:
                # Noted before it is used: a create whose reply is lost may have succeeded.
                self._sessions[self._zookeeper.session_id] = None
                _, stat = await self._zookeeper.multi(
                    [CreateOp(path, None, ephemeral=True), SetOp(path, body, 0)]
                )
                assert isinstance(stat, Stat)
                return self._registered(broker, stat)
            except NodeExists:
                pass
            except ConnectionLoss:
                await self._zookeeper.connected()
                continue
            found = await persist(self._zookeeper, lambda: self._zookeeper.exists(path))
            if found is None:
                continue
            if found.ephemeralOwner == self._zookeeper.session_id:
                return self._registered(broker, found)
            if found.ephemeralOwner in self._sessions:
                await self._delete_own(path, found)
                continue
            if deadline is None:
                deadline = self._deadline(broker, found)
            await self._wait_for_predecessor(broker, path, deadline)

    async def update(self, broker: Broker) -> None:
        """Write changed endpoints; the epoch stays."""
        path = broker_id_path(broker.id)
        body = encode_broker(broker, self._env.clock.wall_ms())
        await persist(self._zookeeper, lambda: self._zookeeper.set(path, body))

    # --- inside -----------------------------------------------------------------------------------

    def _registered(self, broker: Broker, stat: Stat) -> Broker:
        self._env.observer.note("broker_registered", broker=broker.id, epoch=stat.czxid)
        return replace(broker, epoch=stat.czxid)

    async def _refuse_shared_endpoints(self, broker: Broker) -> None:
        ours = [(endpoint.host, endpoint.port) for endpoint in broker.endpoints]
        for other in (await read_brokers(self._zookeeper)).values():
            if other.id == broker.id:
                continue
            for endpoint in other.endpoints:
                if (endpoint.host, endpoint.port) in ours:
                    raise ConfigError(
                        f"advertised.listeners: broker {other.id} already advertises "
                        f"{endpoint.host}:{endpoint.port}"
                    )

    async def _delete_own(self, path: str, found: Stat) -> None:
        """Delete a node that an expired session of this process has left behind (ZOOKEEPER-2985).
        Otherwise the server would delete it later, while this broker relies on it."""
        try:
            await self._zookeeper.delete(path, found.version)
        except NoNode:
            pass
        except ConnectionLoss:
            await self._zookeeper.connected()

    def _deadline(self, broker: Broker, found: Stat) -> float:
        wait_ms = round(self._zookeeper.session_timeout_ms * PREDECESSOR_WAIT_FACTOR)
        owner = f"{found.ephemeralOwner:#x}"
        log.warning(
            "broker.id=%d is still registered by session %s, probably of this broker before it "
            "died: waiting up to %d ms for that to expire",
            *(broker.id, owner, wait_ms),
        )
        self._env.observer.note("registration_waiting", broker=broker.id, owner=owner)
        return asyncio.get_running_loop().time() + wait_ms / 1000

    async def _wait_for_predecessor(self, broker: Broker, path: str, deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await self._zookeeper.wait_deleted(path)
        except TimeoutError:
            # If this process was paused, the time may be up although the node is gone: look again.
            if await persist(self._zookeeper, lambda: self._zookeeper.exists(path)) is not None:
                raise ConfigError(
                    f"broker.id={broker.id}: another running broker is registered with this id"
                ) from None
