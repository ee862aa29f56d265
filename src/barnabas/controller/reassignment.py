"""KafkaController.onPartitionReassignment, rules: what is asked for, and when a move is done
(KIP-455, reference 3.10). Pure; the flow is ``partition_reassignment.py``.

ORS are the original replicas, TRS the target, AR and RR those to add and to remove; everything is
kept in ``/brokers/topics/T``, so that any controller can carry on. A move has up to three phases::

    U  begin     U1  znode: replicas = TRS + ORS, adding = AR, removing = RR     (``planned``)
                 U2  the same in memory
                 U3  replaces another move: replicas that nobody needs any more are retired
    A  announce  A1  next leader epoch, LeaderAndIsr to ORS, and as new ones to AR
                 A2  AR are New
       ... until TRS are in sync (``is_complete``), maybe under other controllers ...
    B  finish    B1  AR are Online
                 B2  in memory: replicas = TRS
                 B3  next leader epoch, under a leader in TRS, LeaderAndIsr to TRS only: nobody can
                     bring a replica of RR back into the ISR from here on
                 B4  RR leave the ISR and stop
                 B5  RR delete their logs
                 B6  znode: replicas = TRS; last, so that a crash in between repeats phase B
                 B7  the request in ``/admin/reassign_partitions`` is removed
                 B8  all brokers hear the new assignment

Example, ORS 1,2 and TRS 3,2::

    replicas  adding  removing  leader  ISR
    1,2                         1       1,2
    3,2,1     3       1         1       1,2      after A
    3,2,1     3       1         1       1,2,3    AlterPartition
    3,2,1     3       1         3       1,2,3    B3
    3,2,1     3       1         3       2,3      B4
    3,2                         3       2,3      B6

A change of order alone goes through U and B at once; the leader stays, an election may follow. A
cancellation is a move back to ORS; their order is TRS's where both name a replica.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from barnabas.admin.topics import SMALL_SET
from barnabas.controller.context import ReplicaAssignment
from barnabas.errors import ErrorCode, KafkaError
from barnabas.zk.znodes import Replicas, TopicZNode


def check_target(present: ReplicaAssignment, target: Sequence[int], live: Collection[int]) -> None:
    """Raise INVALID_REPLICA_ASSIGNMENT unless the target names replicas once each, and all that it
    adds to the original ones are live brokers. The texts are the original's."""

    def refuse(reason: str) -> KafkaError:
        return KafkaError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, reason)

    def listed(kind: str, ids: Sequence[int]) -> str:
        return f"{kind}({', '.join(map(str, ids))})"

    if not target:
        raise refuse("Empty replica list specified in partition reassignment.")
    if len(set(target)) != len(target):
        raise refuse(
            "Duplicate replica ids in partition reassignment replica list:"
            f" {listed('ArrayBuffer', target)}"
        )
    if any(replica < 0 for replica in target):
        raise refuse(f"Invalid broker id in replica list: {listed('ArrayBuffer', target)}")
    added = [r for r in target if r not in present.origin]
    if any(r not in live for r in added):
        kind = "Set" if len(live) <= SMALL_SET else "HashSet"
        raise refuse(
            "Replica assignment has brokers that are not alive. Replica list:"
            f" {listed('ArrayBuffer', added)}, live broker list: {listed(kind, sorted(live))}"
        )


def planned(
    present: ReplicaAssignment,
    target: Sequence[int] | None,
    *,
    isr: Collection[int],
    electable: Collection[int],
) -> ReplicaAssignment:
    """The assignment that begins a move to ``target``, or (None) back to the original replicas.

    Raises NO_REASSIGNMENT_IN_PROGRESS if there is nothing to cancel.

    A replica that the move replaced by this one was adding is dropped at once, with one exception,
    which is not Kafka's: if none of the replicas that stay is ``electable`` (online, in sync and
    trusted), the in-sync ones are removed as the original ones are, once the target is in sync.
    Kafka deletes them, and with them what only they have."""
    if target is None:
        if not present.being_reassigned:
            raise KafkaError(
                ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, "No partition reassignment is in progress."
            )
        target = present.origin
    origin = present.origin
    dropped = [r for r in present.adding if r not in target]
    staying = (*target, *origin)
    if not any(r in electable for r in staying):
        origin += tuple(r for r in dropped if r in isr)
    replicas = tuple(dict.fromkeys((*target, *origin)))
    return ReplicaAssignment(
        replicas=replicas,
        adding=tuple(r for r in replicas if r not in origin),
        removing=tuple(r for r in replicas if r not in target),
    )


def is_complete(assignment: ReplicaAssignment, in_sync: Collection[int]) -> bool:
    """Whether phase B can begin: the whole target is in sync, or nothing comes and goes. The ISR
    may hold more than the target (KAFKA-15665)."""
    if not assignment.being_reassigned:
        return True
    return all(replica in in_sync for replica in assignment.target)


def recorded(znode: TopicZNode, assignments: Mapping[int, ReplicaAssignment]) -> TopicZNode:
    """The topic's znode with these assignments of its partitions."""

    def changed(
        listed: Mapping[int, Replicas], part: Mapping[int, Replicas]
    ) -> dict[int, Replicas]:
        return {n: r for n, r in {**listed, **part}.items() if r}

    return replace(
        znode,
        partitions=changed(znode.partitions, {n: a.replicas for n, a in assignments.items()}),
        adding=changed(znode.adding, {n: a.adding for n, a in assignments.items()}),
        removing=changed(znode.removing, {n: a.removing for n, a in assignments.items()}),
    )
