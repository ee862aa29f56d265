"""DeleteRecords v0-2: raises the log start of partitions that this broker leads (reference 5.12).

It answers once every live follower has the new log start, or with REQUEST_TIMED_OUT, when only the
leader may have it. If a request names a partition twice, the last offset counts, as in Kafka.
"""

from __future__ import annotations

from barnabas.api.access import allowed
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Promise, Request, Steps
from barnabas.api.services import Services
from barnabas.api.when import when
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.delete_records import DeleteRecordsRequest, DeleteRecordsResponse
from barnabas.replication.results import DeleteRecordsResult
from barnabas.types import NO_OFFSET, TopicPartition


@serves(ApiKey.DELETE_RECORDS, of_each((ResourceType.TOPIC, AclOperation.DELETE)))
def handle(services: Services, request: Request) -> Answer:
    """Raises the log start of each partition separately; one answer for all."""
    return request.in_steps_if_long(_delete(services, request))


def _delete(services: Services, request: Request) -> Steps[Pieces | Steps[Pieces] | Promise]:
    decoded = request.decode(DeleteRecordsRequest)
    deletable = allowed(services, request, AclOperation.DELETE, ResourceType.TOPIC)
    targets: dict[TopicPartition, int] = {}
    refused: list[DeleteRecordsResult] = []
    for topic in decoded.topics:
        for p in topic.partitions:
            name = TopicPartition(topic.name, p.partition_index)
            if topic.name in deletable:
                targets[name] = p.offset
            else:
                error = ErrorCode.TOPIC_AUTHORIZATION_FAILED
                refused.append(DeleteRecordsResult(name, error, NO_OFFSET))
            yield 1
    outcome = yield from services.replicas.delete_records(list(targets.items()), decoded.timeout)

    def answer(results: list[DeleteRecordsResult]) -> Pieces | Steps[Pieces]:
        return request.in_steps_if_long(_answer(request, [*results, *refused]))

    return when(outcome, answer)


def _answer(request: Request, results: list[DeleteRecordsResult]) -> Steps[Pieces]:
    topics: dict[str, list[DeleteRecordsResponse.PartitionResult]] = {}
    for name, error, low_watermark in results:
        topics.setdefault(name.topic, []).append(
            DeleteRecordsResponse.PartitionResult(
                partition_index=name.partition, low_watermark=low_watermark, error_code=error
            )
        )
        yield 1
    message = DeleteRecordsResponse(
        throttle_time=0,
        topics=[
            DeleteRecordsResponse.TopicResult(name=name, partitions=parts)
            for name, parts in topics.items()
        ],
    )
    return (yield from request.answer_in_steps(message))
