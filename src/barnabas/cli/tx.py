"""TransactionsCommand: ``barnabas tx`` shows transactions, and aborts those that hang (KIP-664)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

import click

from barnabas.broker.main import system_env
from barnabas.cli.client import cluster_client
from barnabas.cli.completion import broker_ids, partition_names, topic_names, transactional_ids
from barnabas.cli.options import PARTITION, bootstrap_server, output
from barnabas.cli.output import print_json, print_table
from barnabas.client.cluster import Bootstrap, ClusterClient
from barnabas.client.errors import ClientError
from barnabas.client.transaction_admin import (
    NO_DURATION,
    ActiveProducer,
    abort,
    describe_producers,
    describe_transaction,
    find_hanging,
    list_transactions,
    open_transaction,
)
from barnabas.errors import ErrorCode
from barnabas.logs import visible
from barnabas.names import number_in
from barnabas.types import TopicPartition

T = TypeVar("T")

CLIENT_ID = "barnabas-tx"
TRANSACTION_TIMEOUT_MINUTES = 15
"""Kafka's ``transaction.max.timeout.ms``, by default."""
STATES = ("Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort")


class _PartitionName(click.ParamType[TopicPartition]):
    name = "partition"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> TopicPartition:
        topic, _, text = str(value).replace("/", ":").rpartition(":")
        number = number_in(text)
        if not topic or number is None:
            self.fail(f"{visible(value)} is not TOPIC/PARTITION", param, ctx)
        return TopicPartition(topic, number)


_PARTITION = _PartitionName()


@click.group()
def command() -> None:
    """List and describe transactions, find those that hang, and abort them."""


@command.command("list")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Default: all.")
@click.option("--producer-id", "producers", multiple=True, type=click.IntRange(0, 2**63 - 1))
@click.option(
    "--duration-filter",
    type=click.IntRange(0, 2**63 - 1),
    default=None,
    metavar="MS",
    help="Only transactions that are open for longer. Needs Kafka 3.8 brokers.",
)
@bootstrap_server
@output
def list_command(
    states: tuple[str, ...],
    producers: tuple[int, ...],
    duration_filter: int | None,
    bootstrap_server: Bootstrap,
    output: str,
) -> None:
    """List transactional ids with their coordinators and states."""

    async def run() -> list[dict[str, object]]:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            found = await list_transactions(
                client,
                states=states,
                producers=producers,
                duration_ms=NO_DURATION if duration_filter is None else duration_filter,
            )
            return [
                {
                    "transactional_id": each.transactional_id,
                    "coordinator": each.coordinator,
                    "producer_id": each.producer_id,
                    "state": each.state,
                }
                for each in found
            ]

    rows = asyncio.run(run())
    _print(rows, ("transactional_id", "coordinator", "producer_id", "state"), output)


@command.command()
@click.argument("transactional_id", shell_complete=transactional_ids)
@bootstrap_server
@output
def describe(transactional_id: str, bootstrap_server: Bootstrap, output: str) -> None:
    """Show the state of a transactional id, and the partitions of its open transaction."""

    async def run() -> dict[str, object]:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            found = await describe_transaction(client, transactional_id)
            open_ms = system_env().clock.wall_ms() - found.start_ms
            return {
                "transactional_id": found.transactional_id,
                "coordinator": found.coordinator,
                "producer_id": found.producer_id,
                "producer_epoch": found.producer_epoch,
                "state": found.state,
                "timeout_ms": found.timeout_ms,
                "start_ms": found.start_ms if found.start_ms >= 0 else None,
                "open_ms": open_ms if found.start_ms >= 0 else None,
                "partitions": [str(p) for p in found.partitions],
            }

    row = asyncio.run(run())
    if output == "json":
        print_json(row)
    else:
        print_table(("field", "value"), [(name, _cell(value)) for name, value in row.items()])


@command.command("describe-producers")
@click.argument(
    "partition", type=_PARTITION, metavar="TOPIC/PARTITION", shell_complete=partition_names
)
@click.option(
    "--broker-id",
    type=click.IntRange(0),
    shell_complete=broker_ids,
    help="Ask this replica, not the leader.",
)
@bootstrap_server
@output
def producers_command(
    partition: TopicPartition, broker_id: int | None, bootstrap_server: Bootstrap, output: str
) -> None:
    """Show the producers that a partition knows, and where their transactions begin."""

    async def run() -> list[ActiveProducer]:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            await client.metadata([partition.topic])
            return await _answered(describe_producers(client, [partition], broker_id))

    _print([_row(each) for each in asyncio.run(run())], _PRODUCER, output)


@command.command("find-hanging")
@click.option("--topic", "-t", shell_complete=topic_names, help="Look in this topic.")
@click.option("--partition", "-p", type=PARTITION, help="Look only in this partition of --topic.")
@click.option(
    "--broker-id",
    type=click.IntRange(0),
    shell_complete=broker_ids,
    help="Look in the replicas of this broker.",
)
@click.option(
    "--max-transaction-timeout",
    type=click.IntRange(0, 2**31 - 1),
    default=TRANSACTION_TIMEOUT_MINUTES,
    show_default=True,
    metavar="MINUTES",
    help="A transaction may hang only if its last record is older.",
)
@bootstrap_server
@output
def find_hanging_command(
    topic: str | None,
    partition: int | None,
    broker_id: int | None,
    max_transaction_timeout: int,
    bootstrap_server: Bootstrap,
    output: str,
) -> None:
    """Find transactions that are open in a partition and that no coordinator knows of.

    They keep read_committed consumers from reading on. Without options all partitions are looked
    at. Exit code 1 if one hangs.

    \b
    barnabas tx find-hanging -t orders
    barnabas tx abort orders/3 --start-offset 1234
    """
    if partition is not None and topic is None:
        raise click.UsageError("--partition needs --topic")

    async def run() -> list[ActiveProducer]:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            partitions = await _partitions(client, topic, partition, broker_id)
            before_ms = system_env().clock.wall_ms() - max_transaction_timeout * 60_000
            return await _answered(find_hanging(client, partitions, before_ms, broker_id))

    found = asyncio.run(run())
    _print([_row(each) for each in found], _PRODUCER, output)
    if found:
        raise click.exceptions.Exit(1)


@command.command("abort")
@click.argument(
    "partition", type=_PARTITION, metavar="TOPIC/PARTITION", shell_complete=partition_names
)
@click.option(
    "--start-offset",
    type=click.IntRange(0, 2**63 - 1),
    required=True,
    help="Where the transaction begins, as find-hanging shows it.",
)
@click.option("--force", is_flag=True, help="Also if its coordinator knows the transaction.")
@bootstrap_server
def abort_command(
    partition: TopicPartition, start_offset: int, force: bool, bootstrap_server: Bootstrap
) -> None:
    """Abort a transaction that hangs in a partition.

    One that its coordinator knows is not aborted without --force: its other partitions may be
    committed.
    """

    async def run() -> ActiveProducer:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            await client.metadata([partition.topic])
            producer = await _answered(open_transaction(client, partition, start_offset))
            if not force:
                now_ms = system_env().clock.wall_ms()
                hang = await _answered(find_hanging(client, [partition], now_ms + 1))
                if not any(each.producer_id == producer.producer_id for each in hang):
                    raise ClientError(
                        f"{partition}: its coordinator will end this transaction",
                        ErrorCode.INVALID_TXN_STATE,
                        "--force aborts it in this partition alone",
                    )
                # If it has ended meanwhile, the coordinator did not know it for that reason, and
                # the marker would end the producer's next one.
                producer = await _answered(open_transaction(client, partition, start_offset))
            await abort(client, producer)
            return producer

    producer = asyncio.run(run())
    click.echo(
        f"aborted in {visible(partition)}: producer {producer.producer_id}"
        f" epoch {producer.producer_epoch}, from offset {start_offset}"
    )


_PRODUCER = (
    "topic",
    "partition",
    "producer_id",
    "producer_epoch",
    "coordinator_epoch",
    "start_offset",
    "last_sequence",
    "last_timestamp",
    "age_min",
)


def _row(producer: ActiveProducer) -> dict[str, object]:
    age_ms = system_env().clock.wall_ms() - producer.last_timestamp
    return {
        "topic": producer.partition.topic,
        "partition": producer.partition.partition,
        "producer_id": producer.producer_id,
        "producer_epoch": producer.producer_epoch,
        "coordinator_epoch": producer.coordinator_epoch,
        "start_offset": None if producer.start_offset < 0 else producer.start_offset,
        "last_sequence": producer.last_sequence,
        "last_timestamp": producer.last_timestamp,
        "age_min": max(age_ms, 0) // 60_000,
    }


async def _partitions(
    client: ClusterClient, topic: str | None, partition: int | None, broker: int | None
) -> list[TopicPartition]:
    """The partitions to look in, of those that have a replica on ``broker``."""
    view = await client.metadata(None if topic is None else [topic])
    found = []
    for name, each in sorted(view.topics.items()):
        if each.error:
            raise ClientError(f"topic {name}", each.error)
        found += [
            TopicPartition(name, p.partition)
            for p in each.partitions
            if partition in (None, p.partition) and (broker is None or broker in p.replicas)
        ]
    if partition is not None and not found:
        raise ClientError(f"{topic}-{partition}", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    return found


async def _answered(asked: Awaitable[T]) -> T:
    """What a broker answers; a broker that cannot be reached is an error of one line."""
    try:
        return await asked
    except ConnectionError as error:
        raise ClientError(str(error), ErrorCode.NETWORK_EXCEPTION) from None


def _print(rows: Sequence[dict[str, object]], header: Sequence[str], output: str) -> None:
    if output == "json":
        print_json(rows)
        return
    names = [name.replace("_", "-") for name in header]
    print_table(names, [[_cell(row[name]) for name in header] for row in rows])


def _cell(value: object) -> object:
    if isinstance(value, list):
        return ",".join(map(str, value)) or "-"
    return "-" if value is None else value
