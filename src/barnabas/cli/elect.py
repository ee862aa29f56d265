"""``barnabas cluster elect``: gives leadership back to preferred replicas."""

from __future__ import annotations

import asyncio

import click

from barnabas.cli.client import cluster_client
from barnabas.cli.completion import topic_names
from barnabas.cli.moving import partitions_of, report
from barnabas.cli.options import PARTITION, bootstrap_server, output
from barnabas.client.cluster import Bootstrap
from barnabas.client.reassignment import elect_leaders

CLIENT_ID = "barnabas-cluster"


@click.command("elect")
@click.option("--topic", "-t", shell_complete=topic_names, help="Default: all topics.")
@click.option("--partition", "-p", type=PARTITION, help="Only this one. Default: all.")
@click.option("--unclean", is_flag=True, help="For partitions without a leader; may lose records.")
@bootstrap_server
@output
def elect_command(
    topic: str | None,
    partition: int | None,
    unclean: bool,
    bootstrap_server: Bootstrap,
    output: str,
) -> None:
    """Give leadership back to preferred replicas; with --unclean, to any live replica.

    \b
    barnabas cluster elect
    barnabas cluster elect -t orders -p 0 --unclean
    """
    if topic is None and (partition is not None or unclean):
        raise click.UsageError("--topic is missing")

    async def run() -> int:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            wanted = None
            if topic is not None:
                wanted = partitions_of(await client.metadata([topic]), topic, partition)
            return report(await elect_leaders(client, wanted, unclean=unclean), output)

    raise SystemExit(asyncio.run(run()))
