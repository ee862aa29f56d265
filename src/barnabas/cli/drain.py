"""``barnabas broker drain`` and ``undrain``: empty a broker before it is removed."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace
from typing import Final

import click

from barnabas.admin.placement import Placement, read_placement
from barnabas.admin.planner import PlannedMove
from barnabas.admin.wishes import Wish, plan_wish
from barnabas.cli.client import cluster_client
from barnabas.cli.completion import broker_ids
from barnabas.cli.moving import TIMEOUT_HELP, Execution
from barnabas.cli.options import bootstrap_server, throttle_option, timeout_option
from barnabas.cli.output import print_table, warn
from barnabas.cli.plan_tables import show_loads
from barnabas.cli.progress import bytes_text
from barnabas.client.cluster import Bootstrap, ClusterClient
from barnabas.client.drains import mark_drained
from barnabas.client.errors import ClientError, Unreachable
from barnabas.client.reassignment import Move, list_moves
from barnabas.client.replica_sizes import replica_sizes
from barnabas.errors import ConfigError

CLIENT_ID: Final = "barnabas-drain"
ROUNDS_MAX: Final = 5
"""Topics that were just being created when the broker was marked may be on it: look again."""
DELETED_S: Final = 60.0
BROKER_ID: Final = click.IntRange(0, 2**31 - 1)


@click.command()
@click.argument("broker", type=BROKER_ID, shell_complete=broker_ids)
@click.option("--execute", is_flag=True, help="Do it instead of only showing the plan.")
@throttle_option
@timeout_option(TIMEOUT_HELP)
@bootstrap_server
def drain(
    broker: int,
    execute: bool,
    throttle: int | None,
    timeout: int,
    bootstrap_server: Bootstrap,
) -> None:
    """Move all replicas away from BROKER, and give it none of new partitions.

    \b
    barnabas broker drain 3
    barnabas broker drain 3 --execute --throttle 50000000

    Only the replicas of BROKER move, each to the emptiest broker that its racks allow. It is
    refused if the other brokers are fewer than the replicas of a partition. The mark is the
    broker's dynamic setting barnabas.broker.drained; 'barnabas broker undrain' removes it. A
    drained broker goes on as one that has no partitions; it may be the controller.

    The same command again goes on where it was interrupted. Moves that wait for a broker that has
    gone meanwhile are planned anew.
    """

    async def run() -> int:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            under_way, placement = await _read(client, broker)
            moves = _planned(broker, placement)
            if not execute:
                _show(broker, moves, under_way, placement)
                return 0
            is_marked = await _mark(client, broker, drained=True)
            try:
                return await _empty(client, broker, throttle, timeout)
            except (asyncio.CancelledError, ClientError, ConfigError, Unreachable):
                if is_marked:
                    warn(
                        f"broker {broker} stays marked: the same command again goes on,"
                        " 'barnabas broker undrain' removes the mark"
                    )
                raise

    raise SystemExit(asyncio.run(run()))


@click.command()
@click.argument("broker", type=BROKER_ID, shell_complete=broker_ids)
@bootstrap_server
def undrain(broker: int, bootstrap_server: Bootstrap) -> None:
    """Let BROKER have replicas of new partitions again.

    Nothing moves back by itself: 'barnabas cluster reassign --plan' evens it out.
    """

    async def run() -> None:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            await _mark(client, broker, drained=False)

    asyncio.run(run())
    click.echo(f"broker {broker} may have replicas of new partitions")


def _planned(broker: int, placement: Placement) -> list[PlannedMove]:
    """The moves that empty a broker. Raises ConfigError if the others cannot take its replicas."""
    closed = {broker, *placement.drained}
    others = tuple(b for b in sorted(placement.view.brokers) if b not in closed)
    held = [p for p in placement.partitions if broker in p.replicas]
    if not held and broker not in placement.view.brokers:
        raise ConfigError(f"not in the cluster: broker {broker}")
    missing = {r for p in held for r in p.replicas} - {broker, *placement.view.brokers}
    if missing:
        raise ConfigError(
            f"broker {min(missing)} is not registered, and holds partitions of broker {broker} too:"
            " start it, or move them with 'barnabas cluster reassign'"
        )
    most = max((len(p.replicas) for p in held), default=0)
    if most > len(others):
        raise ConfigError(
            f"broker {broker} cannot be drained: {most} replicas of a partition,"
            f" {len(others)} other broker{'s' * (len(others) != 1)} that may have them"
        )
    return plan_wish(Wish(holder=broker, brokers=others, only_needed=True), placement)


async def _read(client: ClusterClient, broker: int) -> tuple[list[Move], Placement]:
    """The moves under way that take a broker's replicas to where they can go, and where all others
    are. Those that wait for a broker that is not registered are to be planned anew: their
    partitions are where they were."""
    placement = await read_placement(client)
    leaving = [m for m in await list_moves(client) if broker in m.removing]
    under_way = [m for m in leaving if not {*m.adding}.difference(placement.view.brokers)]
    return under_way, as_before(placement, [m for m in leaving if m not in under_way])


def as_before(placement: Placement, moves: Collection[Move]) -> Placement:
    """A placement as if these moves had not begun. Pure."""
    before = {m.partition: m.before for m in moves}
    return replace(
        placement,
        partitions=tuple(
            replace(p, replicas=before.get(p.partition, p.replicas)) for p in placement.partitions
        ),
        moving=placement.moving.difference(before),
    )


def _show(
    broker: int, moves: list[PlannedMove], under_way: list[Move], placement: Placement
) -> None:
    if under_way:
        click.echo(f"{len(under_way)} partitions are on their way from broker {broker}.")
    if not moves and under_way:
        click.echo("Nothing else is to be moved. --execute waits for them.")
        return
    if not moves:
        click.echo(f"broker {broker} holds nothing. --execute marks it as drained.")
        return
    show_loads(placement.partitions, moves)
    count, copied = sum(len(m.added) for m in moves), sum(m.copied for m in moves)
    click.echo(
        f"\n{count} replicas move, {bytes_text(copied)} to copy."
        "\nNothing is changed. --execute marks the broker and begins the moves."
    )


async def _empty(client: ClusterClient, broker: int, throttle: int | None, timeout: int) -> int:
    for _ in range(ROUNDS_MAX):
        under_way, placement = await _read(client, broker)
        moves = _planned(broker, placement)
        if not moves and not under_way:
            break
        planned = {m.partition: m.after for m in moves}
        execution = Execution(
            client=client,
            targets=planned | {m.partition: m.target for m in under_way},
            rate=throttle,
            timeout_s=timeout,
            replaceable=frozenset(planned),
        )
        await execution.prepare()
        if not await execution.run():
            refused = {tp: e for tp, e in execution.outcomes.items() if e is not None}
            print_table(["partition", "result"], [[str(tp), e] for tp, e in refused.items()])
            return 1
    else:
        warn(
            f"broker {broker} gets new replicas all the time: are there brokers that are not ours?"
        )
        return 1
    left = await _left(client, broker)
    if left is None:
        click.echo(f"broker {broker} is drained: nothing is assigned to it")
        warn(f"broker {broker} does not answer: what its disks hold stays there")
        return 0
    if left:
        warn(f"broker {broker} has not deleted {left} replicas yet")
        return 1
    click.echo(f"broker {broker} is drained: it holds nothing")
    return 0


async def _mark(client: ClusterClient, broker: int, *, drained: bool) -> bool:
    """Set or remove the mark. Returns whether that is done: a broker that does not answer is not
    marked. Raises ConfigError."""
    try:
        await mark_drained(client, broker, drained=drained)
        return True
    except ConnectionError:
        if not drained:
            raise ConfigError(f"broker {broker} does not answer; only it can be unmarked") from None
        warn(
            f"broker {broker} does not answer, so it is not marked; when it comes, it is as others"
        )
        return False
    except ClientError as error:
        raise ConfigError(f"broker {broker} cannot be marked: {error}") from None


async def _left(client: ClusterClient, broker: int) -> int | None:
    """How many replicas are on its disks after some time; None if it does not say. They are deleted
    after the moves."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DELETED_S
    while True:
        view = await client.status([])
        held = (await replica_sizes(client, [broker], None)).get(broker)
        if held == {} or broker not in view.brokers or loop.time() > deadline:
            return None if held is None else len(held)
        await asyncio.sleep(0.2)
