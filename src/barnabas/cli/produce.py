"""``barnabas produce``: sends lines of standard input as records."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Iterator

import click

from barnabas.cli.client import cluster_client
from barnabas.cli.completion import topic_names
from barnabas.cli.options import PARTITION, bootstrap_server
from barnabas.client.cluster import Bootstrap
from barnabas.client.errors import ClientError
from barnabas.client.partitioner import Partitioner
from barnabas.client.producer import Producer
from barnabas.errors import ErrorCode
from barnabas.logs import visible
from barnabas.records.batch import Record
from barnabas.records.compression import Codec
from barnabas.types import TopicPartition

LINES_AT_ONCE = 500
BYTES_AT_ONCE = 512 * 1024
"""Half of what a broker takes in one batch by default."""
CODECS = {codec.name.lower(): codec for codec in Codec}


@click.command()
@click.argument("topic", shell_complete=topic_names)
@click.option("--partition", "-p", type=PARTITION, help="Default: by the key.")
@click.option("--key-delimiter", "-K", metavar="TEXT", help="Splits each line into key and value.")
@click.option("--acks", type=click.Choice(["0", "1", "all"]), default="all", show_default=True)
@click.option("--codec", "-z", type=click.Choice(list(CODECS)), default="none", show_default=True)
@bootstrap_server
def command(
    topic: str,
    partition: int | None,
    key_delimiter: str | None,
    acks: str,
    codec: str,
    bootstrap_server: Bootstrap,
) -> None:
    """Send every line of standard input to TOPIC as one record; exactly once with acks=all.

    \b
    seq 100 | barnabas produce numbers
    printf 'a:1\\nb:2\\n' | barnabas produce orders -K :
    """
    delimiter = key_delimiter.encode() if key_delimiter else None
    lines = (line.rstrip(b"\n") for line in sys.stdin.buffer)
    count = asyncio.run(
        _run(
            bootstrap_server,
            topic,
            partition,
            _records(lines, delimiter),
            acks=-1 if acks == "all" else int(acks),
            codec=CODECS[codec],
        )
    )
    click.echo(f"produced {count} records to {visible(topic)}", err=True)


def _records(lines: Iterable[bytes], delimiter: bytes | None) -> Iterator[Record]:
    for line in lines:
        key: bytes | None = None
        value = line
        if delimiter is not None and delimiter in line:
            key, _, value = line.partition(delimiter)
        yield Record(offset=0, timestamp=0, key=key, value=value, headers=())


async def _run(
    bootstrap: Bootstrap,
    topic: str,
    partition: int | None,
    records: Iterator[Record],
    *,
    acks: int,
    codec: Codec,
) -> int:
    async with cluster_client(bootstrap, "barnabas-produce") as client:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + client.timeout_ms / 1000
        view = (await client.metadata([topic], auto_create=True)).topics[topic]
        while not view.partitions and view.error in (3, 5) and loop.time() < deadline:
            await asyncio.sleep(0.05)
            view = (await client.metadata([topic], auto_create=True)).topics[topic]
        if view.error:
            raise ClientError(f"topic {topic}", view.error)
        if partition is not None and partition >= len(view.partitions):
            what = str(TopicPartition(topic, partition))
            raise ClientError(what, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        partitioner = Partitioner(len(view.partitions))
        producer = Producer(client, acks=acks, idempotent=acks == -1, codec=codec)
        await producer.start()
        count = 0
        for some in _portions(records):
            batches: dict[int, list[Record]] = {}
            now = _now_ms()
            for record in some:
                number = partitioner.partition(record.key) if partition is None else partition
                batches.setdefault(number, []).append(record._replace(timestamp=now))
            partitioner.next_batch()
            async with asyncio.TaskGroup() as group:
                for number, batch in batches.items():
                    group.create_task(producer.send(TopicPartition(topic, number), batch))
            count += len(some)
        return count


def _portions(records: Iterable[Record]) -> Iterator[list[Record]]:
    """The records in portions that are sent at once. A very large record is sent alone."""
    some: list[Record] = []
    size = 0
    for record in records:
        length = len(record.key or b"") + len(record.value or b"")
        if some and (len(some) == LINES_AT_ONCE or size + length > BYTES_AT_ONCE):
            yield some
            some, size = [], 0
        some.append(record)
        size += length
    if some:
        yield some


def _now_ms() -> int:
    import time

    return time.time_ns() // 1_000_000
