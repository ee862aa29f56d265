"""DynamicListenerConfig, SocketServer's listeners: opened at the start, added and removed later.

New settings are checked before they are stored (``check``): a new listener's keys must be readable,
and a new key store must have the same owner. Then they are applied (``follow``): new listeners are
opened, removed ones are closed with all their connections, and at last the broker advertises the
new endpoints.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from barnabas.broker.key_stores import KeyStores
from barnabas.broker.network import NetworkServer
from barnabas.broker.protection import listener_plan
from barnabas.broker.scram_credentials import ScramCredentials
from barnabas.config.broker_config import BrokerConfig, Snapshot
from barnabas.errors import ConfigError
from barnabas.logs import visible
from barnabas.seams import Env
from barnabas.types import Endpoint
from barnabas.zookeeper.errors import SessionExpired

if TYPE_CHECKING:
    from barnabas.broker.listener_plans import TokenLogins

log = logging.getLogger("kafka.network")

NEXT_SESSION_S = 0.5


class BrokerListeners:
    """The listeners of one broker. Call ``open`` at the start."""

    def __init__(
        self,
        env: Env,
        config: BrokerConfig,
        users: ScramCredentials,
        stores: KeyStores,
        tokens: TokenLogins | None,
        run: Callable[[str, Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self._env = env
        self._config = config
        self._users = users
        self._stores = stores
        self._tokens = tokens
        self._run = run
        self._network: NetworkServer | None = None
        self._ports: dict[str, int] = {}
        """The ports in use, by listener."""
        self._tasks_of: dict[str, list[asyncio.Task[None]]] = {}
        self._changing = asyncio.Lock()

    async def open(self, network: NetworkServer) -> None:
        """Open every listener. Raises ConfigError."""
        self._network = network
        for endpoint in self._config.listeners:
            await self._open(network, endpoint)

    async def _open(self, network: NetworkServer, endpoint: Endpoint) -> None:
        tasks: list[asyncio.Task[None]] = []
        plan = listener_plan(
            *(self._env, self._config, endpoint.listener, self._users, self._stores),
            tokens=self._tokens,
            run=lambda name, coroutine: tasks.append(self._run(name, coroutine)),
        )
        try:
            port = await network.listen(plan, endpoint.host, endpoint.port)
        except OSError as error:
            raise ConfigError(
                f"listeners: cannot listen on {endpoint.host}:{endpoint.port}:"
                f" {error.strerror or error}"
            ) from None
        self._ports[endpoint.listener] = port
        self._tasks_of[endpoint.listener] = tasks

    def advertised(self) -> tuple[Endpoint, ...]:
        """The advertised endpoints of open listeners, with the ports in use."""
        return tuple(
            endpoint._replace(port=endpoint.port or self._ports[endpoint.listener])
            for endpoint in self._config.advertised
            if endpoint.listener in self._ports
        )

    def check(self, after: Snapshot) -> None:
        """Raises ConfigError if the listeners could not use these settings."""
        if any(security.tls is not None for security in after.security.values()):
            from barnabas.broker.store_checks import check_stores

            check_stores(self._config, after, self._env.files.read)

    async def follow(self, announce: Callable[[], None]) -> None:
        """Open and close listeners as the settings now say, and then call ``announce``."""
        network = self._network
        if network is None:
            return
        async with self._changing:
            if any(security.has_sasl for security in self._config.security.values()):
                await self._load_users()
            wanted = {e.listener: e for e in self._config.listeners}
            for name in [name for name in self._ports if name not in wanted]:
                del self._ports[name]
                network.remove(name)
                for task in self._tasks_of.pop(name):
                    task.cancel()
                log.info("listener %s is closed", name)
            for name in [name for name in wanted if name not in self._ports]:
                if name not in self._config.security:
                    continue  # removed in the meantime: this is called again
                try:
                    await self._open(network, wanted[name])
                except ConfigError as error:
                    log.error("listener %s cannot be opened: %s", name, visible(str(error)))
                else:
                    log.info("listener %s is open", name)
        announce()

    async def _load_users(self) -> None:
        """Load the users if the first listener with logins is added later."""
        while True:
            try:
                await self._users.load()
                return
            except SessionExpired:
                await asyncio.sleep(NEXT_SESSION_S)
