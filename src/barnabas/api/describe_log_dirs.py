"""DescribeLogDirs v0-4: size and lag of replicas by log directory, and the free space.

A replica that moves between directories is listed in both; the copy is marked as a future one."""

from __future__ import annotations

from barnabas.api.registry import on_cluster, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.describe_log_dirs import (
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
)
from barnabas.storage.log import Log


def _refuse(services: Services, request: Request) -> Pieces:
    """Up to v2 the answer has no field for an error, so it is empty."""
    error = ErrorCode.CLUSTER_AUTHORIZATION_FAILED
    return request.answer(DescribeLogDirsResponse(throttle_time=0, error_code=error, results=[]))


@serves(ApiKey.DESCRIBE_LOG_DIRS, on_cluster(AclOperation.DESCRIBE, _refuse))
def handle(services: Services, request: Request) -> Answer:
    """Lists all directories, with the topics asked for (null: all)."""
    wanted = _wanted(request.decode(DescribeLogDirsRequest))
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
    return request.answer(
        DescribeLogDirsResponse(throttle_time=0, error_code=ErrorCode.NONE, results=results)
    )


def _wanted(decoded: DescribeLogDirsRequest) -> dict[str, tuple[int, ...]] | None:
    if decoded.topics is None:
        return None
    return {t.topic: tuple(t.partitions) for t in decoded.topics}


def _result(directory: str, error: ErrorCode) -> DescribeLogDirsResponse.Result:
    return DescribeLogDirsResponse.Result(
        error_code=error, log_dir=directory, topics=[], total_bytes=-1, usable_bytes=-1
    )


def _topics(
    services: Services, directory: str, wanted: dict[str, tuple[int, ...]] | None
) -> list[DescribeLogDirsResponse.Topic]:
    topics: dict[str, list[DescribeLogDirsResponse.Partition]] = {}
    for tp, log in services.logs.logs.items():
        is_asked = wanted is None or tp.partition in wanted.get(tp.topic, ())
        move = services.logs.moves.under_way.get(tp)
        found = topics.setdefault(tp.topic, []) if is_asked else []
        if services.logs.directory_of(tp) == directory:
            lag = max(0, log.high_watermark - log.log_end_offset)
            found.append(_replica(log, lag, is_future=False))
        if move is not None and move.directory.path == directory:
            lag = max(0, log.log_end_offset - move.log.log_end_offset)
            found.append(_replica(move.log, lag, is_future=True))
    return [
        DescribeLogDirsResponse.Topic(name=name, partitions=topics[name])
        for name in sorted(topics)
        if topics[name]
    ]


def _replica(log: Log, lag: int, *, is_future: bool) -> DescribeLogDirsResponse.Partition:
    return DescribeLogDirsResponse.Partition(
        partition_index=log.topic_partition.partition,
        partition_size=log.size_bytes,
        offset_lag=lag,
        is_future_key=is_future,
    )
