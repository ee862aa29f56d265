"""KafkaController, requests of brokers: AlterPartition, ControlledShutdown, AllocateProducerIds
(reference 3.9, 3.12, 4.7). Each takes a decoded request and returns the answer.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from barnabas.controller import partitions, replicas, shutdown
from barnabas.controller.alter_partition import Proposal, judge
from barnabas.controller.context import PartitionInfo
from barnabas.controller.election import Strategy
from barnabas.controller.term import Term
from barnabas.errors import ErrorCode, FatalError
from barnabas.protocol.messages.allocate_producer_ids import (
    AllocateProducerIdsRequest,
    AllocateProducerIdsResponse,
)
from barnabas.protocol.messages.alter_partition import AlterPartitionRequest, AlterPartitionResponse
from barnabas.protocol.messages.controlled_shutdown import (
    ControlledShutdownRequest,
    ControlledShutdownResponse,
)
from barnabas.types import (
    ZERO_UUID,
    LeaderAndIsr,
    TopicPartition,
)
from barnabas.zk import paths
from barnabas.zk.znodes import (
    PRODUCER_ID_BLOCK_SIZE,
    ProducerIdBlock,
    decode_producer_id_block,
    encode_producer_id_block,
)
from barnabas.zookeeper.client.operations import GetOp, SetOp
from barnabas.zookeeper.errors import BadVersion

I64_MAX = 2**63 - 1


# --- AlterPartition


@dataclass(slots=True, kw_only=True)
class _Item:
    """One partition of a request, and what becomes of it."""

    index: int
    error: ErrorCode = ErrorCode.NONE
    partition: PartitionInfo | None = None
    write: LeaderAndIsr | None = None


async def alter_partition(
    term: Term, request: AlterPartitionRequest, *, by_name: bool = False
) -> AlterPartitionResponse:
    """Judge every partition, write all accepted ISRs in one batch, tell all brokers, answer.

    No LeaderAndIsr is sent, and the leader epoch stays. Topics are named by their ids, or by their
    names (v0-1). Leaders that do so do not know INELIGIBLE_REPLICA."""
    context = term.context
    known = context.broker_epoch(request.broker_id)
    if known is None or known != request.broker_epoch:
        return AlterPartitionResponse(
            throttle_time=0, error_code=ErrorCode.STALE_BROKER_EPOCH, topics=[]
        )
    names = context.topic_ids()
    topics: list[tuple[str, uuid.UUID, list[_Item]]] = []
    for topic in request.topics:
        topic_id = topic.topic_id or ZERO_UUID
        name = topic.topic_name if by_name else names.get(topic_id)
        items = [_judged(term, name, p) for p in topic.partitions]
        for item in items:
            if by_name and item.error is ErrorCode.INELIGIBLE_REPLICA:
                item.error = ErrorCode.OPERATION_NOT_ATTEMPTED
        topics.append((topic.topic_name, topic_id, items))
    await _write(term, [item for *_, items in topics for item in items])
    return AlterPartitionResponse(
        throttle_time=0,
        error_code=ErrorCode.NONE,
        topics=[
            AlterPartitionResponse.TopicData(
                topic_name=name,
                topic_id=topic_id,
                partitions=[_partition_answer(item) for item in items],
            )
            for name, topic_id, items in topics
        ],
    )


def _judged(term: Term, name: str | None, asked: AlterPartitionRequest.PartitionData) -> _Item:
    item = _Item(index=asked.partition_index)
    if name is None:
        item.error = ErrorCode.UNKNOWN_TOPIC_ID
        return item
    p = term.context.partitions.get(TopicPartition(name, asked.partition_index))
    if p is None or p.leadership is None:
        item.error = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        return item
    item.partition = p
    verdict = judge(
        _proposal(asked),
        p.leadership,
        controller_epoch=term.context.epoch,
        is_live=term.context.is_live,
        broker_epoch=term.context.broker_epoch,
    )
    item.error, item.write = verdict.error, verdict.write
    return item


def _proposal(asked: AlterPartitionRequest.PartitionData) -> Proposal:
    members = asked.new_isr_with_epochs
    return Proposal(
        leader_epoch=asked.leader_epoch,
        partition_epoch=asked.partition_epoch,
        isr=tuple(m.broker_id for m in members) or tuple(asked.new_isr),
        member_epochs={m.broker_id: m.broker_epoch for m in members},
        recovering=asked.leader_recovery_state == 1,
    )


async def _write(term: Term, items: list[_Item]) -> None:
    accepted = [(i, i.partition, i.write) for i in items if i.partition and i.write]
    writes = await term.store.update_states(
        [(p.topic_partition, state) for _, p, state in accepted]
    )
    changed = []
    for (item, p, _), write in zip(accepted, writes, strict=True):
        if write.written and write.leadership is not None:
            reason = f"proposed by its leader {write.leadership.leader}"
            term.adopt(p, write.leadership, write.mzxid, reason=reason)
            changed.append(p)
        else:
            item.error = ErrorCode.INVALID_UPDATE_VERSION
            if write.leadership is not None:
                p.leadership, p.mzxid = write.leadership, write.mzxid
    if changed:
        term.send_metadata(changed)


def _partition_answer(item: _Item) -> AlterPartitionResponse.PartitionData:
    if item.error or item.partition is None or item.partition.leadership is None:
        return AlterPartitionResponse.PartitionData(
            partition_index=item.index,
            error_code=item.error,
            leader_id=0,
            leader_epoch=0,
            isr=(),
            partition_epoch=0,
        )
    state = item.partition.leadership
    return AlterPartitionResponse.PartitionData(
        partition_index=item.index,
        error_code=ErrorCode.NONE,
        leader_id=state.leader,
        leader_epoch=state.leader_epoch,
        isr=state.isr,
        leader_recovery_state=1 if state.recovering else 0,
        partition_epoch=state.partition_epoch,
    )


# --- ControlledShutdown


async def controlled_shutdown(
    term: Term, request: ControlledShutdownRequest
) -> ControlledShutdownResponse:
    """Move leadership away from a broker, take it out of its ISRs, and answer with what it still
    leads."""
    broker_id = request.broker_id
    if error := shutdown.refusal(term.context, broker_id, request.broker_epoch):
        return ControlledShutdownResponse(error_code=error, remaining_partitions=[])
    term.context.shutting_down[broker_id] = None
    term.observer.note("broker_shutting_down", broker=broker_id)
    plan = shutdown.plan(term.context, broker_id)
    await partitions.bring_online(term, plan.led, Strategy.CONTROLLED_SHUTDOWN)
    if plan.followed:
        batch = term.batch()  # once before the shrink, once after it, as Kafka
        for p in plan.followed:
            batch.stop((broker_id,), p, delete=False)
        term.send(batch)
        await replicas.take_offline(term, [(p, broker_id) for p in plan.followed])
    return ControlledShutdownResponse(
        error_code=ErrorCode.NONE,
        remaining_partitions=[
            ControlledShutdownResponse.RemainingPartition(
                topic_name=tp.topic, partition_index=tp.partition
            )
            for p in shutdown.remaining(term.context, broker_id)
            for tp in (p.topic_partition,)
        ],
    )


# --- AllocateProducerIds


async def allocate_producer_ids(
    term: Term, request: AllocateProducerIdsRequest
) -> AllocateProducerIdsResponse:
    """Give the next block of producer ids to a live broker. Writes with the version read, and again
    until that succeeds."""
    known = term.context.broker_epoch(request.broker_id)
    if known is None:
        return no_producer_ids(ErrorCode.BROKER_ID_NOT_REGISTERED)
    if known != request.broker_epoch:
        return no_producer_ids(ErrorCode.STALE_BROKER_EPOCH)
    while True:
        data, stat = await term.store.submit(GetOp(paths.PRODUCER_ID_BLOCK))
        block = next_block(
            decode_producer_id_block(paths.PRODUCER_ID_BLOCK, data), request.broker_id
        )
        body = encode_producer_id_block(block)
        try:
            await term.store.submit(SetOp(paths.PRODUCER_ID_BLOCK, body, stat.version))
        except BadVersion:
            continue  # somebody else's, or our own with a lost answer: that block is wasted
        return AllocateProducerIdsResponse(
            throttle_time=0,
            error_code=ErrorCode.NONE,
            producer_id_start=block.first,
            producer_id_len=PRODUCER_ID_BLOCK_SIZE,
        )


def no_producer_ids(error: ErrorCode) -> AllocateProducerIdsResponse:
    """A refusal."""
    return AllocateProducerIdsResponse(
        throttle_time=0, error_code=error, producer_id_start=0, producer_id_len=0
    )


def next_block(latest: ProducerIdBlock | None, broker_id: int) -> ProducerIdBlock:
    """The block after the latest one. Pure."""
    first = 0 if latest is None else latest.last + 1
    if first > I64_MAX - PRODUCER_ID_BLOCK_SIZE:
        raise FatalError("producer ids are exhausted")
    return ProducerIdBlock(
        broker_id=broker_id, first=first, last=first + PRODUCER_ID_BLOCK_SIZE - 1
    )
