"""``barnabas topic``: create, list, describe, alter, delete."""

from __future__ import annotations

import asyncio
import shutil

import click

from barnabas.cli.client import cluster_client
from barnabas.cli.completion import topic_names
from barnabas.cli.delete_records import delete_records_command
from barnabas.cli.options import bootstrap_server, output
from barnabas.cli.output import print_json, print_table
from barnabas.cli.progress import ProgressLine, bar_text
from barnabas.client.admin import alter_topic, create_topic, delete_topic, wait_for_leaders
from barnabas.client.cluster import Bootstrap
from barnabas.client.errors import ClientError
from barnabas.client.metadata import ClusterView, TopicView
from barnabas.config.sources import parse_overrides
from barnabas.logs import visible

CLIENT_ID = "barnabas-topic"


@click.group()
def command() -> None:
    """Create, list, describe, alter and delete topics, and their oldest records."""


command.add_command(delete_records_command)


@command.command()
@click.argument("name")
@click.option(
    "--partitions", "-p", type=click.IntRange(1, 2**31 - 1), help="Default: num.partitions."
)
@click.option(
    "--replicas",
    "-r",
    type=click.IntRange(1, 2**15 - 1),
    help="Default: default.replication.factor.",
)
@click.option("--min-isr", type=click.IntRange(1), help="Sets min.insync.replicas.")
@click.option("--config", "-c", multiple=True, metavar="KEY=VALUE", help="A topic setting.")
@bootstrap_server
def create(
    name: str,
    partitions: int | None,
    replicas: int | None,
    min_isr: int | None,
    config: tuple[str, ...],
    bootstrap_server: Bootstrap,
) -> None:
    """Create topic NAME and wait until its partitions have leaders.

    \b
    barnabas topic create orders -p 6 -r 3 --min-isr 2
    barnabas topic create sessions -c cleanup.policy=compact
    """
    configs = parse_overrides(config, "--config")
    if min_isr is not None:
        configs["min.insync.replicas"] = str(min_isr)

    async def run(line: ProgressLine) -> None:
        def progress(ready: int, total: int) -> None:
            what = f"creating {name}: {ready} of {total} partitions have leaders"
            columns = shutil.get_terminal_size().columns
            line.show(bar_text(ready / total, what, columns)[: columns - 1])

        line.show(f"creating {name}")
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            await create_topic(
                client,
                name,
                partitions=partitions or -1,
                replication_factor=replicas or -1,
                configs=configs,
                progress=progress,
            )
            await wait_for_leaders(client, name, partitions=partitions or -1, progress=progress)

    with ProgressLine() as line:
        asyncio.run(run(line))
    click.echo(f"created {visible(name)}")


@command.command("list")
@click.option("--internal", is_flag=True, help="Include internal topics.")
@bootstrap_server
@output
def list_topics(internal: bool, bootstrap_server: Bootstrap, output: str) -> None:
    """List all topics with their partitions, replicas and problems."""
    view = asyncio.run(_metadata(bootstrap_server))
    topics = [t for _, t in sorted(view.topics.items()) if internal or not t.internal]
    if output == "json":
        print_json([_summary(view, t) for t in topics])
    else:
        rows = [list(_summary(view, t).values()) for t in topics]
        print_table(["name", "partitions", "replicas", "under-replicated", "leaderless"], rows)


@command.command()
@click.argument("name", shell_complete=topic_names)
@bootstrap_server
@output
def describe(name: str, bootstrap_server: Bootstrap, output: str) -> None:
    """Show the leader, epoch, replicas and in-sync replicas of each partition of NAME."""
    view = asyncio.run(_metadata(bootstrap_server, name))
    topic = view.topics[name]
    if topic.error:
        raise ClientError(f"topic {name}", topic.error)
    rows = [
        {
            "partition": p.partition,
            "leader": None if view.is_leaderless(p) else p.leader,
            "epoch": p.leader_epoch,
            "replicas": list(p.replicas),
            "isr": list(p.isr),
            "offline": [r for r in p.replicas if view.replica_state(p, r) == "offline"],
        }
        for p in topic.partitions
    ]
    if output == "json":
        print_json({"name": name, "topic_id": str(topic.topic_id), "partitions": rows})
        return
    print_table(
        ["partition", "leader", "epoch", "replicas", "isr", "offline"],
        [
            [
                ",".join(map(str, cell))
                if isinstance(cell, list)
                else "-"
                if cell is None
                else cell
                for cell in row.values()
            ]
            for row in rows
        ],
    )


@command.command()
@click.argument("name", shell_complete=topic_names)
@click.option("--config", "-c", multiple=True, metavar="KEY=VALUE", help="A topic setting.")
@click.option("--delete-config", multiple=True, metavar="KEY", help="Use the brokers' value again.")
@bootstrap_server
def alter(
    name: str, config: tuple[str, ...], delete_config: tuple[str, ...], bootstrap_server: Bootstrap
) -> None:
    """Change the settings of topic NAME.

    \b
    barnabas topic alter orders -c retention.ms=86400000 --delete-config segment.bytes
    """
    if not (config or delete_config):
        raise click.UsageError("nothing to alter: give --config or --delete-config")

    async def run() -> None:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            await alter_topic(client, name, parse_overrides(config, "--config"), delete_config)

    asyncio.run(run())
    click.echo(f"altered {visible(name)}")


@command.command()
@click.argument("names", nargs=-1, required=True, shell_complete=topic_names)
@bootstrap_server
def delete(names: tuple[str, ...], bootstrap_server: Bootstrap) -> None:
    """Delete topics NAMES with all their records."""

    async def run() -> None:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            for name in names:
                with ProgressLine() as line:
                    line.show(f"deleting {name}")
                    await delete_topic(client, name)
                click.echo(f"deleted {visible(name)}")

    asyncio.run(run())


async def _metadata(bootstrap: Bootstrap, *topics: str) -> ClusterView:
    async with cluster_client(bootstrap, CLIENT_ID) as client:
        return await client.status(list(topics) or None)


def _summary(view: ClusterView, topic: TopicView) -> dict[str, object]:
    partitions = topic.partitions
    return {
        "name": topic.name,
        "partitions": len(partitions),
        "replicas": max((len(p.replicas) for p in partitions), default=0),
        "under_replicated": sum(map(view.is_under_replicated, partitions)),
        "leaderless": sum(map(view.is_leaderless, partitions)),
    }
