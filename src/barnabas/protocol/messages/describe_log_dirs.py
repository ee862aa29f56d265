"""DescribeLogDirs: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class DescribeLogDirsResponse(ResponseMessage, kw_only=True):
    """DescribeLogDirs, v0-4."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DESCRIBE_LOG_DIRS

    class Result(MessageStruct, kw_only=True):
        """v0-4."""

        error_code: int
        log_dir: str
        topics: Sequence[DescribeLogDirsResponse.Topic]
        total_bytes: int = -1  # v4
        usable_bytes: int = -1  # v4

    class Topic(MessageStruct, kw_only=True):
        """v0-4."""

        name: str
        partitions: Sequence[DescribeLogDirsResponse.Partition]

    class Partition(MessageStruct, kw_only=True):
        """v0-4."""

        partition_index: int
        partition_size: int
        offset_lag: int
        is_future_key: bool

    throttle_time: int
    results: Sequence[DescribeLogDirsResponse.Result]
    error_code: int = 0  # v3-4


class DescribeLogDirsRequest(RequestMessage[DescribeLogDirsResponse], kw_only=True):
    """DescribeLogDirs, v0-4."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DESCRIBE_LOG_DIRS

    class DescribableLogDirTopic(MessageStruct, kw_only=True):
        """v0-4."""

        topic: str
        partitions: Sequence[int]

    topics: Sequence[DescribeLogDirsRequest.DescribableLogDirTopic] | None
