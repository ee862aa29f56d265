"""``barnabas group``: list, describe, reset-offsets, delete."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click

from barnabas.cli.client import cluster_client
from barnabas.cli.completion import group_names, topic_names
from barnabas.cli.options import bootstrap_server, milliseconds, output
from barnabas.cli.output import print_json, print_table
from barnabas.client.cluster import Bootstrap, ClusterClient
from barnabas.client.errors import ClientError
from barnabas.client.groups import (
    GroupDescription,
    commit_offsets,
    committed_offsets,
    delete_group,
    describe_group,
    list_groups,
)
from barnabas.client.positions import group_positions, reset_targets
from barnabas.errors import ErrorCode
from barnabas.logs import visible
from barnabas.names import number_in
from barnabas.types import TopicPartition

CLIENT_ID = "barnabas-group"
DEAD = "Dead"
EXIT_FAILED = 1


@click.group()
def command() -> None:
    """List, describe, reset and delete consumer groups."""


@command.command("list")
@bootstrap_server
@output
def list_command(bootstrap_server: Bootstrap, output: str) -> None:
    """List all groups with their states and coordinators."""

    async def run() -> list[dict[str, object]]:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            return [
                {
                    "name": g.name,
                    "state": g.state,
                    "type": g.protocol_type or "-",
                    "protocol": g.kind,
                    "coordinator": g.coordinator,
                }
                for g in await list_groups(client)
            ]

    rows = asyncio.run(run())
    if output == "json":
        print_json(rows)
    else:
        header = ["name", "state", "type", "protocol", "coordinator"]
        print_table(header, [list(row.values()) for row in rows])


@command.command()
@click.argument("name", shell_complete=group_names)
@bootstrap_server
@output
def describe(name: str, bootstrap_server: Bootstrap, output: str) -> None:
    """Show the position, lag and owner of each partition that group NAME reads."""

    async def run() -> tuple[GroupDescription, list[dict[str, object]]]:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            group = await _existing(client, name)
            return group, await group_positions(client, group)

    group, positions = asyncio.run(run())
    members = [
        {
            "member": m.id,
            "instance": m.instance_id,
            "client": m.client_id,
            "host": m.host.lstrip("/"),
            "epoch": m.epoch,
            "partitions": None if m.partitions is None else [str(p) for p in m.partitions],
        }
        for m in group.members
    ]
    summary = {
        "name": group.name,
        "state": group.state,
        "type": group.protocol_type,
        "assignor": group.protocol,
        "coordinator": group.coordinator,
        "protocol": group.kind,
        "epoch": group.epoch,
        "assignment epoch": group.target_epoch,
    }
    if output == "json":
        print_json({**summary, "partitions": positions, "members": members})
        return
    click.echo(
        "  ".join(
            f"{key} {visible('-' if value in (None, '') else value)}"
            for key, value in summary.items()
        )
    )
    if positions:
        click.echo()
        print_table(list(positions[0]), [_cells(row.values()) for row in positions])
    if members:
        click.echo()
        print_table(list(members[0]), [_cells(row.values()) for row in members])


def _cells(values: object) -> list[object]:
    assert not isinstance(values, str)
    cells: list[object] = []
    for value in values:  # type: ignore[attr-defined]
        if isinstance(value, list):
            cells.append(",".join(value) or "-")
        else:
            cells.append("-" if value is None else value)
    return cells


async def _existing(client: ClusterClient, name: str) -> GroupDescription:
    group = await describe_group(client, name)
    if group.state == DEAD:
        raise ClientError(f"group {name}", ErrorCode.GROUP_ID_NOT_FOUND)
    return group


@command.command("reset-offsets")
@click.argument("name", shell_complete=group_names)
@click.option(
    "--topic",
    "-t",
    "topics",
    multiple=True,
    metavar="TOPIC[:P,P...]",
    shell_complete=topic_names,
)
@click.option("--all-topics", is_flag=True, help="All topics in which the group has a position.")
@click.option("--to-earliest", is_flag=True, help="To the first record.")
@click.option("--to-latest", is_flag=True, help="To the end.")
@click.option("--to-offset", type=click.IntRange(0, 2**63 - 1), metavar="N")
@click.option(
    "--shift-by",
    type=click.IntRange(-(2**63), 2**63 - 1),
    metavar="N",
    help="By N records forward, or back if negative.",
)
@click.option("--to-time", metavar="MS|ISO", help="To the first record at or after a time.")
@click.option("--execute", is_flag=True, help="Do it instead of only showing it.")
@bootstrap_server
@output
def reset_offsets(
    name: str,
    topics: tuple[str, ...],
    all_topics: bool,
    bootstrap_server: Bootstrap,
    output: str,
    execute: bool,
    **targets: object,
) -> None:
    """Show the positions that group NAME would get, and set them with --execute.

    \b
    barnabas group reset-offsets billing -t orders --to-earliest
    barnabas group reset-offsets billing -t orders:0,3 --shift-by -100 --execute
    barnabas group reset-offsets billing --all-topics --to-time 2026-03-01T00:00:00Z --execute
    """
    chosen = {
        key: value for key, value in targets.items() if value is not None and value is not False
    }
    if len(chosen) != 1:
        raise click.UsageError(
            "Give one of --to-earliest, --to-latest, --to-offset, --shift-by, --to-time."
        )
    if bool(topics) == all_topics:
        raise click.UsageError("Give either --topic or --all-topics.")
    (kind, value), *_ = chosen.items()
    if kind == "to_time":
        value = milliseconds(str(value), "--to-time")
    assert isinstance(value, int)

    async def run() -> list[dict[str, object]]:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            committed = await committed_offsets(client, name)
            if all_topics and not committed:
                await _existing(client, name)
            partitions = sorted(committed) if all_topics else await _chosen(client, topics)
            new = await reset_targets(client, partitions, committed, kind, value)
            if execute and new:
                group = await describe_group(client, name)
                if group.members:
                    raise ClientError(f"group {name}", ErrorCode.NON_EMPTY_GROUP)
                await commit_offsets(client, name, new)
            return [
                {
                    "topic": p.topic,
                    "partition": p.partition,
                    "committed": committed.get(p),
                    "new": offset,
                }
                for p, offset in new.items()
            ]

    rows = asyncio.run(run())
    if output == "json":
        print_json({"executed": execute, "partitions": rows})
        return
    header = ["topic", "partition", "committed", "new"]
    print_table(header, [_cells(row.values()) for row in rows])
    if not execute:
        click.echo("nothing is changed; --execute sets the positions", err=True)


async def _chosen(client: ClusterClient, topics: Sequence[str]) -> list[TopicPartition]:
    """The partitions that ``TOPIC`` or ``TOPIC:P,P`` name."""
    found: list[TopicPartition] = []
    for text in topics:
        topic, _, numbers = text.partition(":")
        view = (await client.metadata([topic])).topics.get(topic)
        if view is None or view.error:
            code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if view is None else view.error
            raise ClientError(f"topic {topic}", code)
        known = [p.partition for p in view.partitions]
        for number in _numbers(numbers) if numbers else known:
            if number not in known:
                raise ClientError(f"{topic}-{number}", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
            found.append(TopicPartition(topic, number))
    return found


def _numbers(text: str) -> list[int]:
    found = [number for part in text.split(",") if (number := number_in(part)) is not None]
    if len(found) <= text.count(","):
        raise click.UsageError(f"--topic: '{text}' is not a list of partitions.")
    return found


@command.command()
@click.argument("names", nargs=-1, required=True, shell_complete=group_names)
@bootstrap_server
def delete(names: tuple[str, ...], bootstrap_server: Bootstrap) -> None:
    """Delete groups NAMES with their positions. A group with members is not deleted."""

    async def run() -> bool:
        whole = True
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            for name in names:
                try:
                    await delete_group(client, name)
                except ClientError as error:
                    click.echo(f"barnabas: {visible(error)}", err=True)
                    whole = False
                else:
                    click.echo(f"deleted {visible(name)}")
        return whole

    if not asyncio.run(run()):
        raise click.exceptions.Exit(EXIT_FAILED)
