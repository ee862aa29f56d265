"""DeleteRecords v0-2: raise the log start of partitions that this broker leads (reference 5.12).

Answered once every live follower has taken the new start over, or with REQUEST_TIMED_OUT; the
start has moved on the leader by then. A partition that stands twice in a request is done once,
to the last offset given, as in the original.
"""

from __future__ import annotations

import asyncio
from functools import partial

from barnabas.api.registry import serves
from barnabas.api.request import Answer, Pieces, Request, Steps
from barnabas.api.services import Services
from barnabas.api.when import when
from barnabas.protocol.api import ApiKey
from barnabas.protocol.codec import milliseconds
from barnabas.protocol.message import Message
from barnabas.replication.results import DeleteRecordsResult
from barnabas.types import TopicPartition


@serves(ApiKey.DELETE_RECORDS)
def handle(services: Services, request: Request) -> Answer:
    """Each partition on its own, answered together."""
    return request.worked_out(_delete(services, request))


def _delete(services: Services, request: Request) -> Steps[Pieces | asyncio.Future[Pieces]]:
    decoded = request.decode()
    targets: dict[TopicPartition, int] = {}
    for topic in decoded.topics:
        for p in topic.partitions:
            targets[TopicPartition(topic.name, p.partition_index)] = p.offset
            yield 1
    outcome = services.replicas.delete_records(list(targets.items()), milliseconds(decoded.timeout))
    return when(outcome, partial(_answer, request))


def _answer(request: Request, results: list[DeleteRecordsResult]) -> Pieces:
    topics: dict[str, list[Message]] = {}
    for name, error, low_watermark in results:
        topics.setdefault(name.topic, []).append(
            Message(partition_index=name.partition, low_watermark=low_watermark, error_code=error)
        )
    return request.answer(
        Message(
            throttle_time=0,
            topics=[Message(name=name, partitions=parts) for name, parts in topics.items()],
        )
    )
