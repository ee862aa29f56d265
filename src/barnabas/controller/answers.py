"""What the controller reads in answers of brokers. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from barnabas.controller.context import ControllerContext
from barnabas.errors import ErrorCode
from barnabas.protocol.messages.leader_and_isr import LeaderAndIsrResponse
from barnabas.protocol.messages.stop_replica import StopReplicaResponse
from barnabas.types import ZERO_UUID, TopicPartition

Partitions = tuple[TopicPartition, ...]


def answered_directories(
    context: ControllerContext, broker_id: int, response: LeaderAndIsrResponse
) -> tuple[Partitions, Partitions]:
    """Of a LeaderAndIsr answer: replicas on failed directories, and replicas that work again.

    STALE_CONTROLLER_EPOCH of a partition means nothing: its role is known already (trap 37)."""
    if response.error_code != ErrorCode.NONE:
        return (), ()
    offline = context.offline_dirs.get(broker_id, {})
    failed: list[TopicPartition] = []
    working: list[TopicPartition] = []
    names = None
    for topic in response.topics:
        for p in topic.partition_errors:
            if p.error_code == ErrorCode.NONE and not offline:
                continue
            if p.error_code not in (ErrorCode.NONE, ErrorCode.KAFKA_STORAGE_ERROR):
                continue
            names = context.topic_ids() if names is None else names
            name = names.get(topic.topic_id or ZERO_UUID)
            if name is None:
                continue
            tp = TopicPartition(name, p.partition_index)
            if p.error_code == ErrorCode.KAFKA_STORAGE_ERROR:
                failed.append(tp)
            elif tp in offline:
                working.append(tp)
    return tuple(failed), tuple(working)


def answered_deletions(
    asked: Sequence[TopicPartition], response: StopReplicaResponse
) -> dict[TopicPartition, int]:
    """Of a StopReplica answer: the error of every replica it was to delete."""
    if response.error_code != ErrorCode.NONE:
        return dict.fromkeys(asked, int(response.error_code))
    errors = {
        TopicPartition(p.topic_name, p.partition_index): int(p.error_code)
        for p in response.partition_errors
    }
    return {tp: errors.get(tp, int(ErrorCode.NONE)) for tp in asked}
