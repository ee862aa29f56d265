"""Election: who leads a partition (reference 3.3), and the doubt about a replica whose machine
crashed (KIP-966). Pure.

Every election raises the leader epoch, even if the leader stays. No strategy ever writes an empty
ISR, and only ``for_offline`` with ``unclean_allowed`` elects a leader from outside of it.

**Doubtful replicas.** Kafka 3.9 in ZooKeeper mode elects the last ISR member even if its machine
lost power and with it acknowledged records that were only in its page cache. Here a member is
doubtful if it registered after such a crash and the ISR that names it was written before
(``ControllerContext.doubtful``). The rule:

- a trusted ISR member that is online leads, and doubtful ones leave the ISR with the election;
- while other ISR members are offline, a doubtful one does not lead: they may have what it lost;
- if every ISR member is doubtful and online there is nobody better to wait for: the first leads,
  alone in the ISR: what it has is what is left, and the others come back by fetching it;
- but a partition with one doubtful member and no other (ISR ``[b]``) is held: the records may be
  gone, and only an unclean election, which the topic must allow, says that this is acceptable;
- the other strategies do not elect doubtful members at all, and take them out of the ISR;
- no state that names a leader is written with a doubtful member in its ISR (but the leader itself):
  its age would end the doubt (``without_replicas`` has the same rule for shrinks).

A held partition is written with ``leader`` -1 and ``leader_recovery_state`` 1, so that the doubt is
still known after the broker restarted once more, cleanly. Partitions with one assigned replica
are never held: there is nothing to choose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from types import MappingProxyType

import msgspec
from msgspec.structs import replace

from barnabas.types import NO_LEADER, LeaderAndIsr


class Strategy(Enum):
    """Why an election is held."""

    OFFLINE = "offline"
    REASSIGN = "reassign"
    PREFERRED = "preferred"
    CONTROLLED_SHUTDOWN = "controlled shutdown"
    RENEW = "renew"
    """The same leader, in an epoch of its own for a changed assignment (not an election to Kafka,
    which bumps the epoch by hand)."""


class Situation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an election looks at, for one partition."""

    assignment: tuple[int, ...]
    """All replicas, preferred leader first; in a reassignment those of the target come first, and
    at its end there are no others."""
    current: LeaderAndIsr
    online: tuple[int, ...]
    """Members of the assignment and of the ISR that are live and whose directory works. Brokers
    that are shutting down are in it only for ``Strategy.CONTROLLED_SHUTDOWN``."""
    controller_epoch: int
    unclean_allowed: bool = False
    doubtful: tuple[int, ...] = ()
    shutting_down: tuple[int, ...] = ()


class Election(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A leader, and the brokers that a LeaderAndIsr tells about it.

    ``leadership.partition_epoch`` is still that of the state it replaces."""

    leadership: LeaderAndIsr
    recipients: tuple[int, ...]


def for_offline(s: Situation) -> Election | None:
    """The leader is gone: a live ISR member, else (if allowed) any live replica, uncleanly."""
    isr = s.current.isr
    candidates = [r for r in s.assignment if r in s.online and r in isr]
    trusted = [r for r in candidates if r not in s.doubtful]
    recipients = tuple(r for r in s.assignment if r in s.online)
    if trusted:
        members = tuple(m for m in isr if m in s.online and m not in s.doubtful)
        return Election(leadership=_lead(s, trusted[0], members), recipients=recipients)
    if candidates and len(isr) > 1 and all(m in s.doubtful and m in s.online for m in isr):
        leadership = _lead(s, candidates[0], (candidates[0],))
        return Election(leadership=leadership, recipients=recipients)
    if s.unclean_allowed and recipients:
        leader = candidates[0] if candidates else recipients[0]
        leadership = replace(_lead(s, leader, (leader,)), recovering=True)
        return Election(leadership=leadership, recipients=recipients)
    return None


def for_reassignment(s: Situation) -> Election | None:
    """The first replica of the changed assignment that is online and in sync; who is not assigned
    any more is still in the ISR, and leaves it next."""
    leader = _first_in_sync(s.assignment, s)
    if leader is None:
        return None
    return Election(leadership=_lead(s, leader, _without_doubtful(s)), recipients=s.assignment)


def for_preferred(s: Situation) -> Election | None:
    """The first assigned replica, if it is online and in sync; nobody else."""
    leader = _first_in_sync(s.assignment[:1], s)
    if leader is None:
        return None
    return Election(leadership=_lead(s, leader, _without_doubtful(s)), recipients=s.assignment)


def for_controlled_shutdown(s: Situation) -> Election | None:
    """An in-sync replica that stays; the leaving brokers leave the ISR with the election."""
    staying = tuple(r for r in s.assignment if r not in s.shutting_down)
    leader = _first_in_sync(staying, s)
    if leader is None:
        return None
    members = tuple(m for m in _without_doubtful(s) if m not in s.shutting_down)
    recipients = tuple(r for r in s.assignment if r in s.online)
    return Election(leadership=_lead(s, leader, members), recipients=recipients)


def for_renewal(s: Situation) -> Election | None:
    """The present leader again, if it is assigned, online and not in doubt."""
    leader = s.current.leader
    if leader not in s.assignment or _first_in_sync((leader,), s) is None:
        return None
    leadership = replace(_lead(s, leader, _without_doubtful(s)), recovering=s.current.recovering)
    return Election(leadership=leadership, recipients=s.assignment)


STRATEGIES: Mapping[Strategy, Callable[[Situation], Election | None]] = MappingProxyType(
    {
        Strategy.OFFLINE: for_offline,
        Strategy.REASSIGN: for_reassignment,
        Strategy.PREFERRED: for_preferred,
        Strategy.CONTROLLED_SHUTDOWN: for_controlled_shutdown,
        Strategy.RENEW: for_renewal,
    }
)


def passed_over(s: Situation, leader: int) -> dict[int, str]:
    """Who stands before the elected leader in the assignment, and why it does not lead."""
    found: dict[int, str] = {}
    for replica in s.assignment:
        if replica == leader:
            break
        if replica in s.shutting_down:
            found[replica] = "shutting down"
        elif replica not in s.online:
            found[replica] = "offline"
        elif replica not in s.current.isr:
            found[replica] = "not in sync"
        elif replica in s.doubtful:
            found[replica] = "in doubt"
    return found


def held_back(s: Situation) -> LeaderAndIsr | None:
    """What to record after ``for_offline`` found nobody: the doubt about the last ISR member.

    None if that is not the reason, or if it is recorded already."""
    isr = s.current.isr
    if len(isr) != 1 or isr[0] not in s.doubtful or len(s.assignment) == 1:
        return None
    if s.current.leader == NO_LEADER and s.current.recovering:
        return None
    return replace(_lead(s, NO_LEADER, isr), recovering=True)


def _without_doubtful(s: Situation) -> tuple[int, ...]:
    """The ISR without doubtful members: a younger state that names them would end the doubt."""
    return tuple(m for m in s.current.isr if m not in s.doubtful)


def _first_in_sync(replicas: tuple[int, ...], s: Situation) -> int | None:
    isr = s.current.isr
    trusted = (r for r in replicas if r in s.online and r in isr and r not in s.doubtful)
    return next(trusted, None)


def _lead(s: Situation, leader: int, isr: tuple[int, ...]) -> LeaderAndIsr:
    assert leader == NO_LEADER or leader in isr
    assert isr
    return LeaderAndIsr(
        leader=leader,
        leader_epoch=s.current.leader_epoch + 1,
        isr=isr,
        partition_epoch=s.current.partition_epoch,
        controller_epoch=s.controller_epoch,
    )
