"""``barnabas token``: delegation tokens."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from barnabas.cli.client import cluster_client
from barnabas.cli.options import bootstrap_server, output
from barnabas.cli.output import print_json, print_table
from barnabas.client.cluster import Bootstrap, ClusterClient
from barnabas.client.tokens import (
    AS_LONG_AS_MAY_BE,
    create_token,
    expire_token,
    list_tokens,
    renew_token,
)
from barnabas.errors import ConfigError
from barnabas.logs import visible
from barnabas.security.principal import USER, KafkaPrincipal
from barnabas.security.tokens import TokenInformation

CLIENT_ID = "barnabas-token"
AT_ONCE = -1
PERIOD = click.IntRange(-(2**63), 2**63 - 1)


@click.group()
def command() -> None:
    """Create, renew, expire and list delegation tokens.

    Brokers need delegation.token.secret.key for them. A client with a token logs in as its owner,
    with SCRAM: the token's id is the user name, its HMAC is the password, and the JAAS entry has
    tokenauth="true". To create a token, log in without one.
    """


def _user(name: str) -> KafkaPrincipal:
    """``alice`` is short for ``User:alice``."""
    return KafkaPrincipal.parse(name if ":" in name else f"{USER}:{name}")


@command.command()
@click.option("--owner", "--owner-principal", metavar="USER", help="Create it for another user.")
@click.option(
    *("--renewer", "--renewer-principal", "renewers"),
    multiple=True,
    metavar="USER",
    help="Another user who may renew and expire it. May be repeated.",
)
@click.option(
    "--max-life-time-period",
    "lifetime_ms",
    type=PERIOD,
    default=AS_LONG_AS_MAY_BE,
    metavar="MS",
    help="How long it may be renewed. Default: as long as the brokers allow.",
)
@bootstrap_server
@output
def create(
    owner: str | None,
    renewers: tuple[str, ...],
    lifetime_ms: int,
    bootstrap_server: Bootstrap,
    output: str,
) -> None:
    """Create a token, and print it with its HMAC, which is its secret.

    \b
    barnabas token create --renewer bob
    """
    for_whom = None if owner is None else _user(owner)

    async def run() -> tuple[TokenInformation, bytes]:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            return await create_token(client, for_whom, list(map(_user, renewers)), lifetime_ms)

    _print([asyncio.run(run())], output)


@command.command("list")
@click.option(
    *("--owner", "--owner-principal", "owners"),
    multiple=True,
    metavar="USER",
    help="Only those that this user owns, created or may renew. May be repeated.",
)
@bootstrap_server
@output
def list_command(owners: tuple[str, ...], bootstrap_server: Bootstrap, output: str) -> None:
    """List the tokens that you may see, each with its secret."""
    wanted = list(map(_user, owners)) or None

    async def run() -> list[tuple[TokenInformation, bytes]]:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            return await list_tokens(client, wanted)

    _print(asyncio.run(run()), output)


@command.command()
@click.argument("token_id", metavar="ID")
@click.option(
    "--renew-time-period",
    "period_ms",
    type=PERIOD,
    default=AS_LONG_AS_MAY_BE,
    metavar="MS",
    help="Its new lifetime from now on. Default: as set at the brokers.",
)
@bootstrap_server
def renew(token_id: str, period_ms: int, bootstrap_server: Bootstrap) -> None:
    """Renew a token. Only its owner and its renewers may do this."""

    async def run() -> int:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            return await renew_token(client, await _secret_of(client, token_id), period_ms)

    click.echo(f"token {token_id}: expires {_time(asyncio.run(run()))}")


@command.command()
@click.argument("token_id", metavar="ID")
@click.option(
    "--expiry-time-period",
    "period_ms",
    type=PERIOD,
    default=AT_ONCE,
    metavar="MS",
    help="When it expires, from now on. Default: at once.",
)
@bootstrap_server
def expire(token_id: str, period_ms: int, bootstrap_server: Bootstrap) -> None:
    """Expire a token, at once or later. Only its owner and its renewers may do this."""

    async def run() -> int:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            return await expire_token(client, await _secret_of(client, token_id), period_ms)

    ends = asyncio.run(run())
    click.echo(f"token {token_id}: {'removed' if period_ms < 0 else f'expires {_time(ends)}'}")


async def _secret_of(client: ClusterClient, token_id: str) -> bytes:
    """The HMAC of a token, by which brokers know it. Users give the id instead, since command
    lines are no place for secrets."""
    for token, hmac in await list_tokens(client):
        if token.id == token_id:
            return hmac
    raise ConfigError(f"token {visible(token_id)}: there is no such token that you may see")


def _print(tokens: Sequence[tuple[TokenInformation, bytes]], output: str) -> None:
    rows = [_row(token, hmac) for token, hmac in tokens]
    if output == "json":
        print_json(rows)
        return
    print_table(
        ("id", "hmac", "owner", "requester", "renewers", "issued", "expires", "latest"),
        [
            [
                *(row["id"], row["hmac"], row["owner"], row["requester"]),
                ",".join(row["renewers"]),
                *(_time(row[key]) for key in ("issued_ms", "expires_ms", "latest_ms")),
            ]
            for row in rows
        ],
    )


def _row(token: TokenInformation, hmac: bytes) -> dict[str, Any]:
    return {
        "id": token.id,
        "hmac": base64.b64encode(hmac).decode(),
        "owner": str(token.owner),
        "requester": str(token.requester),
        "renewers": list(map(str, token.renewers)),
        "issued_ms": token.issued_ms,
        "expires_ms": token.expires_ms,
        "latest_ms": token.latest_ms,
    }


def _time(at_ms: int) -> str:
    """The time in UTC, to the second; as a number if it is too large for a date."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return str(at_ms)
