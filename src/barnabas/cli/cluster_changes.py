"""``barnabas cluster reassign`` and ``elect``: move partitions and elect their leaders."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import click

from barnabas.cli.client import cluster_client
from barnabas.cli.options import PARTITION, bootstrap_server, output
from barnabas.cli.output import print_json, print_table
from barnabas.client.cluster import Bootstrap
from barnabas.client.errors import ClientError
from barnabas.client.metadata import ClusterView, PartitionView
from barnabas.client.reassignment import (
    Move,
    Outcomes,
    elect_leaders,
    list_moves,
    reassign,
    spread,
)
from barnabas.errors import ErrorCode
from barnabas.types import TopicPartition

CLIENT_ID = "barnabas-cluster"


def _ids(_context: click.Context, _option: click.Parameter, text: str | None) -> list[int]:
    if text is None:
        return []
    ids = [part.strip() for part in text.split(",")]
    if not all(p.isdecimal() and int(p) < 2**31 for p in ids) or len(set(ids)) != len(ids):
        raise click.BadParameter("not a list of broker ids like 1,2,3")
    return [int(part) for part in ids]


@click.command("reassign")
@click.option("--topic", "-t", help="Topic to move. Without it, list the moves in progress.")
@click.option("--partition", "-p", type=PARTITION, help="Only this one. Default: all.")
@click.option(
    "--brokers", callback=_ids, metavar="ID[,ID...]", help="New brokers, preferred leader first."
)
@click.option("--replicas", "-r", type=click.IntRange(1), help="Default: the present number.")
@click.option("--cancel", is_flag=True, help="Cancel the moves.")
@click.option("--execute", is_flag=True, help="Do it instead of only showing the plan.")
@bootstrap_server
@output
def reassign_command(
    topic: str | None,
    partition: int | None,
    brokers: list[int],
    replicas: int | None,
    cancel: bool,
    execute: bool,
    bootstrap_server: Bootstrap,
    output: str,
) -> None:
    """Move the partitions of a topic to other brokers, or list the moves in progress.

    \b
    barnabas cluster reassign                                       lists the moves
    barnabas cluster reassign -t orders --brokers 2,3,4             shows the plan
    barnabas cluster reassign -t orders --brokers 2,3,4 --execute   begins the move
    barnabas cluster reassign -t orders --cancel --execute

    Preferred leaders are the brokers in turn: the first for partition 0, the second for 1, and so
    on. With --partition, exactly these brokers get the partition. 'barnabas cluster elect' makes
    the preferred leaders lead.
    """
    if topic is None and (brokers or cancel or execute):
        raise click.UsageError("--topic is missing")
    if topic is not None and bool(brokers) == cancel:
        raise click.UsageError("one of --brokers and --cancel is needed")
    if partition is not None and replicas is not None:
        raise click.UsageError("--partition takes all of --brokers; --replicas is for whole topics")

    async def run() -> int:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            if topic is None:
                _show_moves(await list_moves(client), output)
                return 0
            chosen = _chosen(await client.metadata([topic]), topic, partition)
            plan: dict[TopicPartition, Sequence[int] | None] = {}
            for p in chosen:
                target = brokers if partition is not None else spread(p, brokers, replicas)
                plan[TopicPartition(topic, p.partition)] = None if cancel else target
            if execute:
                return _report(await reassign(client, plan), output, done="begun")
            _show_plan(chosen, plan, output)
            return 0

    raise SystemExit(asyncio.run(run()))


def _chosen(view: ClusterView, topic: str, partition: int | None) -> list[PartitionView]:
    found = view.topics.get(topic)
    if found is None or found.error:
        error = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if found is None else found.error
        raise ClientError(f"topic {topic}", error)
    chosen = [p for p in found.partitions if partition in (None, p.partition)]
    if not chosen:
        raise ClientError(f"{topic}-{partition}", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    return chosen


def _show_plan(
    chosen: Sequence[PartitionView],
    plan: Mapping[TopicPartition, Sequence[int] | None],
    output: str,
) -> None:
    rows = [
        (str(tp), list(p.replicas), None if target is None else list(target))
        for p, (tp, target) in zip(chosen, plan.items(), strict=True)
    ]
    if output == "json":
        print_json([{"partition": tp, "from": now, "to": target} for tp, now, target in rows])
        return
    print_table(
        ["partition", "from", "to"],
        [[tp, _text(now), "back" if to is None else _text(to)] for tp, now, to in rows],
    )
    click.echo("\nNothing is changed. --execute begins the moves.")


def _show_moves(moves: Sequence[Move], output: str) -> None:
    if output == "json":
        fields = ("replicas", "adding", "removing")
        print_json(
            [{"partition": str(m.partition), **{f: getattr(m, f) for f in fields}} for m in moves]
        )
    elif moves:
        rows = [[m.partition, _text(m.replicas), _text(m.adding), _text(m.removing)] for m in moves]
        print_table(["partition", "replicas", "adding", "removing"], rows)
    else:
        click.echo("nothing moves")


def _text(ids: Sequence[int]) -> str:
    return ",".join(map(str, ids)) or "-"


@click.command("elect")
@click.option("--topic", "-t", help="Default: all topics.")
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
                chosen = _chosen(await client.metadata([topic]), topic, partition)
                wanted = [TopicPartition(topic, p.partition) for p in chosen]
            return _report(await elect_leaders(client, wanted, unclean=unclean), output)

    raise SystemExit(asyncio.run(run()))


def _report(outcomes: Outcomes, output: str, *, done: str = "done") -> int:
    """Print the result for each partition. Returns 1 if something was refused."""
    rows = [
        (str(tp), done if error is None else error.code.name)
        for tp, error in sorted(outcomes.items())
    ]
    if output == "json":
        print_json([{"partition": tp, "result": said} for tp, said in rows])
    elif rows:
        print_table(["partition", "result"], rows)
    else:
        click.echo("nothing to do")
    fine = (None, ErrorCode.ELECTION_NOT_NEEDED)
    return 0 if all(e is None or e.code in fine for e in outcomes.values()) else 1
