"""Bugs that Kafka had, or that a rewrite could have, planted one at a time: does the simulator see
them? ``python -m tests.simulation.mutants [NAME ...]`` prints, for each, the seeds it took.

A mutant replaces functions of the broker in a process of its own. It counts as found only if the
seed that finds it passes without it. A mutant that survives shows what the nemesis cannot do yet.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from tests.simulation.kernel import SimulationFailure
from tests.simulation.options import Options
from tests.simulation.planted import PLANTED, Patches
from tests.simulation.scenario import Scenario, options_of

SEEDS_MAX = 60
FIRST_SEED = 7000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A planted bug, and the faults among which to look for it."""

    name: str
    about: str
    kinds: tuple[str, ...]
    fixed: dict[str, Any] = field(default_factory=dict)
    """Options that are not drawn."""
    equivalent: str = ""
    """Why it is not expected to be seen, if so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What became of one mutant."""

    name: str
    seeds: int
    evidence: str
    cpu_s: float


PLAIN = {
    "brokers": 3,
    "bystander": False,
    "segment_bytes": 0,
    "retention": False,
    "compacted": False,
    "members": 0,
    "pause_s": 0.1,
    "witness": False,
    "acls": False,
    "quotas": False,
    "tokens": False,
    "old_clients": False,
    "racks": False,
}
"""Three brokers and one topic, unless a mutant needs more."""
TAILS = {"tails": True, "together": False}
GROUP = {"members": 3, "together": False}
BYSTANDER = {"brokers": 4, "bystander": True, "together": False}
"""The controller holds nothing itself."""
WITNESS = {"witness": True, "together": False}
"""The controller's session ends after seconds, and with it its leaderships."""
APART = {"together": False, "rebalance_s": 300}
ACLS = {"acls": True, "together": False}
METERED = {"quotas": True, "together": False}
OLD_CLIENTS = {"old_clients": True, "together": False}
TOKENS = {"tokens": True, "together": False}
MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="truncate-to-watermark",
        about="KIP-101: a follower cuts its log to its own high watermark",
        kinds=("kill", "laggard", "pause"),
    ),
    Mutant(
        name="end-of-next-epoch",
        about="KIP-279: an unknown epoch is answered with the start of the next, epochs ignored",
        kinds=("double",),
        fixed={**TAILS, "kinds": ("double",)},
    ),
    Mutant(
        name="no-epoch-truncation",
        about="KIP-320 rule 1: a follower fetches without comparing epochs",
        kinds=("double", "laggard", "zombie"),
        fixed=TAILS,
    ),
    Mutant(
        name="unfenced-lookup",
        about="KIP-320 rule 2: the divergence is told to followers of other epochs",
        kinds=("overtaken", "double", "zombie"),
        fixed={**BYSTANDER, "tails": True},
        equivalent="each fetch is compared with the leader's log anew (KIP-595): who leads in an"
        " older epoch and again in the follower's own has all that was committed in between",
    ),
    Mutant(
        name="unfenced-position",
        about="KIP-320 rule 3: the watermark counts fetches of followers in other epochs",
        kinds=("overtaken",),
        fixed={**BYSTANDER, "kinds": ("overtaken",)},
    ),
    Mutant(
        name="early-join",
        about="KIP-320 rule 4: a follower joins the ISR below the start of the leader's epoch",
        kinds=("early",),
        fixed={**TAILS, **BYSTANDER, "kinds": ("early",)},
    ),
    Mutant(
        name="ack-before-isr",
        about="acks=all is answered after the leader's own append",
        kinds=("kill", "slow"),
    ),
    Mutant(
        name="watermark-of-requested-isr",
        about="the watermark follows an ISR that was asked for and not yet granted",
        kinds=("silent", "slow", "laggard", "zombie"),
        fixed={"together": False},
    ),
    Mutant(
        name="watermark-below-min-isr",
        about="KAFKA-15583: the watermark advances with fewer than min.insync.replicas",
        kinds=("kill", "outage", "laggard"),
        fixed=TAILS,
    ),
    Mutant(
        name="unclean-election",
        about="a replica outside of the ISR is elected although nobody allowed it",
        kinds=("kill", "kill_all", "laggard", "double"),
    ),
    Mutant(
        name="old-epoch-resumed",
        about="a restarted leader goes on in its old epoch when the controller changed meanwhile",
        kinds=("kill_all", "bounce", "kill"),
    ),
    Mutant(
        name="unfenced-controller",
        about="the controller writes without checking /controller_epoch",
        kinds=("usurped",),
        fixed={"together": False, "kinds": ("usurped",)},
    ),
    Mutant(
        name="silence-unheard",
        about="a machine that falls silent is left to its session",
        kinds=("cable",),
        fixed={**APART, "kinds": ("cable",)},
    ),
    Mutant(
        name="blames-all-when-cut-off",
        about="a controller that hears nobody elects around everybody",
        kinds=("deaf",),
        fixed={**APART, "kinds": ("deaf",)},
    ),
    Mutant(
        name="stopped-blames-others",
        about="a controller that was stopped takes its own silence for that of others",
        kinds=("stopped",),
        fixed={**APART, "kinds": ("stopped",)},
    ),
    Mutant(
        name="deposed-leads-on",
        about="a leader that no controller reaches goes on although others were elected",
        kinds=("unheard",),
        fixed={**APART, "kinds": ("unheard",)},
    ),
    Mutant(
        name="silent-for-ever",
        about="a broker that was silent is not taken back",
        kinds=("cable",),
        fixed={**APART, "kinds": ("cable",)},
    ),
    Mutant(
        name="stale-controller-obeyed",
        about="orders of a controller that was replaced are carried out",
        kinds=("late_orders",),
        fixed={"together": False, "kinds": ("late_orders",)},
    ),
    Mutant(
        name="late-orders-obeyed",
        about="what a closed connection of the controller still brings is carried out",
        kinds=("overtaken",),
        fixed={**BYSTANDER, "tails": True, "kinds": ("overtaken",)},
    ),
    Mutant(
        name="session-id-reused",
        about="the coordinator numbers sessions from the same start after a restart",
        kinds=("coordinator", "kill"),
    ),
    Mutant(
        name="watch-not-rearmed",
        about="the client does not set its watches again on a new connection",
        kinds=("coordinator", "kill", "reset"),
    ),
    Mutant(
        name="bounce-missed",
        about="a broker that registered anew between two looks is taken for the old one",
        kinds=("unseen_bounce", "bounce"),
        fixed={"together": False},
    ),
    Mutant(
        name="duplicate-after-failover",
        about="followers do not learn producers' sequence numbers",
        kinds=("kill", "bounce", "reset"),
    ),
    Mutant(
        name="fsync-skipped",
        about="log.flush.before.ack does not flush",
        kinds=("power", "power_all"),
        fixed={"flush": True},
    ),
    Mutant(
        name="leader-counts-unflushed",
        about="the leader counts for the watermark before it has flushed",
        kinds=("power_all", "slow_disk"),
        fixed={"flush": True},
    ),
    Mutant(
        name="follower-acks-unflushed",
        about="a follower fetches on before it has flushed what it got",
        kinds=("power_all", "power"),
        fixed={"flush": True},
    ),
    Mutant(
        name="directory-not-synced",
        about="the log directory's own name is not made durable",
        kinds=("power", "power_all"),
        fixed={"flush": True},
    ),
    Mutant(
        name="earlier-names-trusted",
        about="a segment that a killed process began is flushed by the next, but not its name",
        kinds=("kill", "kill_all"),
        fixed={"flush": True, "segment_bytes": 1500},
    ),
    Mutant(
        name="unclean-start-untold",
        about="KIP-966: a broker does not say that its machine lost power",
        kinds=("power_one", "kill", "bounce"),
        fixed={"flush": False},
    ),
    Mutant(
        name="dead-member-kept",
        about="neither controller nor leader takes a dead replica out of the ISR",
        kinds=("outage",),
        fixed={"together": False, "kinds": ("outage",)},
    ),
    Mutant(
        name="silent-member-kept",
        about="the leader keeps a replica in the ISR that does not fetch",
        kinds=("silent",),
        fixed={"together": False, "kinds": ("silent",)},
    ),
    Mutant(
        name="follower-shows-its-end",
        about="KIP-392: a follower gives consumers what is not committed",
        kinds=("kill", "laggard", "double"),
        fixed={**TAILS, "racks": True},
    ),
    Mutant(
        name="commit-not-replicated",
        about="a group's commit is answered after the coordinator's own append",
        kinds=("kill", "laggard", "isolate"),
        fixed=GROUP,
    ),
    Mutant(
        name="unreplicated-group-loaded",
        about="a coordinator serves what it has loaded before that is replicated",
        kinds=("told",),
        fixed={**GROUP, **BYSTANDER, "kinds": ("told",)},
    ),
    Mutant(
        name="stale-generation-accepted",
        about="a member that was replaced commits all the same",
        kinds=("slow", "reset"),
        fixed=GROUP,
    ),
    Mutant(
        name="tombstone-dropped-early",
        about="the cleaner removes a deletion before readers have seen it",
        kinds=("kill", "slow"),
        fixed={"compacted": True},
    ),
    Mutant(
        name="cleaned-past-watermark",
        about="the cleaner removes values for newer ones that are not committed",
        kinds=("laggard", "zombie", "double"),
        fixed={**TAILS, "compacted": True},
    ),
    Mutant(
        name="retention-past-watermark",
        about="retention deletes what is not committed",
        kinds=("laggard", "zombie", "silent"),
        fixed={"segment_bytes": 1500, "retention": True, "together": False},
    ),
    Mutant(
        name="moved-before-in-sync",
        about="a reassignment removes the old replicas before the new ones are in the ISR",
        kinds=("reassign", "slow", "kill"),
        fixed={"brokers": 4, "together": False},
    ),
    Mutant(
        name="move-not-throttled",
        about="a leader sends to replicas that are being moved whatever their throttle",
        kinds=("throttled",),
        fixed={"brokers": 4, "together": False, "pause_s": 0.02, "kinds": ("throttled",)},
    ),
    Mutant(
        name="drained-broker-gets-topics",
        about="the mark of a drained broker is not looked at when a topic is placed",
        kinds=("drain",),
        fixed={"brokers": 4, "together": False, "kinds": ("drain",)},
    ),
    Mutant(
        name="deleted-settings-kept",
        about="the settings of a deleted topic, on their way at that moment, outlive it",
        kinds=("heir",),
        fixed={"late_answers": 0.2, "together": False, "kinds": ("heir",)},
    ),
    Mutant(
        name="own-write-not-recognised",
        about="a controller takes its own write, whose answer was lost, for another's",
        kinds=("kill", "bounce"),
        fixed={"lost_multis": 0.3, "together": False},
    ),
    Mutant(
        name="dead-leader-named",
        about="a leader is named until the controller says that it is gone",
        kinds=("kill", "bounce"),
        fixed=WITNESS,
    ),
    Mutant(
        name="successor-awaited-too-long",
        about="an answer about a dead leader waits until it has a successor",
        kinds=("kill", "bounce"),
        fixed=WITNESS,
    ),
    Mutant(
        name="question-out-of-turn-forgotten",
        about="a question behind a request that waits is never handled",
        kinds=("kill", "bounce"),
        fixed=WITNESS,
    ),
    Mutant(
        name="fetch-not-asked",
        about="Fetch does not ask what its sender may read",
        kinds=("kill", "bounce"),
        fixed=ACLS,
    ),
    Mutant(
        name="decisions-kept",
        about="what was decided is remembered when the ACLs have changed",
        kinds=("kill", "bounce"),
        fixed=ACLS,
    ),
    Mutant(
        name="acl-change-untold",
        about="an ACL is written without the notification of it",
        kinds=("kill", "bounce"),
        fixed=ACLS,
    ),
    Mutant(
        name="not-muted",
        about="who exceeds his quota is told so, and served all the same",
        kinds=("kill", "bounce"),
        fixed=METERED,
    ),
    Mutant(
        name="muted-for-ever",
        about="a connection that was muted is not served again",
        kinds=("kill", "bounce"),
        fixed=METERED,
    ),
    Mutant(
        name="quota-change-unheard",
        about="a broker does not read quotas again that were changed at another",
        kinds=("kill", "bounce"),
        fixed=METERED,
    ),
    Mutant(
        name="old-set-cut",
        about="of an old producer's messages only the first is appended, all are acknowledged",
        kinds=("kill", "bounce"),
        fixed=OLD_CLIENTS,
    ),
    Mutant(
        name="absolute-inner-offsets",
        about="KIP-31: a wrapper of format 1 does not have the offset of its last message",
        kinds=("kill", "bounce"),
        fixed=OLD_CLIENTS,
    ),
    Mutant(
        name="first-batch-cut",
        about="KIP-283: an old consumer is given less than one message that is whole",
        kinds=("kill", "bounce"),
        fixed=OLD_CLIENTS,
    ),
    Mutant(
        name="token-lasts-for-ever",
        about="a session by delegation token outlives its token",
        kinds=("kill", "bounce"),
        fixed=TOKENS,
    ),
    Mutant(
        name="removed-token-kept",
        about="a token that is gone when a broker reads it again stays in its memory",
        kinds=("kill", "bounce"),
        fixed=TOKENS,
    ),
    Mutant(
        name="token-change-untold",
        about="a token is changed without the notification of it",
        kinds=("kill", "bounce"),
        fixed=TOKENS,
    ),
    Mutant(
        name="broker-left-out",
        about="the last broker is not told of new leaders and ISRs",
        kinds=("kill", "bounce"),
        fixed=PLAIN,
    ),
    Mutant(
        name="turn-without-end",
        about="a broker serves all that has come before it looks at anything else",
        kinds=("greedy",),
        fixed={"kinds": ("greedy",)},
    ),
    Mutant(
        name="answers-unbounded",
        about="requests are answered however much their client has not taken yet",
        kinds=("greedy",),
        fixed={"kinds": ("greedy",)},
    ),
    Mutant(
        name="decoded-without-bound",
        about="long requests are decoded however much memory requests have taken already",
        kinds=("greedy",),
        fixed={"kinds": ("greedy",)},
    ),
    Mutant(
        name="memory-not-given-back",
        about="what a connection owed when it ended stays counted",
        kinds=("greedy",),
        fixed={"kinds": ("greedy",)},
    ),
)


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The bug, for the time of the context."""
    patches = Patches()
    PLANTED[name](patches)
    try:
        yield
    finally:
        patches.undo()


def mutant_options(mutant: Mutant, seed: int) -> Options:
    """What a seed draws, among the mutant's kinds and with what is fixed."""
    drawn = options_of(seed, 20.0, mutant.kinds)
    wanted = {**PLAIN, **mutant.fixed}
    if wanted.get("together") is False and drawn.together:
        wanted["kinds"] = wanted.get("kinds", mutant.kinds[:2])
    return replace(drawn, **wanted)


def hunt(mutant: Mutant, seeds: int) -> Found:
    """Run seeds until one fails that passes without the bug."""
    before = time.process_time()
    for count in range(seeds):
        options = mutant_options(mutant, FIRST_SEED + count)
        try:
            with planted(mutant.name):
                Scenario(options, timeline=10).run()
        except SimulationFailure as failure:
            evidence = str(failure).splitlines()[0].partition(": ")[2]
            if _is_sound(options):
                spent = time.process_time() - before
                return Found(name=mutant.name, seeds=count + 1, evidence=evidence, cpu_s=spent)
    return Found(name=mutant.name, seeds=0, evidence="", cpu_s=time.process_time() - before)


def _is_sound(options: Options) -> bool:
    try:
        Scenario(options, timeline=10).run()
    except SimulationFailure as failure:
        print(f"fails without any mutant: {options}: {failure}", file=sys.stderr)
        return False
    return True


def _hunt(task: tuple[str, int]) -> Found:
    logging.disable(logging.CRITICAL)
    name, seeds = task
    return hunt(next(m for m in MUTANTS if m.name == name), seeds)


def main() -> int:
    """The command line; 1 if a mutant survives that could be found."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutants")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these")
    parser.add_argument("--seeds", type=int, default=SEEDS_MAX, help="at most, for each")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    chosen = [m for m in MUTANTS if not arguments.names or m.name in arguments.names]
    tasks = [(m.name, arguments.seeds) for m in chosen]
    about = {m.name: m for m in chosen}
    found = survived = 0
    with multiprocessing.Pool(arguments.processes, maxtasksperchild=1) as pool:
        for result in pool.imap(_hunt, tasks, chunksize=1):
            mutant = about[result.name]
            if result.seeds:
                found += 1
                print(f"{result.name:<28} seed {result.seeds:>3}  {result.evidence[:110]}")
            else:
                survived += not mutant.equivalent
                note = mutant.equivalent or "SURVIVED"
                print(f"{result.name:<28} none in {arguments.seeds}  {note}")
            sys.stdout.flush()
    print(f"mutants: planted={len(chosen)} found={found} score={found / len(chosen):.0%}")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
