"""``barnabas quota``: limits for users, clients and addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import click

from barnabas.cli.client import cluster_client
from barnabas.cli.options import bootstrap_server, output
from barnabas.cli.output import print_json, print_table
from barnabas.client.cluster import Bootstrap
from barnabas.client.quotas import alter_quotas, describe_quotas
from barnabas.logs import visible
from barnabas.quotas.entities import (
    ABSENT,
    DEFAULT,
    Entity,
    Filter,
    Name,
    component_for,
)

CLIENT_ID = "barnabas-quota"
F = TypeVar("F", bound=Callable[..., Any])

KEYS = """\b
    producer_byte_rate        bytes per second produced to each broker
    consumer_byte_rate        bytes per second fetched from each broker
    request_percentage        percentage of processor time for all requests
    controller_mutation_rate  partitions created and deleted per second
    connection_creation_rate  new connections per second from an address
"""


@click.group()
def command() -> None:
    """Set, list and delete quotas of users, clients and addresses.

    A quota applies to each broker separately. A client that exceeds it gets its answer and is then
    not served for a while. The answer says for how long (throttle_time_ms).
    """


def entities(function: F) -> F:
    """Adds the options that say whom a quota is for."""
    for flag, name, text in (
        ("--ip-defaults", "ip_defaults", "Each address without a quota of its own."),
        ("--ip", "ip", "An address."),
        ("--client-defaults", "client_defaults", "Each client id without a quota of its own."),
        ("--client", "client", "A client id; with --user, only of that user."),
        ("--user-defaults", "user_defaults", "Each user without a quota of their own."),
        ("--user", "user", "A user."),
    ):
        if flag.endswith("-defaults"):
            function = click.option(flag, name, is_flag=True, help=text)(function)
        else:
            function = click.option(flag, name, metavar="NAME", help=text)(function)
    return function


def _names(chosen: dict[str, Any]) -> list[Name]:
    """The names of user, client id and address."""
    found: list[Name] = []
    for kind in ("user", "client", "ip"):
        name, is_default = chosen[kind], chosen[f"{kind}_defaults"]
        if is_default and name is not None:
            raise click.UsageError(f"give --{kind} or --{kind}-defaults, not both")
        if name == "":
            raise click.UsageError(f"--{kind}: the name is empty")
        found.append(DEFAULT if is_default else ABSENT if name is None else name)
    if found[2] != ABSENT and found[:2] != [ABSENT, ABSENT]:
        raise click.UsageError("--ip cannot be used with --user or --client")
    return found


def _entity(chosen: dict[str, Any]) -> Entity:
    entity = Entity(*_names(chosen))
    if not entity.parts():
        raise click.UsageError("give --user, --client or --ip")
    return entity


def _value(text: str) -> tuple[str, float]:
    key, _, value = text.partition("=")
    try:
        return key, float(value)
    except ValueError:
        pass
    raise click.UsageError(f"{visible(text)} is not KEY=NUMBER")


@command.command(name="set", epilog=f"KEY is one of:\n\n{KEYS}")
@click.argument("values", nargs=-1, required=True, metavar="KEY=NUMBER...")
@entities
@bootstrap_server
def set_command(values: tuple[str, ...], bootstrap_server: Bootstrap, **chosen: Any) -> None:
    """Set quotas. They replace those of the same KEY.

    \b
    barnabas quota set --user alice producer_byte_rate=1048576
    barnabas quota set --user-defaults --client reports consumer_byte_rate=5e6
    barnabas quota set --ip-defaults connection_creation_rate=20
    """
    entity, quotas = _entity(chosen), dict(map(_value, values))

    async def run() -> None:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            await alter_quotas(client, entity, quotas)

    asyncio.run(run())
    click.echo(f"{visible(str(entity))}: {', '.join(f'{k}={v:g}' for k, v in quotas.items())}")


@command.command(name="list")
@entities
@bootstrap_server
@output
def list_command(bootstrap_server: Bootstrap, output: str, **chosen: Any) -> None:
    """List the quotas that are set: all, or those of a user, client or address."""
    user, client_id, ip = map(component_for, _names(chosen))

    async def run() -> dict[Entity, dict[str, float]]:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            return await describe_quotas(client, Filter(user, client_id, ip))

    found = asyncio.run(run())
    if output == "json":
        print_json(
            [{"entity": dict(entity.parts()), "quotas": held} for entity, held in found.items()]
        )
        return
    rows = [
        (visible(str(entity)), visible(key), f"{value:g}")
        for entity, held in found.items()
        for key, value in held.items()
    ]
    print_table(("for", "quota", "value"), rows)


@command.command()
@click.argument("keys", nargs=-1, metavar="[KEY...]")
@entities
@bootstrap_server
def delete(keys: tuple[str, ...], bootstrap_server: Bootstrap, **chosen: Any) -> None:
    """Delete the quotas with these KEYs, or all quotas, of a user, client or address."""
    entity = _entity(chosen)
    user, client_id, ip = map(component_for, entity)
    wanted = Filter(user, client_id, ip, strict=True)

    async def run() -> tuple[str, ...]:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            held = keys or tuple((await describe_quotas(client, wanted)).get(entity, {}))
            if held:
                await alter_quotas(client, entity, dict.fromkeys(held))
            return held

    deleted = asyncio.run(run())
    click.echo(f"{visible(str(entity))}: {', '.join(map(visible, deleted)) or 'nothing'} deleted")
