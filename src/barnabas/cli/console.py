"""``barnabas console``: see a cluster in a browser."""

from __future__ import annotations

import asyncio
import os
import signal
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from barnabas.broker.main import system_env
from barnabas.cli.options import bootstrap_server
from barnabas.cli.zookeeper import zookeeper_security
from barnabas.client.cluster import Bootstrap, ClusterClient
from barnabas.cluster.control import ask, socket_path
from barnabas.errors import ConfigError
from barnabas.logs import configure_logging
from barnabas.names import number_in
from barnabas.seams import Env
from barnabas.zookeeper.errors import AuthFailed

if TYPE_CHECKING:
    from barnabas.console.history import History
    from barnabas.console.serve import ConsoleSettings

ASK_MS = 5_000
DEFAULT_PORT = 9021
"""The same as in ``console/serve.py``, which is not imported for a help text."""
NO_ZOOKEEPER = "none"


@click.command()
@bootstrap_server
@click.option(
    "--zookeeper",
    metavar="HOST:PORT,...",
    help=f"Default: as the brokers say. '{NO_ZOOKEEPER}': ask only brokers, which shows less.",
)
@click.option(
    "--zk-tls-config-file",
    type=click.Path(dir_okay=False),
    help="Settings to reach ZooKeeper: zookeeper.ssl.* and logins, as in server.properties.",
)
@click.option(
    "--token",
    envvar="BARNABAS_HTTP_TOKEN",
    help="Token of the brokers' HTTP listeners (barnabas.http.token), to follow their events.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    help=f"Default: {DEFAULT_PORT}, or a free one if that is taken.",
)
@click.option(
    "--name", "names", multiple=True, help="A host name under which browsers may reach it."
)
@click.option(
    "--events",
    "history",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="Show a history instead: a file of events, one a line (docs/events.md).",
)
@click.option("--write", is_flag=True, help="Let it change things: topics, records, processes.")
@click.option("--open", "open_page", is_flag=True, help="Open it in your browser.")
def command(
    bootstrap_server: Bootstrap,
    zookeeper: str | None,
    zk_tls_config_file: str | None,
    token: str | None,
    host: str,
    port: int | None,
    names: tuple[str, ...],
    history: str | None,
    write: bool,
    open_page: bool,
) -> None:
    """Show a cluster in a browser: who leads what, what happens, and why.

    \b
    barnabas console                                a cluster of 'barnabas up'
    barnabas console -b kafka1:9092                 any Kafka that uses ZooKeeper
    barnabas console -b kafka1:9092 --zookeeper zk1:2181/kafka
    barnabas console --events FILE                  what happened, step by step
    """
    from barnabas.console.serve import ConsoleSettings
    from barnabas.http.guard import is_loopback, new_token

    configure_logging("WARNING")
    env = system_env()
    if history is not None:
        where = Where(host=host, port=port, names=frozenset(names))
        asyncio.run(show_history(history_in(history), where, open_page=open_page))
        return
    settings = ConsoleSettings(
        bootstrap=bootstrap_server,
        zookeeper=zookeeper,
        zookeeper_security=zookeeper_security(env, zk_tls_config_file),
        host=host,
        port=port,
        others=not is_loopback(host),
        token=new_token(env.secret),
        names=frozenset(names),
        write=write,
        http_token=token or None,
        control_path=_supervisor(bootstrap_server),
    )
    asyncio.run(_run(env, settings, open_page))


async def _run(env: Env, settings: ConsoleSettings, open_page: bool) -> None:
    from barnabas.console.serve import serve

    try:
        await serve(env, await _found(settings), _stopped(), on_ready=_ready(open_page))
    except AuthFailed as error:
        raise ConfigError(f"--zookeeper: the login is refused ({error})") from None


def _stopped() -> asyncio.Event:
    """Set by Ctrl-C."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def _ready(open_page: bool) -> Callable[[str], None]:
    def ready(link: str) -> None:
        click.echo(f"console: {link}")
        if open_page:
            webbrowser.open(link)

    return ready


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where a console listens."""

    host: str = "127.0.0.1"
    port: int | None = None
    names: frozenset[str] = frozenset()


def history_in(path: str) -> History:
    """The history in a file. Raises ConfigError, which names the line that is none."""
    from barnabas.console.history import LINE_BYTES_MAX, BadHistory, History, in_order, read_events

    try:
        with open(path, "rb") as file:
            return History(
                in_order(read_events(iter(lambda: file.readline(LINE_BYTES_MAX + 1), b"")))
            )
    except BadHistory as error:
        raise ConfigError(f"{path}: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None


async def show_history(history: History, where: Where, *, open_page: bool = False) -> None:
    """Serve the console of a history until Ctrl-C."""
    from barnabas.console.replay import serve_history
    from barnabas.http.guard import Guard, is_loopback, new_token

    await serve_history(
        history,
        Guard(token=new_token(os.urandom), names=where.names),
        _stopped(),
        host=where.host,
        port=where.port,
        others=not is_loopback(where.host),
        on_ready=_ready(open_page),
    )


async def _found(settings: ConsoleSettings) -> ConsoleSettings:
    """The settings, completed with what brokers say of their cluster."""
    from barnabas.console.discovery import (
        MIN_ISR,
        ZOOKEEPER_CONNECT,
        broker_settings,
        http_urls,
    )

    async with ClusterClient(settings.bootstrap, "barnabas-console", ASK_MS) as client:
        found = await broker_settings(client)
        urls = await http_urls(client)
    servers = settings.zookeeper or found.get(ZOOKEEPER_CONNECT)
    if servers is None:
        click.echo("barnabas: no ZooKeeper is known: brokers alone are asked", err=True)
    min_isr = number_in(found.get(MIN_ISR, "1")) or 1
    return replace(
        settings,
        zookeeper=None if servers == NO_ZOOKEEPER else servers,
        min_isr=min_isr,
        http_urls=urls,
    )


def _supervisor(bootstrap: Bootstrap) -> str | None:
    """The control socket of the cluster of 'up' whose first broker is at this address."""
    host, _, text = bootstrap.servers.split(",")[0].rpartition(":")
    port = number_in(text)
    if host not in ("127.0.0.1", "localhost") or port is None:
        return None
    try:
        ask(port, {"verb": "status"})
    except (ConfigError, OSError):
        return None
    return socket_path(port)
