"""OffsetForLeaderEpoch v0-4: the end offset of a leader epoch. Consumers use it to detect
truncation (KIP-320), and followers of older inter-broker versions. Only leaders answer.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from functools import partial

from barnabas.api.access import EVERYTHING, allowed, is_allowed_on_cluster
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request, Steps, each
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
)
from barnabas.types import NO_EPOCH, NO_OFFSET, TopicPartition


@serves(
    ApiKey.OFFSET_FOR_LEADER_EPOCH,
    of_each(
        (ResourceType.CLUSTER, AclOperation.CLUSTER_ACTION),
        (ResourceType.TOPIC, AclOperation.DESCRIBE),
    ),
)
def handle(services: Services, request: Request) -> Answer:
    """Answers for each partition separately."""
    return request.in_steps_if_long(_answer(services, request))


def _answer(services: Services, request: Request) -> Steps[Pieces]:
    topics = []
    described: Container[str] = EVERYTHING
    if not is_allowed_on_cluster(services, request, AclOperation.CLUSTER_ACTION, quiet=True):
        described = allowed(services, request, AclOperation.DESCRIBE, ResourceType.TOPIC)
    for topic in request.decode(OffsetForLeaderEpochRequest).topics:
        describe: Callable[
            [OffsetForLeaderEpochRequest.OffsetForLeaderPartition],
            OffsetForLeaderEpochResponse.EpochEndOffset,
        ] = partial(_partition, services, topic.topic)
        if topic.topic not in described:
            describe = _denied
        partitions = yield from each(topic.partitions, describe)
        topics.append(
            OffsetForLeaderEpochResponse.OffsetForLeaderTopicResult(
                topic=topic.topic, partitions=partitions
            )
        )
        yield 1
    return (
        yield from request.answer_in_steps(
            OffsetForLeaderEpochResponse(throttle_time=0, topics=topics)
        )
    )


def _nothing(
    wanted: OffsetForLeaderEpochRequest.OffsetForLeaderPartition, error: ErrorCode
) -> OffsetForLeaderEpochResponse.EpochEndOffset:
    return OffsetForLeaderEpochResponse.EpochEndOffset(
        error_code=error,
        partition=wanted.partition,
        leader_epoch=NO_EPOCH,
        end_offset=NO_OFFSET,
    )


def _denied(
    wanted: OffsetForLeaderEpochRequest.OffsetForLeaderPartition,
) -> OffsetForLeaderEpochResponse.EpochEndOffset:
    return _nothing(wanted, ErrorCode.TOPIC_AUTHORIZATION_FAILED)


def _partition(
    services: Services, topic: str, wanted: OffsetForLeaderEpochRequest.OffsetForLeaderPartition
) -> OffsetForLeaderEpochResponse.EpochEndOffset:
    answer = _nothing(wanted, ErrorCode.NONE)
    try:
        found = services.replicas.end_of_epoch(
            TopicPartition(topic, wanted.partition),
            wanted.current_leader_epoch,
            wanted.leader_epoch,
        )
        answer.leader_epoch, answer.end_offset = found
    except KafkaError as error:
        answer.error_code = error.code
    return answer
