"""Serving the embedded coordinator: one node that speaks ZooKeeper 3.8's protocol.

``serve`` runs until it is cancelled; several may run in one process.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from typing import Final

from barnabas.errors import ConfigError, FatalError
from barnabas.logs import visible
from barnabas.seams import Env
from barnabas.zookeeper.server import four_letter, handlers
from barnabas.zookeeper.server.connection import Connection
from barnabas.zookeeper.server.coordinator import Coordinator, CoordinatorConfig
from barnabas.zookeeper.server.store import Store

HANDSHAKE_S: Final = 10.0
"""A TLS handshake that takes longer is given up."""


async def serve(
    env: Env,
    config: CoordinatorConfig,
    store: Store,
    *,
    ready: Callable[[str, int], None] | None = None,
    made: Callable[[Coordinator], None] | None = None,
) -> None:
    """Serve until cancelled. ``ready`` is called with host and port, ``made`` with the state.

    Raises ConfigError if it cannot start. Raises FatalError if the store fails; no client has seen
    a change that was not durable."""
    try:
        _check_exposure(config)
        await _serve(env, config, store, ready, made)
    finally:
        store.close()


def _check_exposure(config: CoordinatorConfig) -> None:
    """ConfigError if other machines could reach it and no login is required."""
    if config.login_required or config.allow_strangers or _is_loopback(config.host):
        return
    raise ConfigError(
        f"--host {visible(config.host)}: other machines would reach a coordinator that requires no"
        " login; give it users (java.security.auth.login.config), let it ask for certificates"
        " (ssl.trustStore.location), or pass --allow-strangers"
    )


def _is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only. The only such name is localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _serve(
    env: Env,
    config: CoordinatorConfig,
    store: Store,
    ready: Callable[[str, int], None] | None,
    made: Callable[[Coordinator], None] | None,
) -> None:
    coordinator = Coordinator(
        env,
        config,
        store,
        store.load(),
        handle_read=handlers.handle,
        answer_word=four_letter.answer,
    )
    if made is not None:
        made(coordinator)
    try:
        server = await coordinator.loop.create_server(
            lambda: Connection(coordinator, config.jute_maxbuffer),
            config.host,
            config.port,
            ssl=config.tls,
            ssl_handshake_timeout=None if config.tls is None else HANDSHAKE_S,
        )
    except OSError as problem:
        raise ConfigError(f"port {config.port}: {problem.strerror or problem}") from problem
    port = config.port or server.sockets[0].getsockname()[1]
    broken: list[BaseException] = []
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(coordinator.outbox.run(), name="zookeeper-commit")
            tasks.create_task(coordinator.expire_sessions(), name="zookeeper-expiry")
            tasks.create_task(coordinator.reap(), name="zookeeper-reap")
            env.observer.note("coordinator_ready", host=config.host, port=port)
            if ready is not None:
                ready(config.host, port)
    except* OSError as problems:
        # Raised below: some versions of Python would wrap it in a group here.
        broken += problems.exceptions
    finally:
        coordinator.stopping = True
        server.close()
        for connection in list(coordinator.connections):
            connection.close("the coordinator stops")
    if broken:
        raise FatalError(f"the coordinator's store failed: {broken[0]}") from broken[0]
