"""``barnabas broker drain`` and ``undrain``: empty a broker before it is removed."""

from __future__ import annotations

import asyncio
from typing import Final

import click

from barnabas.admin.placement import Placement, read_placement
from barnabas.admin.planner import PlannedMove
from barnabas.admin.wishes import Wish, plan_wish
from barnabas.cli.client import cluster_client
from barnabas.cli.completion import broker_ids
from barnabas.cli.moving import Execution, warn
from barnabas.cli.options import bootstrap_server
from barnabas.cli.output import print_table
from barnabas.cli.progress import bytes_text
from barnabas.cli.reassign import show_loads, throttle_option
from barnabas.client.cluster import Bootstrap, ClusterClient
from barnabas.client.drains import mark_drained
from barnabas.client.errors import ClientError
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
@bootstrap_server
def drain(broker: int, execute: bool, throttle: int | None, bootstrap_server: Bootstrap) -> None:
    """Move all replicas away from BROKER, and give it none of new partitions.

    \b
    barnabas broker drain 3
    barnabas broker drain 3 --execute --throttle 50000000

    Only the replicas of BROKER move, each to the emptiest broker that its racks allow. It is
    refused if the other brokers are fewer than the replicas of a partition. The mark is the
    broker's dynamic setting barnabas.broker.drained; 'barnabas broker undrain' removes it. A
    drained broker goes on as one that has no partitions; it may be the controller.
    """

    async def run() -> int:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            placement = await read_placement(client)
            moves = _planned(broker, placement)
            if execute:
                try:
                    return await _drain(client, broker, throttle)
                except asyncio.CancelledError:
                    warn(f"broker {broker} stays marked; 'barnabas broker undrain' changes that")
                    raise
            _show(broker, moves, placement)
            return 0

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


def _show(broker: int, moves: list[PlannedMove], placement: Placement) -> None:
    if not moves:
        click.echo(f"broker {broker} holds nothing. --execute marks it as drained.")
        return
    show_loads(placement.partitions, moves)
    count, copied = sum(len(m.added) for m in moves), sum(m.copied for m in moves)
    click.echo(
        f"\n{count} replicas move, {bytes_text(copied)} to copy."
        "\nNothing is changed. --execute marks the broker and begins the moves."
    )


async def _drain(client: ClusterClient, broker: int, throttle: int | None) -> int:
    await _mark(client, broker, drained=True)
    for _ in range(ROUNDS_MAX):
        placement = await read_placement(client)
        moves = _planned(broker, placement)
        if not moves:
            break
        execution = Execution(
            client=client, targets={m.partition: m.after for m in moves}, rate=throttle
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
    if left:
        warn(f"broker {broker} has not deleted {left} replicas yet")
        return 1
    click.echo(f"broker {broker} is drained: it holds nothing")
    return 0


async def _mark(client: ClusterClient, broker: int, *, drained: bool) -> None:
    try:
        await mark_drained(client, broker, drained=drained)
    except ConnectionError:
        if not drained:
            raise ConfigError(f"broker {broker} does not answer; only it can be unmarked") from None
        warn(
            f"broker {broker} does not answer, so it is not marked; when it comes, it is as others"
        )
    except ClientError as error:
        raise ConfigError(f"broker {broker} cannot be marked: {error}") from None


async def _left(client: ClusterClient, broker: int) -> int:
    """How many replicas are on its disks after some time. They are deleted after the moves."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DELETED_S
    while True:
        await client.metadata([])
        sizes = await replica_sizes(client, [broker], None)
        held = len(sizes.get(broker, ()))
        if not held or loop.time() > deadline:
            return held
        await asyncio.sleep(0.2)
