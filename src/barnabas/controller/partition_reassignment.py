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

from collections.abc import Callable, Collection, Mapping, Sequence

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
    await _begin(term, plans)
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
    plans: dict[TopicPartition, ReplicaAssignment] = {}
    for tp, target in targets.items():
        p = term.context.partitions.get(tp)
        if p is not None and p.assignment.being_reassigned and p.assignment.target == target:
            continue  # under way
        try:
            plans[tp] = _plan(term.context, tp, target)
        except KafkaError as error:
            term.observer.note(
                "reassignment_refused",
                topic=tp.topic,
                partition=tp.partition,
                reason=error.message,
            )
            refused[tp] = None
    await _begin(term, plans)
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
    running = _running(term.context, list(term.context.reassigning))
    await _finish(term, [p for p in running if _is_complete(term, p)])


async def resume(term: Term, broker_ids: Collection[int] | None = None) -> None:
    """Carry on with all moves (a controller has taken over), or with those to these brokers, which
    have started."""
    running = _running(term.context, list(term.context.reassigning))
    if broker_ids is not None:
        running = [p for p in running if any(b in p.assignment.target for b in broker_ids)]
    await _advance(term, running)


# --- the phases -----------------------------------------------------------------------------------
# Each is for many moves at once: a topic's znode is written once for all of its partitions, states
# are written side by side, and a broker hears of all in one request. Kafka does them one by one.


async def _begin(term: Term, plans: Mapping[TopicPartition, ReplicaAssignment]) -> None:
    """Phase U, and what can follow at once."""
    found = term.context.partitions
    await _record(
        term,
        {tp: a for tp, a in plans.items() if tp in found and found[tp].assignment != a},
    )
    begun = [(found[tp], plan) for tp, plan in plans.items() if tp in found]
    unneeded = [
        (p, r) for p, plan in begun for r in p.assignment.replicas if r not in plan.replicas
    ]
    for p, plan in begun:
        if p.assignment == plan:
            continue
        term.context.assign(p, plan)
        term.observer.note(
            "reassignment_began",
            topic=p.topic_partition.topic,
            partition=p.topic_partition.partition,
            replicas=list(plan.replicas),
            adding=list(plan.adding),
            removing=list(plan.removing),
        )
    left = [p for p, r in unneeded if p.leadership is not None and p.leadership.leader == r]
    await partitions.bring_online(term, left, Strategy.REASSIGN)
    await _retire(term, unneeded)
    await _advance(term, [p for p, _ in begun])


async def _advance(term: Term, moving: Sequence[PartitionInfo]) -> None:
    """Phase A or B, or both if the first leadership of all was made in A."""
    await _announce(term, [p for p in moving if not _is_complete(term, p)])
    await _finish(term, [p for p in moving if _is_complete(term, p)])


def _is_complete(term: Term, p: PartitionInfo) -> bool:
    return is_complete(p.assignment, _in_sync(term.context, p))


async def _announce(term: Term, moving: Sequence[PartitionInfo]) -> None:
    """Phase A: replicas that come in may be made although some directory of their broker failed;
    those that are there already may not (KAFKA-10314)."""
    batch = term.batch()
    for p in moving:
        _note_phase(term, p, "replicas are added and copy")
        batch.lead_and_follow(p.assignment.adding, p, is_new=True)
    await partitions.bring_online(term, moving, Strategy.RENEW, batch=batch)
    term.send(batch)
    replicas.move([(p, r) for p in moving for r in p.assignment.adding], ReplicaState.NEW)


def _note_phase(term: Term, p: PartitionInfo, phase: str) -> None:
    tp = p.topic_partition
    term.observer.note("reassignment_phase", topic=tp.topic, partition=tp.partition, phase=phase)


async def _finish(term: Term, complete: Sequence[PartitionInfo]) -> None:
    """Phase B. Nobody is stopped before a leader of the target has an epoch of its own."""
    if not complete:
        return
    moving = {p.topic_partition: p.assignment for p in complete}
    for p in complete:
        _note_phase(term, p, "all of the target are in sync")
        new = [r for r in p.assignment.adding if p.replica_states.get(r) is ReplicaState.NEW]
        replicas.move([(p, r) for r in new], ReplicaState.ONLINE)
        term.context.assign(p, ReplicaAssignment(replicas=p.assignment.target))
    failed = await partitions.bring_online(term, complete, Strategy.RENEW)
    failed = await partitions.bring_online(term, failed, Strategy.REASSIGN)
    waiting: dict[TopicPartition, None] = {}
    for p in failed:
        before = moving[p.topic_partition]
        if before.removing:
            term.context.assign(p, before)  # nobody can lead now: the next broker that starts may
            waiting[p.topic_partition] = None
    done = [p for p in complete if p.topic_partition not in waiting]
    await _retire(term, [(p, r) for p in done for r in moving[p.topic_partition].removing])
    targets = {p.topic_partition: p.assignment for p in done}
    await _record(term, targets)
    await _remove_requests(
        term, lambda tp, target: tp in targets and target == targets[tp].replicas
    )
    term.send_metadata(done)
    for tp, assignment in targets.items():
        term.observer.note(
            "reassignment_done",
            topic=tp.topic,
            partition=tp.partition,
            replicas=list(assignment.replicas),
        )


async def _retire(term: Term, gone: Sequence[tuple[PartitionInfo, int]]) -> None:
    """Out of the ISR, stopped, then deleted. Nobody waits for the brokers' answers, as in Kafka: a
    broker that is not there keeps a log that nobody asks for."""
    if not gone:
        return
    await replicas.take_offline(term, gone)
    replicas.start_deletion(term, gone)
    replicas.move(gone, ReplicaState.DELETION_SUCCESSFUL)
    replicas.move(gone, ReplicaState.NON_EXISTENT)


# --- ZooKeeper ------------------------------------------------------------------------------------


async def _record(term: Term, assignments: Mapping[TopicPartition, ReplicaAssignment]) -> None:
    """Write partitions' assignments into their topics' znodes, whatever else changes there."""
    pending: dict[str, dict[int, ReplicaAssignment]] = {}
    for tp, assignment in assignments.items():
        pending.setdefault(tp.topic, {})[tp.partition] = assignment
    while pending:
        reads = await term.store.data(paths.topic_path(topic) for topic in pending)
        writes: dict[str, SetOp] = {}
        for (topic, wanted), read in zip(pending.items(), reads, strict=True):
            found = topic_changes.decoded(term, topic, read)
            if found is None:
                continue  # removed by hand; its watch tells
            znode, version = found
            if (changed := recorded(znode, wanted)) != znode:
                writes[topic] = SetOp(paths.topic_path(topic), encode_topic(changed), version)
        # Each alone: many of them together may be larger than a request can be.
        outcomes = await term.store.fenced(list(writes.values()), at_once=1)
        refused: dict[str, None] = {}
        for topic, outcome in zip(writes, outcomes, strict=True):
            if isinstance(outcome, BadVersion):
                refused[topic] = None
            elif isinstance(outcome, ZooKeeperError):
                raise outcome
        pending = {topic: pending[topic] for topic in refused}


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
