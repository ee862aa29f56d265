"""Reassignment: what is on the move and how far it is; plans, cancels, elections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import msgspec
from starlette.requests import Request

from barnabas.admin.placement import read_placement
from barnabas.admin.wishes import Wish, chosen_partitions, plan_wish
from barnabas.client.cluster import ClusterClient
from barnabas.client.consumer import EARLIEST
from barnabas.client.errors import ClientError
from barnabas.client.offsets import list_offsets, log_ends
from barnabas.client.reassignment import (
    Move,
    Outcomes,
    elect_leaders,
    list_moves,
    reassign,
)
from barnabas.console.asking import asking, body_of
from barnabas.console.context import console_of
from barnabas.errors import ConfigError, ErrorCode
from barnabas.http.answers import HttpError, Json
from barnabas.types import TopicPartition

MEASURED_MAX: Final = 500
"""Partitions whose progress one answer tells."""


Step = tuple[int, tuple[int, ...], tuple[int, ...] | None]
"""A partition, its replicas, and those that it shall have; None: its move is cancelled."""


class Plan(msgspec.Struct, forbid_unknown_fields=True):
    """A topic, or one partition of it, and the brokers that shall hold it."""

    topic: str
    brokers: list[int] = []
    partition: int | None = None
    replicas: int | None = None
    cancel: bool = False
    execute: bool = False


class Election(msgspec.Struct, forbid_unknown_fields=True):
    """Preferred leaders of one topic, or (null) of all."""

    topic: str | None = None


async def moves(request: Request) -> Json:
    """``GET /api/moves``: each with its ``progress``, from 0 to 1; null if nobody can say."""
    async with asking(console_of(request)) as client:
        found = await list_moves(client)
        progress = await _progress(client, found[:MEASURED_MAX])
    return Json(
        {
            "moves": [
                {
                    "topic": m.partition.topic,
                    "partition": m.partition.partition,
                    "replicas": list(m.replicas),
                    "adding": list(m.adding),
                    "removing": list(m.removing),
                    "progress": progress.get(m.partition),
                }
                for m in found
            ]
        }
    )


async def _progress(client: ClusterClient, found: Sequence[Move]) -> Mapping[TopicPartition, float]:
    """How much of the leader's log the slowest new replica has."""
    if not found:
        return {}
    view = await client.metadata(list(dict.fromkeys(m.partition.topic for m in found)))
    starts = await list_offsets(client, [m.partition for m in found], EARLIEST)
    asked: dict[int, list[TopicPartition]] = {}
    for m in found:
        leader = view.leader(m.partition.topic, m.partition.partition)
        for broker in dict.fromkeys([*m.adding, *([] if leader is None else [leader])]):
            asked.setdefault(broker, []).append(m.partition)
    ends: dict[int, Mapping[TopicPartition, int]] = {}
    for broker, partitions in asked.items():
        try:
            ends[broker] = await log_ends(client, broker, partitions)
        except OSError:
            ends[broker] = {}
    progress = {}
    for m in found:
        tp = m.partition
        leader = view.leader(tp.topic, tp.partition)
        end = None if leader is None else ends[leader].get(tp)
        start = starts.get(tp, 0)
        if end is not None:
            length = max(end - start, 0)
            copied = [max(ends[b].get(tp, start) - start, 0) for b in m.adding]
            progress[tp] = min((c / length for c in copied), default=1.0) if length else 1.0
    return progress


async def plan(request: Request) -> Json:
    """``POST /api/moves``: what would move where; with ``execute`` it begins."""
    console = console_of(request)
    wanted = await body_of(request, Plan)
    if wanted.execute:
        console.check_write()
    if not wanted.cancel and (
        not wanted.brokers or len(set(wanted.brokers)) != len(wanted.brokers)
    ):
        raise HttpError(400, "brokers: a list of different ids is needed")
    async with asking(console) as client:
        steps = await _steps(client, wanted)
        outcomes: Outcomes = {}
        if wanted.execute:
            targets = {TopicPartition(wanted.topic, n): to for n, _, to in steps}
            outcomes = await reassign(client, targets)
    return Json(
        {
            "executed": wanted.execute,
            "partitions": [
                {
                    "partition": number,
                    "from": list(before),
                    "to": None if to is None else list(to),
                    "error": _error(outcomes.get(TopicPartition(wanted.topic, number))),
                }
                for number, before, to in steps
            ],
        }
    )


async def _steps(client: ClusterClient, wanted: Plan) -> Sequence[Step]:
    """The partitions that change: all those of a topic that the planner moves, or exactly one."""
    if wanted.cancel or wanted.partition is not None:
        view = (await client.metadata([wanted.topic])).topics[wanted.topic]
        if view.error:
            raise ClientError(f"topic {wanted.topic}", view.error)
        to = None if wanted.cancel else tuple(wanted.brokers)
        return [
            (p.partition, p.replicas, to)
            for p in view.partitions
            if wanted.partition in (None, p.partition)
        ]
    placement = await read_placement(client)
    wish = Wish(topics=(wanted.topic,), brokers=tuple(wanted.brokers))
    chosen, _ = chosen_partitions(wish, placement)
    factor, most = wanted.replicas, max(len(p.replicas) for p in chosen)
    if factor is None and most > len(wanted.brokers):
        factor = len(wanted.brokers)  # the page shows that there are fewer
    try:
        moves = plan_wish(replace(wish, replication_factor=factor), placement)
    except ConfigError as error:
        raise HttpError(409, str(error)) from None
    return [(m.partition.partition, m.before, m.after) for m in moves]


async def elect(request: Request) -> Json:
    """``POST /api/elections``: give leadership back to preferred replicas."""
    console = console_of(request)
    console.check_write()
    wanted = await body_of(request, Election)
    async with asking(console) as client:
        partitions = None
        if wanted.topic is not None:
            view = (await client.metadata([wanted.topic])).topics[wanted.topic]
            partitions = [TopicPartition(wanted.topic, p.partition) for p in view.partitions]
        outcomes = await elect_leaders(client, partitions)
    refused = {
        str(tp): _error(error)
        for tp, error in outcomes.items()
        if error is not None and error.code != ErrorCode.ELECTION_NOT_NEEDED
    }
    done = sum(error is None for error in outcomes.values())
    return Json({"elected": done, "refused": refused})


def _error(error: ClientError | None) -> str | None:
    return None if error is None else error.code.name
