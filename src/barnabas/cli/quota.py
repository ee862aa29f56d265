"""``barnabas quota``: how much users, clients and addresses may have of a broker."""

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
    producer_byte_rate        bytes a second that are produced, of each broker
    consumer_byte_rate        bytes a second that are fetched, of each broker
    request_percentage        of a processor's time, for all requests
    controller_mutation_rate  partitions created and deleted a second
    connection_creation_rate  new connections a second, of an address
"""


@click.group()
def command() -> None:
    """How much users, clients and addresses may have: set, list and delete quotas.

    A quota counts at each broker. Who exceeds it is answered and then not served for a while;
    the answer says how long (throttle_time_ms).
    """


def entities(function: F) -> F:
    """Options that say whom quotas are for."""
    for flag, name, text in (
        ("--ip-defaults", "ip_defaults", "Each address that has none of its own."),
        ("--ip", "ip", "An address."),
        ("--client-defaults", "client_defaults", "Each client id that has none of its own."),
        ("--client", "client", "A client id; with --user only that user's."),
        ("--user-defaults", "user_defaults", "Each user who has none of his own."),
        ("--user", "user", "A user."),
    ):
        if flag.endswith("-defaults"):
            function = click.option(flag, name, is_flag=True, help=text)(function)
        else:
            function = click.option(flag, name, metavar="NAME", help=text)(function)
    return function


def _names(chosen: dict[str, Any]) -> list[Name]:
    """Of user, client id and address."""
    found: list[Name] = []
    for kind in ("user", "client", "ip"):
        name, is_default = chosen[kind], chosen[f"{kind}_defaults"]
        if is_default and name is not None:
            raise click.UsageError(f"--{kind} or --{kind}-defaults, not both")
        if name == "":
            raise click.UsageError(f"--{kind}: a name is wanted")
        found.append(DEFAULT if is_default else ABSENT if name is None else name)
    if found[2] != ABSENT and found[:2] != [ABSENT, ABSENT]:
        raise click.UsageError("an address goes with no user and no client")
    return found


def _entity(chosen: dict[str, Any]) -> Entity:
    entity = Entity(*_names(chosen))
    if not entity.parts():
        raise click.UsageError("for whom? --user, --client or --ip")
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
    """Set quotas, in place of those of the same KEY.

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
    """The quotas that are set, of all or of whom is named."""
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
    """Delete quotas of this KEY, or all that are set for whom is named."""
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
