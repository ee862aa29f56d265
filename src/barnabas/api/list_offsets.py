"""ListOffsets v0-9: the offset for a time, or for the special timestamps -1 (latest) to -5 (latest
tiered). v0 answers where segments begin whose files were written by that time, and the log's end.

Only leaders answer. The latest offset is the high watermark for a consumer, the last stable offset
with READ_COMMITTED, and the log end for a follower.
"""

from __future__ import annotations

from collections import Counter

from barnabas.api.access import allowed
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request, Steps
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.list_offsets import ListOffsetsRequest, ListOffsetsResponse
from barnabas.replication.fetch_params import ISOLATION_LEVELS, READ_COMMITTED
from barnabas.replication.offsets import EARLIEST_TIMESTAMP
from barnabas.types import NO_EPOCH, NO_OFFSET, NO_TIMESTAMP, TopicPartition

_LOWEST_VERSION_OF = {-1: 1, -2: 1, -3: 7, -4: 8, -5: 9}
"""The special timestamps and their first versions. In older requests they are ordinary numbers."""


@serves(ApiKey.LIST_OFFSETS, of_each((ResourceType.TOPIC, AclOperation.DESCRIBE)))
def handle(services: Services, request: Request) -> Answer:
    """Answers for each partition separately."""
    return request.in_steps_if_long(_answer(services, request))


def _answer(services: Services, request: Request) -> Steps[Pieces]:
    decoded = request.decode(ListOffsetsRequest)
    asked: Counter[tuple[str, int]] = Counter()
    for topic in decoded.topics:
        for p in topic.partitions:
            asked[topic.name, p.partition_index] += 1
            yield 1
    is_known = decoded.isolation_level in ISOLATION_LEVELS
    described = allowed(services, request, AclOperation.DESCRIBE, ResourceType.TOPIC)
    topics = []
    for topic in sorted(decoded.topics, key=lambda t: t.name not in described):
        partitions = []
        for p in topic.partitions:
            if topic.name not in described:
                answer = _refused(p, ErrorCode.TOPIC_AUTHORIZATION_FAILED)
            elif asked[topic.name, p.partition_index] > 1 or not is_known or p.max_num_offsets < 0:
                answer = _refused(p, ErrorCode.INVALID_REQUEST)
            elif request.api_version == 0:
                answer = _old_style(services, decoded, topic.name, p)
            else:
                answer = _partition(services, request.api_version, decoded, topic.name, p)
            partitions.append(answer)
            yield 1
        topics.append(ListOffsetsResponse.TopicResponse(name=topic.name, partitions=partitions))
    return (yield from request.answer_in_steps(ListOffsetsResponse(throttle_time=0, topics=topics)))


def _refused(
    wanted: ListOffsetsRequest.Partition, error: ErrorCode
) -> ListOffsetsResponse.PartitionResponse:
    return ListOffsetsResponse.PartitionResponse(
        partition_index=wanted.partition_index,
        error_code=error,
        timestamp=NO_TIMESTAMP,
        offset=NO_OFFSET,
        leader_epoch=NO_EPOCH,
    )


def _old_style(
    services: Services,
    decoded: ListOffsetsRequest,
    topic: str,
    wanted: ListOffsetsRequest.Partition,
) -> ListOffsetsResponse.PartitionResponse:
    answer = _refused(wanted, ErrorCode.NONE)
    if wanted.timestamp < EARLIEST_TIMESTAMP:
        answer.error_code = ErrorCode.UNSUPPORTED_VERSION
        return answer
    try:
        answer.old_style_offsets = services.replicas.offsets_before(
            TopicPartition(topic, wanted.partition_index),
            wanted.timestamp,
            most=wanted.max_num_offsets,
            now_ms=services.env.clock.wall_ms(),
            replica_id=decoded.replica_id,
        )
    except KafkaError as error:
        answer.error_code = error.code
    except OSError:
        answer.error_code = ErrorCode.KAFKA_STORAGE_ERROR
    return answer


def _partition(
    services: Services,
    version: int,
    decoded: ListOffsetsRequest,
    topic: str,
    wanted: ListOffsetsRequest.Partition,
) -> ListOffsetsResponse.PartitionResponse:
    if wanted.timestamp < 0 and version < _LOWEST_VERSION_OF.get(wanted.timestamp, version + 1):
        return _refused(wanted, ErrorCode.UNSUPPORTED_VERSION)
    answer = _refused(wanted, ErrorCode.NONE)
    try:
        found = services.replicas.list_offset(
            TopicPartition(topic, wanted.partition_index),
            wanted.timestamp,
            version=version,
            current_leader_epoch=wanted.current_leader_epoch,
            read_committed=decoded.isolation_level == READ_COMMITTED,
            replica_id=decoded.replica_id,
        )
        answer.timestamp, answer.offset, answer.leader_epoch = found
    except KafkaError as error:
        answer.error_code = error.code
    except OSError:
        answer.error_code = ErrorCode.KAFKA_STORAGE_ERROR
    return answer
