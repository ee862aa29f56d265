"""``barnabas cluster``: shows brokers, controller and replicas; moves partitions; elects leaders;
restarts brokers in turn."""

from __future__ import annotations

import asyncio

import click

from barnabas.cli.client import cluster_client
from barnabas.cli.elect import elect_command
from barnabas.cli.events import events_command
from barnabas.cli.options import bootstrap_server, output
from barnabas.cli.output import print_json, print_table
from barnabas.cli.reassign import reassign_command
from barnabas.cli.roll import roll_command
from barnabas.client.cluster import Bootstrap
from barnabas.client.errors import Unreachable
from barnabas.client.metadata import ClusterView, PartitionView
from barnabas.logs import visible

MARKS = {"leader": "L", "in sync": "s", "lagging": "-", "offline": "x", "": "."}
WATCH_S = 0.5


@click.group()
def command() -> None:
    """Show the state of a cluster, move partitions, elect leaders, restart brokers in turn."""


command.add_command(events_command)
command.add_command(reassign_command)
command.add_command(elect_command)
command.add_command(roll_command)


@command.command()
@click.option("--watch", "-w", is_flag=True, help="Draw again, twice a second, until Ctrl-C.")
@bootstrap_server
@output
def status(watch: bool, bootstrap_server: Bootstrap, output: str) -> None:
    """Brokers, controller, and a matrix: partitions down, brokers across.

    \b
    L leader   s in sync   - lagging (not in sync)   x offline   . no replica
    Exit code 1 if a partition has no leader or is under-replicated, or if there is no controller. A
    partition on a broker that is not registered counts as under-replicated.
    """
    raise SystemExit(asyncio.run(_run(bootstrap_server, watch, output)))


async def _run(bootstrap: Bootstrap, watch: bool, output: str) -> int:
    async with cluster_client(bootstrap, "barnabas-status") as client:
        while True:
            try:
                view = await client.status()
            except Unreachable:
                if not watch:
                    raise
                click.echo("no broker answers")
                await asyncio.sleep(WATCH_S)
                continue
            if watch:
                click.clear()
            _show(view, output)
            if not watch:
                return 0 if _healthy(view) else 1
            await asyncio.sleep(WATCH_S)


def _show(view: ClusterView, output: str) -> None:
    if output == "json":
        print_json(_document(view))
        return
    print_table(
        ["broker", "address", "rack", "role"],
        [
            [b.id, f"{b.host}:{b.port}", b.rack or "-", _role(view, b.id)]
            for _, b in sorted(view.brokers.items())
        ],
    )
    click.echo()
    ids = _columns(view)
    rows = [
        [
            f"{topic.name}/{p.partition}",
            p.leader_epoch,
            *(MARKS[view.replica_state(p, i)] for i in ids),
        ]
        for _, topic in sorted(view.topics.items())
        for p in topic.partitions
    ]
    if rows:
        print_table(["partition", "epoch", *map(str, ids)], rows)
        click.echo()
    click.echo(visible(_sentence(view)))


def _columns(view: ClusterView) -> list[int]:
    held = {i for t in view.topics.values() for p in t.partitions for i in p.replicas}
    return sorted(held.union(view.brokers))


def _role(view: ClusterView, broker: int) -> str:
    return "controller" if broker == view.controller_id else "-"


def _partitions(view: ClusterView) -> list[PartitionView]:
    return [p for t in view.topics.values() for p in t.partitions]


def _healthy(view: ClusterView) -> bool:
    return (
        view.controller_id in view.brokers
        and not any(map(view.is_leaderless, _partitions(view)))
        and not any(map(view.is_under_replicated, _partitions(view)))
    )


def _sentence(view: ClusterView) -> str:
    partitions = _partitions(view)
    size = f"{len(view.brokers)} brokers, {len(partitions)} partitions"
    if _healthy(view):
        return f"healthy: {size}, all in sync"
    leaderless = sum(map(view.is_leaderless, partitions))
    under = sum(map(view.is_under_replicated, partitions))
    parts = [size, f"{leaderless} leaderless", f"{under} under-replicated"]
    missing = view.missing_brokers()
    if missing:
        parts.append(f"missing: {', '.join(map(str, missing))}")
    if view.controller_id not in view.brokers:
        parts.append("no controller")
    return f"degraded: {', '.join(parts)}"


def _document(view: ClusterView) -> dict[str, object]:
    return {
        "cluster_id": view.cluster_id,
        "controller": view.controller_id,
        "healthy": _healthy(view),
        "missing": view.missing_brokers(),
        "brokers": [
            {"id": b.id, "host": b.host, "port": b.port, "rack": b.rack}
            for _, b in sorted(view.brokers.items())
        ],
        "partitions": [
            {
                "topic": topic.name,
                "partition": p.partition,
                "leader": p.leader,
                "leader_epoch": p.leader_epoch,
                "replicas": {str(i): view.replica_state(p, i) for i in p.replicas},
                "isr": list(p.isr),
            }
            for _, topic in sorted(view.topics.items())
            for p in topic.partitions
        ],
    }
