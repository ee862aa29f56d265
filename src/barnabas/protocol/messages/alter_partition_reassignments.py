"""AlterPartitionReassignments: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class AlterPartitionReassignmentsResponse(ResponseMessage, kw_only=True):
    """AlterPartitionReassignments, v0."""

    API_KEY: ClassVar[ApiKey] = ApiKey.ALTER_PARTITION_REASSIGNMENTS

    class ReassignableTopicResponse(MessageStruct, kw_only=True):
        """v0."""

        name: str
        partitions: Sequence[AlterPartitionReassignmentsResponse.ReassignablePartitionResponse]

    class ReassignablePartitionResponse(MessageStruct, kw_only=True):
        """v0."""

        partition_index: int
        error_code: int
        error_message: str | None

    throttle_time: int
    error_code: int
    error_message: str | None
    responses: Sequence[AlterPartitionReassignmentsResponse.ReassignableTopicResponse]


class AlterPartitionReassignmentsRequest(
    RequestMessage[AlterPartitionReassignmentsResponse], kw_only=True
):
    """AlterPartitionReassignments, v0."""

    API_KEY: ClassVar[ApiKey] = ApiKey.ALTER_PARTITION_REASSIGNMENTS

    class ReassignableTopic(MessageStruct, kw_only=True):
        """v0."""

        name: str
        partitions: Sequence[AlterPartitionReassignmentsRequest.ReassignablePartition]

    class ReassignablePartition(MessageStruct, kw_only=True):
        """v0."""

        partition_index: int
        replicas: Sequence[int] | None = None

    timeout: int = 60000
    topics: Sequence[AlterPartitionReassignmentsRequest.ReassignableTopic]
