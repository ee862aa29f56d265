"""AlterReplicaLogDirs v0-2 (KIP-113): moves replicas to other log directories of this broker.

If this broker does not have the replica yet, it remembers the directory until the replica comes, or
until it stops. The answer is REPLICA_NOT_AVAILABLE then, as in Kafka.
"""

from __future__ import annotations

from barnabas.api.registry import on_cluster, serves
from barnabas.api.request import Answer, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.alter_replica_log_dirs import (
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
)
from barnabas.storage.directories.moves import check_can_move
from barnabas.types import TopicPartition


@serves(ApiKey.ALTER_REPLICA_LOG_DIRS, on_cluster(AclOperation.ALTER))
def handle(services: Services, request: Request) -> Answer:
    """Begins each move separately; moves continue after the answer."""
    errors: dict[TopicPartition, ErrorCode] = {}
    for directory in request.decode(AlterReplicaLogDirsRequest).dirs:
        for topic in directory.topics:
            for number in topic.partitions:
                name = TopicPartition(topic.name, number)
                errors[name] = _place(services, name, directory.path)
    topics: dict[str, list[AlterReplicaLogDirsResponse.AlterReplicaLogDirPartitionResult]] = {}
    for name, error in errors.items():
        topics.setdefault(name.topic, []).append(
            AlterReplicaLogDirsResponse.AlterReplicaLogDirPartitionResult(
                partition_index=name.partition, error_code=error
            )
        )
    results = [
        AlterReplicaLogDirsResponse.AlterReplicaLogDirTopicResult(topic_name=name, partitions=parts)
        for name, parts in topics.items()
    ]
    return request.answer(AlterReplicaLogDirsResponse(throttle_time=0, results=results))


def _place(services: Services, name: TopicPartition, path: str) -> ErrorCode:
    try:
        check_can_move(name)
        services.logs.online_directory(path)
        if name not in services.metadata and services.replicas.get(name) is None:
            return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        services.logs.place(name, path)
    except KafkaError as error:
        return error.code
    if services.logs.get(name) is None:
        return ErrorCode.REPLICA_NOT_AVAILABLE
    return ErrorCode.NONE
