"""``barnabas topic delete-records``: deletes the oldest records of a topic."""

from __future__ import annotations

import asyncio
from typing import Final

import click

from barnabas.cli.client import cluster_client
from barnabas.cli.completion import topic_names
from barnabas.cli.moving import partitions_of
from barnabas.cli.options import PARTITION, bootstrap_server, milliseconds, output
from barnabas.cli.output import print_json, print_table
from barnabas.client.cluster import Bootstrap
from barnabas.client.consumer import EARLIEST
from barnabas.client.delete_records import Result, delete_records
from barnabas.client.errors import ClientError
from barnabas.client.offsets import list_offsets
from barnabas.client.positions import reset_targets
from barnabas.types import TopicPartition

CLIENT_ID: Final = "barnabas-delete-records"


@click.command("delete-records")
@click.argument("name", shell_complete=topic_names)
@click.option("--partition", "-p", type=PARTITION, help="Only this one. Default: all.")
@click.option("--before", type=click.IntRange(0, 2**63 - 1), metavar="OFFSET")
@click.option("--before-time", metavar="MS|ISO", help="Records older than the first since then.")
@click.option("--all", "everything", is_flag=True, help="All records that there are now.")
@click.option("--execute", is_flag=True, help="Do it instead of only showing it.")
@bootstrap_server
@output
def delete_records_command(
    name: str,
    partition: int | None,
    before: int | None,
    before_time: str | None,
    everything: bool,
    execute: bool,
    bootstrap_server: Bootstrap,
    output: str,
) -> None:
    """Delete the oldest records of topic NAME: show what would go, and do it with --execute.

    \b
    barnabas topic delete-records orders -p 0 --before 1000
    barnabas topic delete-records orders --before-time 2026-03-01T00:00:00Z --execute
    barnabas topic delete-records orders --all --execute

    They are gone for every reader at once. A topic whose cleanup.policy is only compact refuses it.
    """
    if sum((before is not None, before_time is not None, everything)) != 1:
        raise click.UsageError("Give one of --before, --before-time, --all.")
    kind, value = ("to_latest", 0) if everything else ("to_offset", before or 0)
    if before_time is not None:
        kind, value = "to_time", milliseconds(before_time, "--before-time")

    async def run() -> int:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            chosen = partitions_of(await client.metadata([name]), name, partition)
            starts = await list_offsets(client, chosen, EARLIEST)
            targets = await reset_targets(client, chosen, {}, kind, value)
            results: dict[TopicPartition, Result] = {}
            if execute:
                results = await delete_records(client, targets)
            _show(starts, targets, results, output, executed=execute)
            return int(any(isinstance(r, ClientError) for r in results.values()))

    raise SystemExit(asyncio.run(run()))


def _show(
    starts: dict[TopicPartition, int],
    targets: dict[TopicPartition, int],
    results: dict[TopicPartition, Result],
    output: str,
    *,
    executed: bool,
) -> None:
    rows = []
    for tp, target in sorted(targets.items()):
        result, start = results.get(tp), starts.get(tp, 0)
        said = "deleted" if executed else "-"
        if isinstance(result, ClientError):
            said = result.code.name
        elif result is not None:
            target = result
        rows.append(
            {
                "partition": str(tp),
                "first": start,
                "new first": target,
                "offsets": max(target - start, 0),
                "result": said,
            }
        )
    if output == "json":
        fields = [{k.replace(" ", "_"): v for k, v in row.items()} for row in rows]
        print_json({"executed": executed, "partitions": fields})
        return
    print_table(list(rows[0]), [list(row.values()) for row in rows])
    if not executed:
        click.echo("\nNothing is deleted. --execute deletes the records.")
