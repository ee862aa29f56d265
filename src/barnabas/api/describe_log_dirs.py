"""DescribeLogDirs v1-4: size and lag of every replica, by log directory, and the space left."""

from __future__ import annotations

from typing import Any

from barnabas.api.request import Answer, Request
from barnabas.api.services import Services
from barnabas.errors import ErrorCode
from barnabas.protocol.message import Message


def handle(services: Services, request: Request) -> Answer:
    """All directories; topics as asked for (null: all)."""
    wanted = _wanted(request.decode())
    results = []
    for directory in services.logs.log_dirs:
        result = _result(directory, ErrorCode.NONE)
        try:
            result.total_bytes = services.env.files.total_bytes(directory)
            result.usable_bytes = services.env.files.free_bytes(directory)
        except OSError:
            result.error_code = ErrorCode.KAFKA_STORAGE_ERROR
        result.topics = _topics(services, directory, wanted)
        results.append(result)
    results += [_result(d, ErrorCode.KAFKA_STORAGE_ERROR) for d in services.logs.offline_dirs]
    return request.answer(Message(throttle_time=0, error_code=ErrorCode.NONE, results=results))


def _wanted(decoded: Any) -> dict[str, tuple[int, ...]] | None:
    if decoded.topics is None:
        return None
    return {t.topic: tuple(t.partitions) for t in decoded.topics}


def _result(directory: str, error: ErrorCode) -> Message:
    return Message(error_code=error, log_dir=directory, topics=[], total_bytes=-1, usable_bytes=-1)


def _topics(
    services: Services, directory: str, wanted: dict[str, tuple[int, ...]] | None
) -> list[Message]:
    topics: dict[str, list[Message]] = {}
    for tp, log in services.logs.logs.items():
        if services.logs.directory_of(tp) != directory:
            continue
        if wanted is not None and tp.partition not in wanted.get(tp.topic, ()):
            continue
        topics.setdefault(tp.topic, []).append(
            Message(
                partition_index=tp.partition,
                partition_size=log.size_bytes,
                offset_lag=max(0, log.high_watermark - log.log_end_offset),
                is_future_key=False,
            )
        )
    return [Message(name=name, partitions=found) for name, found in sorted(topics.items())]
