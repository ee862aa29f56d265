"""``barnabas user``: the users who may log in with SCRAM."""

from __future__ import annotations

import asyncio
import sys

import click

from barnabas.broker.main import system_env
from barnabas.cli.client import cluster_client
from barnabas.cli.options import bootstrap_server, output
from barnabas.cli.output import print_json, print_table
from barnabas.cli.zookeeper import zookeeper_security
from barnabas.client.cluster import Bootstrap
from barnabas.client.users import NUMBERS, delete_user, list_users, set_password
from barnabas.errors import ConfigError
from barnabas.logs import visible
from barnabas.security.sasl.scram import (
    DEFAULT_ITERATIONS,
    ITERATIONS_MAX,
    ITERATIONS_MIN,
    credential_of,
    salted_password,
    secure_text,
)
from barnabas.zk import paths
from barnabas.zk.admin import change_config
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.errors import AuthFailed, ConnectionLoss, NoAuth

CLIENT_ID = "barnabas-user"
SESSION_TIMEOUT_MS = 6000

_mechanism = click.option(
    "--mechanism",
    "-m",
    type=click.Choice(list(NUMBERS)),
    multiple=True,
    help="Default: both.",
)


@click.group()
def command() -> None:
    """Add, list and delete the users who log in with SCRAM."""


@command.command()
@click.argument("name")
@_mechanism
@click.option(
    "--iterations",
    default=DEFAULT_ITERATIONS,
    show_default=True,
    type=click.IntRange(ITERATIONS_MIN, ITERATIONS_MAX),
)
@click.option(
    "--zookeeper",
    metavar="HOST:PORT,...",
    help="Write to ZooKeeper. Needed for the brokers' own user, before the first broker starts.",
)
@click.option(
    "--zk-tls-config-file",
    type=click.Path(dir_okay=False),
    help="How brokers reach ZooKeeper: zookeeper.ssl.* and logins, as in server.properties.",
)
@bootstrap_server
def add(
    name: str,
    mechanism: tuple[str, ...],
    iterations: int,
    zookeeper: str | None,
    zk_tls_config_file: str | None,
    bootstrap_server: Bootstrap,
) -> None:
    """Let NAME log in, or change the password, which is asked for or read from standard input.

    \b
    barnabas user add alice
    echo secret | barnabas user add alice -m SCRAM-SHA-512
    echo secret | barnabas user add broker --zookeeper 127.0.0.1:2181
    """
    password = _password()
    env = system_env()
    salts = {m: secure_text(env.secret).encode() for m in mechanism or NUMBERS}

    async def by_broker() -> None:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            for each, salt in salts.items():
                await set_password(client, name, each, password, salt, iterations)

    async def in_zookeeper(servers: str) -> None:
        texts = {
            each: credential_of(
                each,
                salted_password(each, password.encode(), salt, iterations),
                salt,
                iterations,
            ).text()
            for each, salt in salts.items()
        }
        security = zookeeper_security(env, zk_tls_config_file)
        client = ZooKeeperClient(env, servers, SESSION_TIMEOUT_MS, security=security)
        try:
            await client.connect(timeout_ms=SESSION_TIMEOUT_MS)
        except (ConnectionLoss, AuthFailed) as error:
            raise ConfigError(f"--zookeeper: no ZooKeeper at {servers} ({error})") from None
        try:
            await change_config(client, paths.user_entity(name), lambda old: {**old, **texts})
        except NoAuth as error:
            raise ConfigError(f"--zookeeper: {error}") from None
        finally:
            await client.close()

    if not name:
        raise click.UsageError("NAME is empty")
    asyncio.run(by_broker() if zookeeper is None else in_zookeeper(zookeeper))
    click.echo(f"user {visible(name)}: {', '.join(salts)}")


def _password() -> str:
    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise click.UsageError("no password on standard input")
    return str(password)


@command.command(name="list")
@bootstrap_server
@output
def list_command(bootstrap_server: Bootstrap, output: str) -> None:
    """List the users who may log in, and with which mechanisms."""

    async def run() -> dict[str, dict[str, int]]:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            return await list_users(client)

    users = asyncio.run(run())
    if output == "json":
        print_json([{"user": user, "mechanisms": held} for user, held in users.items()])
        return
    rows = [
        (visible(user), mechanism, iterations)
        for user, held in users.items()
        for mechanism, iterations in held.items()
    ]
    print_table(("user", "mechanism", "iterations"), rows)


@command.command()
@click.argument("name")
@_mechanism
@bootstrap_server
def delete(name: str, mechanism: tuple[str, ...], bootstrap_server: Bootstrap) -> None:
    """Delete user NAME. Connections that are logged in stay until their session ends."""

    async def run() -> None:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            held = (await list_users(client, [name]))[name]
            await delete_user(client, name, mechanism or tuple(held))

    asyncio.run(run())
    click.echo(f"user {visible(name)}: deleted")
