"""Prints plans of moves, and moves in progress."""

from __future__ import annotations

from collections.abc import Sequence

import click

from barnabas.admin.placement import Placement
from barnabas.admin.plan_json import plan_document
from barnabas.admin.planner import BrokerLoad, PlacedPartition, PlannedMove, loads_of
from barnabas.admin.wishes import Wish, chosen_partitions
from barnabas.cli.output import print_json, print_table, warn
from barnabas.cli.progress import bytes_text
from barnabas.client.reassignment import Move


def show_plan(moves: Sequence[PlannedMove], wish: Wish, placement: Placement, output: str) -> None:
    """Print what a plan changes, and what brokers hold before and after."""
    for broker in placement.unsized:
        warn(f"broker {broker} does not say how large its replicas are")
    for broker in placement.view.missing_brokers():
        if wish.brokers is None:
            warn(f"broker {broker} is not registered: its replicas are planned elsewhere")
    if output == "json":
        print_json(plan_document({m.partition: m.after for m in moves}))
        return
    if not moves:
        click.echo("nothing to move")
        return
    print_table(
        ["partition", "from", "to", "bytes"],
        [
            [str(m.partition), replicas_text(m.before), replicas_text(m.after), m.copied]
            for m in moves
        ],
    )
    click.echo()
    show_loads(chosen_partitions(wish, placement)[0], moves)
    copied = sum(m.copied for m in moves)
    count = sum(len(m.added) for m in moves)
    click.echo(
        f"\n{len(moves)} partitions change: {count} replicas, {bytes_text(copied)} to copy."
        "\nNothing is changed. --execute begins the moves."
    )


def show_loads(partitions: Sequence[PlacedPartition], moves: Sequence[PlannedMove]) -> None:
    """Print what each broker holds of these partitions, before and after."""
    before, after = loads_of(partitions), loads_of(partitions, moves)
    none = BrokerLoad()
    rows = []
    for broker in sorted({*before, *after}):
        was, will = before.get(broker, none), after.get(broker, none)
        rows.append(
            [
                broker,
                _change(was.replicas, will.replicas),
                _change(was.leaders, will.leaders),
                _change(bytes_text(was.bytes), bytes_text(will.bytes)),
            ]
        )
    print_table(["broker", "replicas", "preferred leaders", "size"], rows)


def _change(before: object, after: object) -> str:
    return f"{before}" if before == after else f"{before} -> {after}"


def show_moves(moves: Sequence[Move], output: str) -> None:
    """Print the moves in progress."""
    if output == "json":
        fields = ("replicas", "adding", "removing")
        print_json(
            [{"partition": str(m.partition), **{f: getattr(m, f) for f in fields}} for m in moves]
        )
    elif moves:
        rows = [
            [
                m.partition,
                replicas_text(m.replicas),
                replicas_text(m.adding),
                replicas_text(m.removing),
            ]
            for m in moves
        ]
        print_table(["partition", "replicas", "adding", "removing"], rows)
    else:
        click.echo("nothing moves")


def replicas_text(ids: Sequence[int]) -> str:
    """Broker ids as 1,2,3."""
    return ",".join(map(str, ids)) or "-"
