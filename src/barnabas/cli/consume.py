"""``barnabas consume``: print records of a topic."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass

import click

from barnabas.cli.client import cluster_client
from barnabas.cli.completion import topic_names
from barnabas.cli.options import PARTITION, bootstrap_server
from barnabas.cli.record_format import compile_format
from barnabas.client.cluster import Bootstrap, ClusterClient
from barnabas.client.consumer import EARLIEST, LATEST, fetch, list_offset
from barnabas.client.errors import ClientError
from barnabas.errors import ErrorCode
from barnabas.types import TopicPartition


@click.command()
@click.argument("topic", shell_complete=topic_names)
@click.option("--partition", "-p", type=PARTITION, multiple=True, help="Default: all.")
@click.option(
    "--offset",
    "-o",
    default="beginning",
    show_default=True,
    metavar="OFFSET",
    help="beginning, end, N, -N (the last N), or @MS (from a time).",
)
@click.option("--count", "-c", type=click.IntRange(1), help="Stop after this many records.")
@click.option("--exit-at-end", "-e", is_flag=True, help="Stop at the end of all partitions.")
@click.option("--format", "-f", "form", default="%s\\n", show_default=True, help="See below.")
@bootstrap_server
def command(
    topic: str,
    partition: tuple[int, ...],
    offset: str,
    count: int | None,
    exit_at_end: bool,
    form: str,
    bootstrap_server: Bootstrap,
) -> None:
    """Print the records of TOPIC. Those of one partition are in order of offsets.

    \b
    Format: %t topic  %p partition  %o offset  %k key  %s value  %T timestamp in ms
            %h headers  %K key length  %S value length  %%  \\n  \\t
    \b
    barnabas consume orders -o -10 -e -f '%p:%o %k=%s\\n'
    """
    job = _Job(
        topic=topic,
        partitions=partition,
        start=_parse_offset(offset),
        count=count,
        exit_at_end=exit_at_end,
        form=form,
    )
    asyncio.run(_run(bootstrap_server, job))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    topic: str
    partitions: tuple[int, ...]
    start: tuple[str, int]
    count: int | None
    exit_at_end: bool
    form: str


def _parse_offset(text: str) -> tuple[str, int]:
    """(kind, number): kind is timestamp, absolute or relative."""
    named = {"beginning": EARLIEST, "earliest": EARLIEST, "end": LATEST, "latest": LATEST}
    if text in named:
        return "timestamp", named[text]
    kind, digits = ("timestamp", text[1:]) if text.startswith("@") else ("absolute", text)
    try:
        number = int(digits)
        if not (0 if kind == "timestamp" else -(2**63)) <= number < 2**63:
            raise ValueError(digits)
    except ValueError:
        raise click.BadParameter(f"--offset: '{text}' is not an offset") from None
    if kind == "absolute" and number < 0:
        return "relative", number
    return kind, number


async def _run(bootstrap: Bootstrap, job: _Job) -> None:
    render = compile_format(job.form)
    async with cluster_client(bootstrap, "barnabas-consume", timeout_ms=30_000) as client:
        view = (await client.metadata([job.topic])).topics[job.topic]
        if view.error:
            raise ClientError(f"topic {job.topic}", view.error)
        there = tuple(p.partition for p in view.partitions)
        for number in job.partitions:
            if number not in there:
                what = str(TopicPartition(job.topic, number))
                raise ClientError(what, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        numbers = job.partitions or there
        positions = {}
        for number in numbers:
            tp = TopicPartition(job.topic, number)
            positions[tp] = await _first_offset(client, tp, job.start)
        left = job.count
        lock = asyncio.Lock()

        async def follow(tp: TopicPartition) -> None:
            nonlocal left
            while left is None or left > 0:
                batch = await fetch(client, tp, positions[tp], max_wait_ms=500)
                async with lock:
                    wanted = batch.records if left is None else batch.records[: max(0, left)]
                    for record in wanted:
                        sys.stdout.buffer.write(render(tp, record))
                    sys.stdout.buffer.flush()
                    left = None if left is None else left - len(wanted)
                positions[tp] = batch.next_offset
                if job.exit_at_end and batch.next_offset >= batch.high_watermark:
                    return

        async with asyncio.TaskGroup() as group:
            for tp in positions:
                group.create_task(follow(tp))


async def _first_offset(client: ClusterClient, tp: TopicPartition, start: tuple[str, int]) -> int:
    kind, number = start
    if kind == "absolute":
        return number
    if kind == "relative":
        first = await list_offset(client, tp, EARLIEST)
        return max(first, await list_offset(client, tp, LATEST) + number)
    offset = await list_offset(client, tp, number)
    return offset if offset >= 0 else await list_offset(client, tp, LATEST)
