"""KafkaApis.maybeConvertFetchedData: records for consumers of Fetch v0 to v3 (KIP-283).

v0 and v1 get message format 0, v2 and v3 format 1, unless ``message.downconversion.enable`` forbids
it. Partitions are converted one after the other. What was read and what is made of it count as the
memory of an answer all the while.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from barnabas.api.request import Request, Steps
from barnabas.api.services import Services
from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.down_conversion import Converted, down_converted
from barnabas.replication.fetch_params import FetchParams
from barnabas.replication.results import FetchedPartition
from barnabas.types import TopicPartition

RECORD_BATCHES_FROM_VERSION = 4
"""Consumers of older versions read message formats 0 and 1."""
FORMAT_1_FROM_VERSION = 2

Offsets: TypeAlias = Mapping[TopicPartition, int]
"""What each partition is asked from."""


def offsets_of(params: FetchParams) -> Offsets:
    """Those of a request, which no session adds to in these versions."""
    return {entry.topic_partition: entry.fetch_offset for entry in params.partitions}


def convert(
    services: Services, request: Request, partitions: list[FetchedPartition], offsets: Offsets
) -> Steps[None]:
    """Convert the records of each partition in its place in ``partitions``."""
    magic = 1 if request.api_version >= FORMAT_1_FROM_VERSION else 0
    context = services.replicas.context
    answers, stopwatch = context.answers, context.env.stopwatch
    held = 0
    try:
        for number, fetched in enumerate(partitions):
            name = TopicPartition(fetched.topic or "", fetched.partition)
            hosted = services.replicas.partitions.get(name)
            if hosted is None or hosted.log is None:
                continue
            if not (hosted.log.config.message_downconversion_enable or request.from_broker):
                partitions[number] = refused_partition(fetched, ErrorCode.UNSUPPORTED_VERSION)
                continue
            if not fetched.size:
                continue
            answers.held += fetched.size
            held += fetched.size
            data = memoryview(b"".join(fetched.records))
            converting = down_converted(data, magic, offsets[name])
            try:
                made, took_s = yield from timed(converting, stopwatch)
            except KafkaError as error:
                partitions[number] = refused_partition(fetched, error.code)
                continue
            answers.held += made.size - fetched.size
            held += made.size - fetched.size
            fetched.records, fetched.size = made.buffers, made.size
            if hosted.figures is not None:
                hosted.figures.fetch_conversions += made.records
                hosted.figures.fetch_conversion.add(took_s)
                hosted.figures.fetch_conversion_bytes.add(made.size)
            yield 1
    finally:
        answers.held -= held


def timed(
    steps: Steps[Converted], stopwatch: Callable[[], float]
) -> Steps[tuple[Converted, float]]:
    """What ``steps`` make, and how many seconds they took without the pauses between them."""
    took_s = 0.0
    while True:
        began = stopwatch()
        try:
            step = next(steps)
        except StopIteration as done:
            return done.value, took_s + stopwatch() - began
        took_s += stopwatch() - began
        yield step


def refused_partition(fetched: FetchedPartition, error: ErrorCode) -> FetchedPartition:
    """An error in place of what was read."""
    return FetchedPartition(
        topic=fetched.topic,
        topic_id=fetched.topic_id,
        partition=fetched.partition,
        error=error,
        aborted_transactions=[],
    )
