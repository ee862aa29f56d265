"""``barnabas zk``: what is in ZooKeeper, with Kafka's bodies read. Nothing is ever written."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
import msgspec

from barnabas.broker.main import system_env
from barnabas.cli.client import cluster_client
from barnabas.cli.internal_records import shown_bytes
from barnabas.cli.options import bootstrap_server, output, text_output
from barnabas.cli.output import print_json, print_table
from barnabas.cli.zookeeper import below, zookeeper_security
from barnabas.cli.zookeeper_watch import Change, TooMany, Watcher
from barnabas.client.cluster import Bootstrap
from barnabas.client.configs import BROKER, describe_settings
from barnabas.client.errors import ClientError
from barnabas.errors import ConfigError
from barnabas.logs import visible
from barnabas.zk.acls import SENSITIVE_ROOT_PATHS
from barnabas.zk.stat_document import stat_document, stat_summary
from barnabas.zookeeper.client.addresses import parse_connect_string
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.client.operations import ExistsOp
from barnabas.zookeeper.errors import (
    AuthFailed,
    ConnectionLoss,
    NoAuth,
    NoNode,
    ZooKeeperError,
)
from barnabas.zookeeper.messages import Stat

T = TypeVar("T")

CLIENT_ID = "barnabas-zk"
SESSION_TIMEOUT_MS = 6000
HIDDEN = "[hidden: it may hold credentials; --show-secrets]"


def _where(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which ZooKeeper, and how to reach it."""
    command = click.option(
        "--zk-tls-config-file",
        type=click.Path(dir_okay=False),
        help="Settings to reach ZooKeeper: zookeeper.ssl.* and logins, as in server.properties.",
    )(command)
    command = click.option(
        "--zookeeper",
        "-z",
        metavar="HOST:PORT,...[/CHROOT]",
        envvar="BARNABAS_ZOOKEEPER",
        help="Default: as the brokers say.",
    )(command)
    return bootstrap_server(command)


_secrets = click.option("--show-secrets", is_flag=True, help="Also bodies with credentials.")


@click.group()
def command() -> None:
    """Show what is in ZooKeeper: Kafka's nodes with their bodies. It is only read.

    Paths are below the chroot. KAFKA_OPTS with java.security.auth.login.config counts, as for
    Kafka's tools.
    """


@command.command()
@click.argument("path", default="/")
@click.option("--recursive", "-R", is_flag=True, help="All nodes below it.")
@_where
@output
def ls(
    path: str,
    recursive: bool,
    zookeeper: str | None,
    zk_tls_config_file: str | None,
    bootstrap_server: Bootstrap,
    output: str,
) -> None:
    """List the children of a node: versions, sizes, and whose session an ephemeral one is of."""

    async def run() -> list[dict[str, object]]:
        async with _connected(zookeeper, zk_tls_config_file, bootstrap_server) as (client, root):
            found: list[dict[str, object]] = []
            waiting = [_absolute(path)]
            while waiting:
                parent = waiting.pop()
                try:
                    names, _ = await client.children(below(root, parent))
                except NoNode:
                    if parent == _absolute(path):
                        raise
                    continue
                paths = [_child(parent, name) for name in names]
                stats = await client.submit_all([ExistsOp(below(root, p)) for p in paths])
                rows = [
                    {"path": each, "version": stat.version, **stat_summary(stat)}
                    for each, stat in zip(paths, stats, strict=True)
                    if isinstance(stat, Stat)
                ]
                found += rows
                if recursive:
                    waiting += [str(row["path"]) for row in reversed(rows) if row["children"]]
            return sorted(found, key=lambda row: str(row["path"])) if recursive else found

    rows = _asked(run())
    if output == "json":
        print_json(rows)
        return
    header = ("path", "version", "bytes", "children", "session")
    print_table(header, [["-" if row[h] is None else row[h] for h in header] for row in rows])


@command.command()
@click.argument("path")
@click.option("--stat", "-s", is_flag=True, help="Also versions, times and sizes.")
@_secrets
@_where
@output
def get(
    path: str,
    stat: bool,
    show_secrets: bool,
    zookeeper: str | None,
    zk_tls_config_file: str | None,
    bootstrap_server: Bootstrap,
    output: str,
) -> None:
    """Show the body of a node.

    \b
    barnabas zk get /controller
    barnabas zk get /brokers/topics/orders/partitions/0/state -s
    """

    async def run() -> tuple[bytes, Stat]:
        async with _connected(zookeeper, zk_tls_config_file, bootstrap_server) as (client, root):
            return await client.get(below(root, _absolute(path)))

    data, found = _asked(run())
    body = body_of(_absolute(path), data, show_secrets=show_secrets)
    if output == "json":
        print_json({"path": _absolute(path), "body": body, "stat": stat_document(found)})
        return
    if body is not None:
        shown = body if isinstance(body, str) else json.dumps(body, indent=2)
        click.echo("\n".join(map(visible, shown.splitlines())))
    if stat:
        print_table(
            ("field", "value"),
            [(k, "-" if v is None else v) for k, v in stat_document(found).items()],
        )


@command.command()
@click.argument("path")
@click.option("--recursive", "-R", is_flag=True, help="Also all nodes below it.")
@click.option("--count", "-c", type=click.IntRange(1), help="Stop after this many changes.")
@text_output
@_secrets
@_where
def watch(
    path: str,
    recursive: bool,
    count: int | None,
    output: str,
    show_secrets: bool,
    zookeeper: str | None,
    zk_tls_config_file: str | None,
    bootstrap_server: Bootstrap,
) -> None:
    """Show what changes at a node and its children, until Ctrl-C.

    Watches fire once: of several changes in a row only the last one may be seen.

    \b
    barnabas zk watch /controller
    barnabas zk watch -R /brokers
    """
    env = system_env()

    def show(change: Change) -> None:
        now_ms = env.clock.wall_ms()
        body = None
        if change.data is not None:
            body = body_of(change.path, change.data, show_secrets=show_secrets)
        if output == "jsonl":
            found = {"time_ms": now_ms, "change": change.kind, "path": change.path, "body": body}
            click.echo(json.dumps(found))
            return
        moment = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone()
        text = "" if body is None else body if isinstance(body, str) else json.dumps(body)
        line = f"{moment:%H:%M:%S}.{now_ms % 1000:03} {change.kind:<8} {change.path} {text}"
        click.echo(visible(line.rstrip()))

    async def run() -> None:
        async with _connected(zookeeper, zk_tls_config_file, bootstrap_server) as (client, root):
            watcher = Watcher(client, root, recursive=recursive)
            await watcher.begin(_absolute(path))
            click.echo(f"watching {visible(_absolute(path))}", err=True)
            seen = 0
            async for change in watcher.changes():
                show(change)
                seen += 1
                if seen == count:
                    return

    _asked(run())


def body_of(path: str, data: bytes, *, show_secrets: bool) -> object:
    """A body as JSON has it, or as text; None if it is empty."""
    if not data:
        return None
    if path.startswith(SENSITIVE_ROOT_PATHS) and not show_secrets:
        return HIDDEN
    try:
        found: object = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return shown_bytes(data)
    return found


def _asked(work: Awaitable[T]) -> T:
    """Run ``work``; what ZooKeeper refuses is an error of one line."""

    async def run() -> T:
        return await work

    try:
        return asyncio.run(run())
    except NoNode as error:
        raise ConfigError(f"zookeeper: no such node ({visible(error)})") from None
    except NoAuth as error:
        raise ConfigError(f"zookeeper: this user may not read it ({visible(error)})") from None
    except (TooMany, ZooKeeperError, ValueError) as error:
        raise ConfigError(f"zookeeper: {visible(error)}") from None


@asynccontextmanager
async def _connected(
    servers: str | None, config: str | None, bootstrap: Bootstrap
) -> AsyncIterator[tuple[ZooKeeperClient, str]]:
    """A client with a session, and the chroot to put before each path. ConfigError.

    The client is told no chroot, since it would create one that is missing."""
    env = system_env()
    security = zookeeper_security(env, config)
    servers = servers or await _zookeeper_of(bootstrap)
    hosts, chroot = parse_connect_string(servers)
    text = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in hosts)
    client = ZooKeeperClient(env, text, SESSION_TIMEOUT_MS, security=security)
    try:
        await client.connect(timeout_ms=SESSION_TIMEOUT_MS)
    except (ConnectionLoss, AuthFailed) as error:
        raise ConfigError(f"--zookeeper: no ZooKeeper at {visible(servers)} ({error})") from None
    try:
        yield client, chroot
    finally:
        await client.close()


async def _zookeeper_of(bootstrap: Bootstrap) -> str:
    async with cluster_client(bootstrap, CLIENT_ID) as client:
        for broker in sorted((await client.status([])).brokers):
            try:
                found = await describe_settings(client, BROKER, str(broker), ["zookeeper.connect"])
            except (ClientError, OSError):
                continue
            if found and found[0].value:
                return found[0].value
    raise ConfigError("no broker says which ZooKeeper it uses: give --zookeeper")


def _absolute(path: str) -> str:
    return "/" + path.strip("/")


def _child(parent: str, name: str) -> str:
    return f"/{name}" if parent == "/" else f"{parent}/{name}"
