"""AlterReplicaLogDirs: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class AlterReplicaLogDirsResponse(ResponseMessage, kw_only=True):
    """AlterReplicaLogDirs, v0-2."""

    API_KEY: ClassVar[ApiKey] = ApiKey.ALTER_REPLICA_LOG_DIRS

    class AlterReplicaLogDirTopicResult(MessageStruct, kw_only=True):
        """v0-2."""

        topic_name: str
        partitions: Sequence[AlterReplicaLogDirsResponse.AlterReplicaLogDirPartitionResult]

    class AlterReplicaLogDirPartitionResult(MessageStruct, kw_only=True):
        """v0-2."""

        partition_index: int
        error_code: int

    throttle_time: int
    results: Sequence[AlterReplicaLogDirsResponse.AlterReplicaLogDirTopicResult]


class AlterReplicaLogDirsRequest(RequestMessage[AlterReplicaLogDirsResponse], kw_only=True):
    """AlterReplicaLogDirs, v0-2."""

    API_KEY: ClassVar[ApiKey] = ApiKey.ALTER_REPLICA_LOG_DIRS

    class AlterReplicaLogDir(MessageStruct, kw_only=True):
        """v0-2."""

        path: str
        topics: Sequence[AlterReplicaLogDirsRequest.AlterReplicaLogDirTopic]

    class AlterReplicaLogDirTopic(MessageStruct, kw_only=True):
        """v0-2."""

        name: str
        partitions: Sequence[int]

    dirs: Sequence[AlterReplicaLogDirsRequest.AlterReplicaLogDir]
