"""KafkaController.onPartitionReassignment, actions: partitions move to other replicas
(reference 3.10). Phases and rules are in ``reassignment.py``.

Asked for by the AlterPartitionReassignments API or by old tools in ``/admin/reassign_partitions``,
carried on when an ISR grows, when a broker of the target starts, and by the next controller. A
later request replaces an earlier one, by whichever way they came.

Differences from Kafka: requests of old tools are checked as those of the API are; the topic's znode
is written with the version that was read, so that partitions added meanwhile survive; a topic that
is to be deleted moves no further (``topic_deletion`` deletes all replicas there are).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from barnabas.controller import partitions, replicas, topic_changes
from barnabas.controller.context import ControllerContext, PartitionInfo, ReplicaAssignment
from barnabas.controller.election import Strategy
from barnabas.controller.reassignment import check_target, is_complete, planned, recorded
from barnabas.controller.replica_states import ReplicaState
from barnabas.controller.term import Term
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
)
from barnabas.protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)
from barnabas.types import TopicPartition
from barnabas.zk import paths
from barnabas.zk.znodes import (
    Replicas,
    decode_reassignment,
    encode_reassignment,
    encode_topic,
)
from barnabas.zookeeper.client.operations import DeleteOp, ExistsOp, GetOp, SetOp
from barnabas.zookeeper.errors import BadVersion, MalformedZNode, NoNode, ZooKeeperError

# --- who asks -------------------------------------------------------------------------------------


async def alter(
    term: Term, request: AlterPartitionReassignmentsRequest
) -> AlterPartitionReassignmentsResponse:
    """Answer AlterPartitionReassignments: begin, replace or cancel moves, each on its own."""
    targets: dict[TopicPartition, Sequence[int] | None] = {
        TopicPartition(topic.name, asked.partition_index): asked.replicas
        for topic in request.topics
        for asked in topic.partitions
    }
    errors: dict[TopicPartition, KafkaError] = {}
    plans: dict[TopicPartition, ReplicaAssignment] = {}
    for tp, target in targets.items():
        try:
            plans[tp] = _plan(term.context, tp, target)
        except KafkaError as error:
            errors[tp] = error
    await _remove_requests(term, lambda tp, _: tp in plans)
    for tp, plan in plans.items():
        if (p := term.context.partitions.get(tp)) is not None:
            await _begin(term, p, plan)
    topics: dict[str, list[AlterPartitionReassignmentsResponse.ReassignablePartitionResponse]] = {}
    for tp in targets:
        refused = errors.get(tp)
        answer = AlterPartitionReassignmentsResponse.ReassignablePartitionResponse(
            partition_index=tp.partition,
            error_code=ErrorCode.NONE if refused is None else refused.code,
            error_message=None if refused is None else refused.message,
        )
        topics.setdefault(tp.topic, []).append(answer)
    return AlterPartitionReassignmentsResponse(
        throttle_time=0,
        error_code=ErrorCode.NONE,
        error_message="",
        responses=[
            AlterPartitionReassignmentsResponse.ReassignableTopicResponse(
                name=name, partitions=listed
            )
            for name, listed in topics.items()
        ],
    )


async def list_running(
    term: Term, request: ListPartitionReassignmentsRequest
) -> ListPartitionReassignmentsResponse:
    """Answer ListPartitionReassignments: moves that are under way, of all or of some partitions."""
    asked = list(term.context.reassigning)
    if request.topics is not None:
        asked = [TopicPartition(t.name, n) for t in request.topics for n in t.partition_indexes]
    topics: dict[str, list[ListPartitionReassignmentsResponse.OngoingPartitionReassignment]] = {}
    for p in _running(term.context, dict.fromkeys(asked)):
        tp, assignment = p.topic_partition, p.assignment
        answer = ListPartitionReassignmentsResponse.OngoingPartitionReassignment(
            partition_index=tp.partition,
            replicas=assignment.replicas,
            adding_replicas=assignment.adding,
            removing_replicas=assignment.removing,
        )
        topics.setdefault(tp.topic, []).append(answer)
    return ListPartitionReassignmentsResponse(
        throttle_time=0,
        error_code=ErrorCode.NONE,
        error_message="",
        topics=[
            ListPartitionReassignmentsResponse.OngoingTopicReassignment(
                name=name, partitions=listed
            )
            for name, listed in topics.items()
        ],
    )


async def requested_by_tools(term: Term) -> None:
    """``/admin/reassign_partitions`` was written: begin what it asks for. What is refused leaves
    the znode at once, the rest when it is done. Arms the watch."""
    path = paths.REASSIGN_PARTITIONS
    while True:
        try:
            data, _ = await term.store.submit(GetOp(path, watch=True))
            break
        except NoNode:
            if await term.store.submit(ExistsOp(path, watch=True)) is None:
                return
    try:
        targets = decode_reassignment(path, data)
    except MalformedZNode as error:
        term.observer.note("reassignment_unreadable", reason=str(error))
        await term.store.delete_all([path])
        return
    refused: dict[TopicPartition, None] = {}
    for tp, target in targets.items():
        p = term.context.partitions.get(tp)
        if p is not None and p.assignment.being_reassigned and p.assignment.target == target:
            continue  # under way
        try:
            plan = _plan(term.context, tp, target)
        except KafkaError as error:
            term.observer.note(
                "reassignment_refused",
                topic=tp.topic,
                partition=tp.partition,
                reason=error.message,
            )
            refused[tp] = None
            continue
        if p is not None:
            await _begin(term, p, plan)
    if refused or not targets:
        await _remove_requests(term, lambda tp, _: tp in refused)


def _plan(
    context: ControllerContext, tp: TopicPartition, target: Sequence[int] | None
) -> ReplicaAssignment:
    """Raises KafkaError, in the order of Kafka's checks."""
    p = context.partitions.get(tp)
    present = ReplicaAssignment(replicas=()) if p is None else p.assignment
    if target is not None:
        check_target(present, target, context.live_broker_ids)
    isr = () if p is None or p.leadership is None else p.leadership.isr
    electable = [] if p is None else _in_sync(context, p)
    plan = planned(
        present,
        target,
        isr=isr,
        electable=[r for r in electable if context.is_replica_online(r, tp)],
    )
    if p is None or context.is_being_deleted(tp.topic):
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "The partition does not exist.")
    return plan


def _in_sync(context: ControllerContext, p: PartitionInfo) -> list[int]:
    """The ISR, without members whose logs are in doubt."""
    if p.leadership is None:
        return []
    doubtful = context.doubtful(p)
    return [member for member in p.leadership.isr if member not in doubtful]


# --- who carries on -------------------------------------------------------------------------------


def _running(context: ControllerContext, among: Collection[TopicPartition]) -> list[PartitionInfo]:
    """Partitions on the move, except those of topics that are to be deleted."""
    return [
        context.partitions[tp]
        for tp in among
        if tp in context.reassigning and not context.is_being_deleted(tp.topic)
    ]


async def finish_complete(term: Term) -> None:
    """ISRs have grown: moves whose target is in sync now come to their end."""
    for p in _running(term.context, list(term.context.reassigning)):
        if is_complete(p.assignment, _in_sync(term.context, p)):
            await _finish(term, p)


async def resume(term: Term, broker_ids: Collection[int] | None = None) -> None:
    """Carry on with all moves (a controller has taken over), or with those to these brokers, which
    have started."""
    for p in _running(term.context, list(term.context.reassigning)):
        if broker_ids is None or any(b in p.assignment.target for b in broker_ids):
            await _advance(term, p)


# --- the phases -----------------------------------------------------------------------------------


async def _begin(term: Term, p: PartitionInfo, plan: ReplicaAssignment) -> None:
    """Phase U, and what can follow at once."""
    tp = p.topic_partition
    unneeded = [r for r in p.assignment.replicas if r not in plan.replicas]
    if p.assignment != plan:
        await _record(term, p, plan)
        term.context.assign(p, plan)
        term.observer.note(
            "reassignment_began",
            topic=tp.topic,
            partition=tp.partition,
            replicas=list(plan.replicas),
            adding=list(plan.adding),
            removing=list(plan.removing),
        )
    if unneeded:
        if p.leadership is not None and p.leadership.leader in unneeded:
            await partitions.bring_online(term, [p], Strategy.REASSIGN)
        await _retire(term, p, unneeded)
    await _advance(term, p)


async def _advance(term: Term, p: PartitionInfo) -> None:
    """Phase A or B, or both if the first leadership of all was made in A."""
    if not is_complete(p.assignment, _in_sync(term.context, p)):
        await _announce(term, p)
    if is_complete(p.assignment, _in_sync(term.context, p)):
        await _finish(term, p)


async def _announce(term: Term, p: PartitionInfo) -> None:
    """Phase A: replicas that come in may be made although some directory of their broker failed;
    those that are there already may not (KAFKA-10314)."""
    _note_phase(term, p, "replicas are added and copy")
    batch = term.batch()
    batch.lead_and_follow(p.assignment.adding, p, is_new=True)
    await partitions.bring_online(term, [p], Strategy.RENEW, batch=batch)
    term.send(batch)
    replicas.move([(p, r) for r in p.assignment.adding], ReplicaState.NEW)


def _note_phase(term: Term, p: PartitionInfo, phase: str) -> None:
    tp = p.topic_partition
    term.observer.note("reassignment_phase", topic=tp.topic, partition=tp.partition, phase=phase)


async def _finish(term: Term, p: PartitionInfo) -> None:
    """Phase B. Nobody is stopped before a leader of the target has an epoch of its own."""
    _note_phase(term, p, "all of the target are in sync")
    moving, tp = p.assignment, p.topic_partition
    done = ReplicaAssignment(replicas=moving.target)
    new = [r for r in moving.adding if p.replica_states.get(r) is ReplicaState.NEW]
    replicas.move([(p, r) for r in new], ReplicaState.ONLINE)
    term.context.assign(p, done)
    failed = await partitions.bring_online(term, [p], Strategy.RENEW)
    failed = failed and await partitions.bring_online(term, failed, Strategy.REASSIGN)
    if failed and moving.removing:
        term.context.assign(p, moving)  # nobody can lead now: the next broker that starts may
        return
    await _retire(term, p, moving.removing)
    await _record(term, p, done)
    await _remove_requests(term, lambda name, target: name == tp and target == done.replicas)
    term.send_metadata([p])
    term.observer.note(
        "reassignment_done", topic=tp.topic, partition=tp.partition, replicas=list(done.replicas)
    )


async def _retire(term: Term, p: PartitionInfo, gone: Sequence[int]) -> None:
    """Out of the ISR, stopped, then deleted. Nobody waits for the brokers' answers, as in Kafka: a
    broker that is not there keeps a log that nobody asks for."""
    pairs = [(p, replica) for replica in gone]
    if not pairs:
        return
    await replicas.take_offline(term, pairs)
    replicas.start_deletion(term, pairs)
    replicas.move(pairs, ReplicaState.DELETION_SUCCESSFUL)
    replicas.move(pairs, ReplicaState.NON_EXISTENT)


# --- ZooKeeper ------------------------------------------------------------------------------------


async def _record(term: Term, p: PartitionInfo, assignment: ReplicaAssignment) -> None:
    """Write one partition's assignment into its topic's znode, whatever else changes there."""
    topic, number = p.topic_partition
    path = paths.topic_path(topic)
    while True:
        (read,) = await term.store.data([path])
        found = topic_changes.decoded(term, topic, read)
        if found is None:
            return  # removed by hand; its watch tells
        znode, version = found
        wanted = recorded(znode, number, assignment)
        if wanted == znode:
            return
        (outcome,) = await term.store.fenced([SetOp(path, encode_topic(wanted), version)])
        if not isinstance(outcome, ZooKeeperError):
            return
        if not isinstance(outcome, BadVersion):
            raise outcome


async def _remove_requests(term: Term, is_done: Callable[[TopicPartition, Replicas], bool]) -> None:
    """Take what is done or refused out of ``/admin/reassign_partitions``; delete it if empty."""
    path = paths.REASSIGN_PARTITIONS
    while True:
        try:
            data, stat = await term.store.submit(GetOp(path))
            asked = decode_reassignment(path, data)
        except (NoNode, MalformedZNode):
            return
        left = {tp: target for tp, target in asked.items() if not is_done(tp, target)}
        if left == asked and asked:
            return
        write = SetOp(path, encode_reassignment(left), stat.version)
        delete = DeleteOp(path, stat.version)
        (outcome,) = await term.store.fenced([write if left else delete])
        if not isinstance(outcome, BadVersion | NoNode):
            if isinstance(outcome, ZooKeeperError):
                raise outcome
            return
