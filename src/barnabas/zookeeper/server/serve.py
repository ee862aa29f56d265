"""Serving the embedded coordinator: one node that speaks ZooKeeper 3.8's protocol.

``serve`` runs until it is cancelled; several may run in one process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from barnabas.errors import ConfigError, FatalError
from barnabas.seams import Env
from barnabas.zookeeper.server import four_letter, handlers
from barnabas.zookeeper.server.connection import Connection
from barnabas.zookeeper.server.coordinator import Coordinator, CoordinatorConfig
from barnabas.zookeeper.server.store import Store


async def serve(
    env: Env,
    config: CoordinatorConfig,
    store: Store,
    *,
    ready: Callable[[str, int], None] | None = None,
) -> None:
    """Serve until cancelled; ``ready`` hears host and port. Raises ConfigError if it cannot start,
    FatalError if the store fails (nothing that was not durable has been shown to anybody)."""
    try:
        await _serve(env, config, store, ready)
    finally:
        store.close()


async def _serve(
    env: Env, config: CoordinatorConfig, store: Store, ready: Callable[[str, int], None] | None
) -> None:
    coordinator = Coordinator(
        env,
        config,
        store,
        store.load(),
        handle_read=handlers.handle,
        answer_word=four_letter.answer,
    )
    try:
        server = await coordinator.loop.create_server(
            lambda: Connection(coordinator, config.jute_maxbuffer), config.host, config.port
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
        # Raised below: some versions of Python wrap what is raised here in a group.
        broken += problems.exceptions
    finally:
        coordinator.stopping = True
        server.close()
        for connection in list(coordinator.connections):
            connection.close("the coordinator stops")
    if broken:
        raise FatalError(f"the coordinator's store failed: {broken[0]}") from broken[0]
