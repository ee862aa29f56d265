"""What a seed chooses: kinds of fault, how often, how long, and how the cluster is set up."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

LOSES_UNFLUSHED = ("power", "power_all")
"""Faults that are drawn with log.flush.before.ack: without it no promise covers them."""
HOSTILE = ("greedy", "malicious")
"""Clients that come as faults (``hostile_clients``)."""
MOVING = ("throttled", "drain")
"""Moves of replicas as administrators make them (``moving_stories``)."""
APART = (*HOSTILE, *MOVING)
"""Drawn apart: what else a seed draws stays as it was before there were any."""
LONE = (("outage",), ("silent",), ("cable",), ("deaf",), ("stopped",), ("unheard",))
"""Faults that are judged by what they alone have done: one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything that was drawn, printed when a run fails."""

    seed: int
    kinds: tuple[str, ...]
    gap_s: float
    """Mean time from one fault to the next."""
    length_s: float
    """Mean time that a fault lasts."""
    seconds: float
    """Of faults."""
    cpu_delay: bool = False
    flush: bool = False
    """log.flush.before.ack"""
    together: bool = False
    """All processes on one machine; the coordinator expires sessions of dead brokers fast."""
    tails: bool = False
    """Producers with acks=1 leave records that only leaders have."""
    rebalance_s: int = 300
    """leader.imbalance.check.interval.seconds: short, leadership moves without anybody dying."""
    brokers: int = 3
    bystander: bool = False
    """The fourth broker holds none of the clients' partitions; it starts first, as controller."""
    segment_bytes: int = 0
    """segment.bytes of the clients' topic; 0 for Kafka's default, which never rolls here."""
    retention: bool = False
    """Old segments of the clients' topic are deleted by size."""
    compacted: bool = False
    """There is a topic of keys that are updated, and it and __consumer_offsets are cleaned."""
    members: int = 0
    """Of a consumer group that reads the clients' topic."""
    pause_s: float = 0.1
    """Mean time that a producer rests between two sends."""
    witness: bool = False
    """Somebody asks every broker who leads, and judges the answers."""
    acls: bool = False
    """There is an authorizer, and a topic whose ACLs change."""
    quotas: bool = False
    """A client's quota changes."""
    tokens: bool = False
    """Clients log in with delegation tokens, which come and go; brokers log in to each other."""
    old_clients: bool = False
    """Some producers and consumers speak message formats 0 and 1."""
    racks: bool = False
    """Every broker has a rack, and consumers read from followers in theirs."""
    plugged: bool = False
    """Brokers have plug-ins; with ``racks`` one of them sends consumers to any replica."""
    late_answers: float = 0.0
    """Share of ZooKeeper's answers that come late to who awaits them; only where it is forced."""
    protocol: str = ""
    """inter.broker.protocol.version of all brokers; nothing for the newest."""
    lost_multis: float = 0.0
    """Share of the multis in whose middle the connection to ZooKeeper is lost."""
    secure: bool = False
    """Brokers log in to each other with SCRAM, again every few seconds; only where it is forced."""
    watched: bool = False
    """Brokers have an HTTP listener, count, and write their events; only where it is forced."""
    keeps: bool = False
    """Leaders keep all batches in memory until their followers have them."""
    long_work: float = 0.0
    """Share of the looks at a stopwatch that find a turn over; only where it is forced."""


def draw_options(
    seed: int, kinds: Sequence[str], seconds: float, together: Sequence[str] = ()
) -> Options:
    """One to four of the kinds, and how often. ``together``: the kinds that make sense when all
    processes share a machine."""
    stream = random.Random(f"{seed}/options")
    shared = bool(together) and stream.random() < 0.15
    usual = [kind for kind in kinds if kind not in APART] or kinds
    pool = sorted(kind for kind in usual if not shared or kind in together) or sorted(usual)
    shared = shared and all(kind in together for kind in pool)
    chosen = stream.sample(pool, min(len(pool), stream.randint(1, 4)))
    flush = stream.random() < 0.2 and "power_one" not in chosen
    return Options(
        seed=seed,
        kinds=tuple(sorted(_with_hostile(seed, kinds, _with_moving(seed, kinds, chosen)))),
        gap_s=stream.choice((0.7, 1.5, 3.0)),
        length_s=stream.choice((0.3, 1.5, 6.0)),
        seconds=seconds,
        cpu_delay=stream.random() < 0.2,
        flush=flush or any(kind in LOSES_UNFLUSHED for kind in chosen),
        together=shared,
        tails=stream.random() < 0.5,
        rebalance_s=stream.choice((300, 300, 2, 5)),
        witness=random.Random(f"{seed}/witness").random() < 0.3,
        acls=random.Random(f"{seed}/acls").random() < 0.25,
        quotas=random.Random(f"{seed}/quotas").random() < 0.2,
        tokens=random.Random(f"{seed}/tokens").random() < 0.1,
        protocol=random.Random(f"{seed}/protocol").choice(
            ("", "", "", "", "", "2.8", "3.4", "3.7")
        ),
        keeps=random.Random(f"{seed}/keeps").random() < 0.5,
        lost_multis=0.2 if random.Random(f"{seed}/lost").random() < 0.1 else 0.0,
        old_clients=random.Random(f"{seed}/old-clients").random() < 0.25,
        racks=random.Random(f"{seed}/racks").random() < 0.3,
        plugged=random.Random(f"{seed}/plugged").random() < 0.15,
        **_draw_extent(random.Random(f"{seed}/extent")),
    )


def _with_hostile(seed: int, kinds: Sequence[str], chosen: Sequence[str]) -> Sequence[str]:
    """Hostile clients come to one seed in four, to some alone. They are drawn apart: what else a
    seed draws stays as it was before there were any."""
    stream = random.Random(f"{seed}/hostile")
    drawn = [kind for kind in HOSTILE if stream.random() < 0.15 and kind in kinds]
    alone = stream.random() < 0.3
    if not drawn or tuple(chosen) in LONE or set(chosen) & {*HOSTILE}:
        return chosen
    return drawn if alone else [*chosen, *drawn]


def _with_moving(seed: int, kinds: Sequence[str], chosen: Sequence[str]) -> Sequence[str]:
    """Moves come to one seed in six."""
    stream = random.Random(f"{seed}/moving")
    drawn = [kind for kind in MOVING if stream.random() < 0.1 and kind in kinds]
    if not drawn or tuple(chosen) in LONE or set(chosen) & {*APART}:
        return chosen
    return [*chosen, *drawn]


def force(drawn: Options, wanted: Sequence[str], kinds: Sequence[str]) -> Options:
    """What a seed has drawn, and besides each of ``wanted``: one of ``kinds``, or an option as
    ``name=value`` (JSON)."""
    faults = [name for name in wanted if "=" not in name]
    unknown = sorted(set(faults) - set(kinds))
    if unknown:
        raise ValueError(f"no such fault: {', '.join(unknown)}")
    options: dict[str, Any] = {}
    for name, equals, value in (each.partition("=") for each in wanted):
        if equals:
            options[name] = json.loads(value)
    chosen = {*drawn.kinds, *faults}
    flush = options.get("flush", drawn.flush or any(kind in LOSES_UNFLUSHED for kind in chosen))
    if flush:
        chosen.discard("power_one")  # is about what is lost without
    return replace(drawn, **{**options, "flush": flush, "kinds": tuple(sorted(chosen))})


def _draw_extent(stream: random.Random) -> dict[str, Any]:
    """How much more than three brokers and one plain topic there is."""
    fourth = stream.random() < 0.3
    rolls = stream.random() < 0.3
    return {
        "brokers": 4 if fourth else 3,
        "bystander": fourth and stream.random() < 0.5,
        "segment_bytes": stream.choice((1500, 4000)) if rolls else 0,
        "retention": rolls and stream.random() < 0.5,
        "compacted": stream.random() < 0.25,
        "members": stream.choice((2, 3)) if stream.random() < 0.3 else 0,
        "pause_s": stream.choice((0.1, 0.3, 0.6)),
    }
