"""Runs a console from its start to its end, on the running event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from barnabas.client.cluster import Bootstrap, ClusterClient
from barnabas.console.app import console_app
from barnabas.console.broker_events import follow
from barnabas.console.context import Console
from barnabas.console.control import Control
from barnabas.console.hub import Hub
from barnabas.console.lag import follow_lag
from barnabas.console.listening import listen
from barnabas.console.metadata_source import MetadataSource
from barnabas.console.zookeeper_source import ZooKeeperSource
from barnabas.errors import ConfigError
from barnabas.http.guard import Guard
from barnabas.seams import Env
from barnabas.zookeeper.client.security import OPEN, ZooKeeperSecurity
from barnabas.zookeeper.errors import NoNode

if TYPE_CHECKING:
    import socket  # noqa: TID251  (a socket that the caller has bound)

CLIENT_ID = "barnabas-console"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSettings:
    """The settings of a console."""

    bootstrap: Bootstrap
    zookeeper: str | None = None
    """``zookeeper.connect``; None: the brokers are polled instead."""
    zookeeper_security: ZooKeeperSecurity = OPEN
    host: str = "127.0.0.1"
    port: int | None = None
    """None: the default port, or a free one if that is taken."""
    others: bool = False
    """Whether it may listen beyond this machine."""
    token: str | None = None
    names: frozenset[str] = frozenset()
    """Host names under which browsers may reach it, beside its addresses."""
    write: bool = False
    min_isr: int = 1
    """``min.insync.replicas`` of topics without a setting of their own."""
    http_urls: Mapping[int, str] = field(default_factory=dict)
    """HTTP listeners of brokers, ``http://host:port``, by broker: there are their events."""
    http_token: str | None = field(default=None, repr=False)
    """Their token, if they have one."""
    control_path: str | None = None
    """The control socket of the supervisor of ``barnabas up``."""


async def serve(
    env: Env,
    settings: ConsoleSettings,
    stop: asyncio.Event,
    *,
    sock: socket.socket | None = None,
    on_ready: Callable[[str], None] = lambda link: None,
) -> None:
    """Serve until ``stop``; ``on_ready`` gets the link for a browser. Raises OSError; ConfigError
    for a bad address, or a path of ZooKeeper's that does not exist; AuthFailed if ZooKeeper refuses
    the login."""
    hub = Hub()
    control = None if settings.control_path is None else Control(settings.control_path)
    poller = ClusterClient(settings.bootstrap, CLIENT_ID)
    source: ZooKeeperSource | MetadataSource
    if settings.zookeeper is not None:
        source = ZooKeeperSource(env, settings.zookeeper, hub, security=settings.zookeeper_security)
    else:
        source = MetadataSource(env, poller, hub)
    source.min_isr_default = settings.min_isr
    console = Console(
        env=env,
        hub=hub,
        new_client=lambda: ClusterClient(settings.bootstrap, CLIENT_ID),
        zookeeper=source.zookeeper if isinstance(source, ZooKeeperSource) else None,
        zookeeper_connect=settings.zookeeper or "",
        http_urls=settings.http_urls,
        http_token=settings.http_token,
        write=settings.write,
        control=control,
    )
    guard = Guard(token=settings.token, names=settings.names)
    listening = listen(
        console_app(console),
        guard,
        host=settings.host,
        port=settings.port,
        others=settings.others,
        sock=sock,
    )
    async with poller, await listening as listener:
        on_ready(guard.link(listener.url))
        flows: list[Coroutine[Any, Any, None]] = [
            source.run(),
            follow_lag(hub, console.new_client),
        ]
        flows += [follow(url, settings.http_token, hub.hear) for url in settings.http_urls.values()]
        flows += [] if control is None else [control.follow(hub)]
        try:
            await _until(stop, *flows)
        except NoNode as error:
            raise ConfigError(f"ZooKeeper has no node {error.path}: {settings.zookeeper}") from None


async def _until(stop: asyncio.Event, *flows: Coroutine[Any, Any, Any]) -> None:
    """Run ``flows`` until ``stop``, or until one of them fails: its error is raised."""
    tasks = [asyncio.ensure_future(flow) for flow in (stop.wait(), *flows)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
