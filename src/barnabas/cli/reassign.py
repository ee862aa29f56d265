"""``barnabas cluster reassign``: plans moves of replicas, carries them out, lists, verifies and
cancels them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from barnabas.admin.placement import Placement, read_placement
from barnabas.admin.plan_json import Plan, parse_plan, plan_text
from barnabas.admin.planner import PlannedMove
from barnabas.admin.wishes import Wish, chosen_partitions, plan_wish
from barnabas.cli.client import cluster_client
from barnabas.cli.completion import topic_names
from barnabas.cli.directory_moves import DirectoryMoves
from barnabas.cli.moving import TIMEOUT_HELP, Execution, partitions_of, report
from barnabas.cli.options import (
    PARTITION,
    bootstrap_server,
    listed_brokers,
    output,
    throttle_option,
    timeout_option,
)
from barnabas.cli.output import print_json, print_table, warn
from barnabas.cli.plan_tables import replicas_text, show_moves, show_plan
from barnabas.cli.progress import bytes_text
from barnabas.cli.throttles import clear_throttles
from barnabas.client.cluster import Bootstrap, ClusterClient
from barnabas.client.errors import ClientError
from barnabas.client.reassignment import Move, list_moves, reassign
from barnabas.client.throttles import find_throttles, set_throttle
from barnabas.errors import ConfigError, ErrorCode
from barnabas.types import TopicPartition

CLIENT_ID = "barnabas-cluster"
HERE = ""
"""--execute or --cancel without a file."""

Targets = Mapping[TopicPartition, Sequence[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of ``reassign``."""

    listing: bool
    planning: bool
    topic: tuple[str, ...]
    partition: int | None
    brokers: list[int]
    replicas: int | None
    only_needed: bool
    disable_rack_aware: bool
    execute: str | None
    throttle: int | None
    timeout: int
    rollback: str | None
    no_wait: bool
    additional: bool
    verify: str | None
    cancel: str | None

    @property
    def has_wish(self) -> bool:
        return self.cancel is None and bool(self.planning or self.topic or self.brokers)

    @property
    def wish(self) -> Wish:
        return Wish(
            topics=self.topic or None,
            brokers=tuple(self.brokers) or None,
            replication_factor=self.replicas,
            only_needed=self.only_needed,
            ignore_racks=self.disable_rack_aware,
        )

    def check(self) -> None:
        """Raise UsageError for options that do not go together."""
        modes = [self.listing, self.planning, self.verify is not None, self.cancel is not None]
        if sum(modes) > 1:
            raise click.UsageError("--list, --plan, --verify and --cancel exclude each other")
        if self.partition is not None:
            if len(self.topic) != 1 or (not self.brokers and self.cancel is None):
                raise click.UsageError("--partition needs one --topic, and --brokers or --cancel")
            if self.replicas is not None:
                raise click.UsageError(
                    "--partition takes all of --brokers; --replicas is for whole topics"
                )
        if self.execute and (self.has_wish or self.cancel is not None):
            raise click.UsageError("--execute FILE carries out the plan in FILE and nothing else")
        if self.execute == HERE and not self.has_wish and self.cancel is None:
            raise click.UsageError("--execute what? Give --plan or a FILE")
        if self.replicas is not None and not self.has_wish:
            raise click.UsageError("--replicas is for --plan")


@click.command("reassign")
@click.option("--list", "listing", is_flag=True, help="List the moves in progress (the default).")
@click.option("--plan", "planning", is_flag=True, help="Plan: spread replicas and leaders evenly.")
@click.option(
    "--topic",
    "-t",
    multiple=True,
    shell_complete=topic_names,
    help="Only this topic. Default: all.",
)
@click.option("--partition", "-p", type=PARTITION, help="Only this one: gets exactly --brokers.")
@click.option(
    "--brokers", callback=listed_brokers, metavar="ID[,ID...]", help="Default: all brokers."
)
@click.option("--replicas", "-r", type=click.IntRange(1), help="Default: the present number.")
@click.option("--only-needed", is_flag=True, help="Move nothing only to make it more even.")
@click.option("--disable-rack-aware", is_flag=True, help="Plan as if there were no racks.")
@click.option(
    "--execute",
    is_flag=False,
    flag_value=HERE,
    metavar="[FILE]",
    help="Do it: what is planned, or the plan in FILE.",
)
@throttle_option
@timeout_option(TIMEOUT_HELP)
@click.option(
    "--rollback",
    type=click.Path(dir_okay=False, writable=True),
    metavar="FILE",
    help="With --execute: write a plan there that moves everything back.",
)
@click.option("--no-wait", is_flag=True, help="Return when the moves have begun.")
@click.option("--additional", is_flag=True, help="Begin although other moves are in progress.")
@click.option(
    "--verify",
    is_flag=False,
    flag_value=HERE,
    metavar="[FILE]",
    help="Show how far the moves are; if none is in progress, remove what is left of throttles.",
)
@click.option(
    "--cancel",
    is_flag=False,
    flag_value=HERE,
    metavar="[FILE]",
    help="Cancel moves: all, those of FILE or of --topic.",
)
@bootstrap_server
@output
def reassign_command(bootstrap_server: Bootstrap, output: str, **options: Any) -> None:
    """Move partitions to other brokers: plan, execute, list, verify, cancel.

    \b
    barnabas cluster reassign                                   lists the moves in progress
    barnabas cluster reassign --plan                            all brokers, evenly
    barnabas cluster reassign --plan -t orders --brokers 2,3,4  one topic to three brokers
    barnabas cluster reassign --plan -t orders -r 3 --only-needed
    barnabas cluster reassign --plan --execute --throttle 50000000
    barnabas cluster reassign --plan -o json > plan.json        Kafka's format
    barnabas cluster reassign --execute plan.json --throttle 50000000
    barnabas cluster reassign --throttle 90000000               of the moves in progress
    barnabas cluster reassign --verify
    barnabas cluster reassign --cancel --execute

    A plan is shown; only --execute begins it. Plans keep partitions in as many racks as they can
    be in, spread replicas and preferred leaders evenly, and copy the fewest bytes that do so.
    Kafka's kafka-reassign-partitions reads the plans (-o json), and its plans are read here.

    --execute waits until the moves have ended and then removes the throttle. After Ctrl-C, or if
    this command dies, the moves go on, and so does the throttle. --verify removes it when they have
    ended. So does the same --execute FILE again, which waits for them. 'barnabas cluster elect'
    makes the preferred leaders lead.
    """
    asked = Asked(**options)
    asked.check()

    async def run() -> int:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            return await _answer(client, asked, output)

    raise SystemExit(asyncio.run(run()))


async def _answer(client: ClusterClient, asked: Asked, output: str) -> int:
    if asked.verify is not None:
        return await verify(client, asked.verify, asked.timeout, output)
    if asked.cancel is not None:
        return await cancel(client, asked, output)
    if asked.has_wish:
        placement = await read_placement(client)
        moves = _planned(asked, placement)
        if asked.execute is None:
            show_plan(moves, asked.wish, placement, output)
            return 0
        targets = {m.partition: m.after for m in moves}
        return await execute(client, Plan(replicas=targets, directories={}), asked, output)
    if asked.execute:
        return await execute(client, _read(asked.execute), asked, output)
    found = await list_moves(client)
    if asked.throttle is None:
        show_moves(found, output)
        return 0
    if not found:
        raise ConfigError("nothing moves, so there is nothing to throttle")
    for broker in await set_throttle(client, found, asked.throttle):
        warn(f"broker {broker} does not answer: its side is not throttled")
    click.echo(f"{len(found)} moves are throttled to {bytes_text(asked.throttle)}/s at each broker")
    return 0


def _read(path: str) -> Plan:
    try:
        text = Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    return parse_plan(text, path)


def _write(path: str, targets: Mapping[TopicPartition, tuple[int, ...]]) -> None:
    try:
        Path(path).write_text(plan_text(targets) + "\n")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None


# Plan


def _planned(asked: Asked, placement: Placement) -> list[PlannedMove]:
    if asked.partition is None:
        return plan_wish(asked.wish, placement)
    chosen, _ = chosen_partitions(asked.wish, placement)
    after = tuple(asked.brokers)
    found = [p for p in chosen if p.partition.partition == asked.partition]
    if not found:
        code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        raise ClientError(f"{asked.topic[0]}-{asked.partition}", code)
    return [
        PlannedMove(partition=p.partition, before=p.replicas, after=after, size=p.size)
        for p in found
        if p.replicas != after
    ]


# Execute, verify, cancel


async def execute(client: ClusterClient, plan: Plan, asked: Asked, output: str) -> int:
    """Carry out a plan. Returns the exit code."""
    execution = Execution(
        client=client,
        targets=plan.replicas,
        rate=asked.throttle,
        additional=asked.additional,
        timeout_s=asked.timeout,
        again="the same command" + " with --additional" * asked.has_wish,
    )
    await execution.prepare()
    if asked.rollback is not None and execution.moves:
        _write(asked.rollback, {tp: execution.present[tp] for tp in execution.targets})
    directories = DirectoryMoves(client=client, wanted=plan.directories, timeout_s=asked.timeout)
    await directories.begin()
    done = await execution.run(wait=not asked.no_wait)
    if done and not asked.no_wait:
        await directories.finish()
        execution.outcomes.update(dict.fromkeys(plan.directories))
    report(execution.outcomes, output, done="begun" if asked.no_wait else "moved")
    return 0 if done else 1


async def verify(client: ClusterClient, path: str, timeout_s: float, output: str) -> int:
    """How far the moves are: of a plan, or all. Without moves the throttles go."""
    going = {m.partition: m for m in await list_moves(client)}
    plan = _read(path) if path else Plan(replicas={}, directories={})
    targets = plan.replicas or {tp: m.target for tp, m in going.items()}
    present = (await client.metadata()).replicas()
    states: dict[object, str] = {
        tp: _state(present.get(tp), to, going.get(tp)) for tp, to in targets.items()
    }
    directories = DirectoryMoves(client=client, wanted=plan.directories, timeout_s=timeout_s)
    found = await directories.states()
    states |= {f"{tp} at broker {broker}": said for (tp, broker), said in found.items()}
    topics = {tp.topic for tp in targets} if path else None
    before = await find_throttles(client)
    # A broker that starts meanwhile keeps its rate: what is removed is told.
    left = await clear_throttles(client, list(going.values()), topics, found=before)
    after = await find_throttles(client)
    removed = sorted(set(before.brokers) - set(after.brokers))
    if output == "json":
        print_json(
            {
                "partitions": [{"partition": str(tp), "state": s} for tp, s in states.items()],
                "in_progress": len(going),
                "throttles_removed": {
                    "brokers": removed,
                    "topics": sorted(set(before.topics) - set(after.topics)),
                },
                "throttles_left": {"brokers": after.brokers, "topics": after.topics},
            }
        )
    else:
        if states:
            print_table(["partition", "state"], [[str(tp), s] for tp, s in states.items()])
        else:
            click.echo("nothing moves")
        if removed:
            click.echo(f"removed the throttle of brokers {', '.join(map(str, removed))}")
        for line in left:
            warn(line)
    return 0 if all(state == "moved" for state in states.values()) else 1


def _state(present: Sequence[int] | None, target: Sequence[int], move: Move | None) -> str:
    if present is None:
        return "no such partition"
    if move is not None:
        return "in progress" if tuple(move.target) == tuple(target) else "moves elsewhere"
    return "moved" if tuple(present) == tuple(target) else f"is at {replicas_text(present)}"


async def cancel(client: ClusterClient, asked: Asked, output: str) -> int:
    """Cancel moves, or show which would be."""
    going = {m.partition: m for m in await list_moves(client)}
    plan = Plan(replicas={}, directories={})
    if asked.cancel:
        plan = _read(asked.cancel)
        chosen = [tp for tp in plan.replicas if tp in going or tp not in plan.directories]
    elif asked.topic:
        view = await client.metadata(list(asked.topic))
        chosen = [tp for name in asked.topic for tp in partitions_of(view, name, asked.partition)]
        chosen = [tp for tp in chosen if tp in going] or chosen
    else:
        chosen = list(going)
    if asked.execute is None:
        rows = [
            [tp, replicas_text(going[tp].replicas), replicas_text(going[tp].before)]
            if tp in going
            else [tp, "does not move", "-"]
            for tp in chosen
        ]
        if output == "json":
            print_json([{"partition": str(tp), "moves": tp in going} for tp in chosen])
        elif rows:
            print_table(["partition", "from", "back to"], rows)
            click.echo("\nNothing is changed. --execute cancels the moves.")
        else:
            click.echo("nothing moves")
        return 0
    if not chosen and not plan.directories:
        click.echo("nothing moves")
        return 0
    await DirectoryMoves(client=client, wanted=plan.directories, timeout_s=asked.timeout).cancel()
    outcomes = await reassign(client, dict.fromkeys(chosen)) if chosen else {}
    code = report(outcomes, output, done="cancelled")
    for line in await clear_throttles(client, await list_moves(client)):
        warn(line)
    return code
