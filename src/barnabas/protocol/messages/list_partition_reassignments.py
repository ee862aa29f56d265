"""ListPartitionReassignments: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class ListPartitionReassignmentsResponse(ResponseMessage, kw_only=True):
    """ListPartitionReassignments, v0."""

    API_KEY: ClassVar[ApiKey] = ApiKey.LIST_PARTITION_REASSIGNMENTS

    class OngoingTopicReassignment(MessageStruct, kw_only=True):
        """v0."""

        name: str
        partitions: Sequence[ListPartitionReassignmentsResponse.OngoingPartitionReassignment]

    class OngoingPartitionReassignment(MessageStruct, kw_only=True):
        """v0."""

        partition_index: int
        replicas: Sequence[int]
        adding_replicas: Sequence[int]
        removing_replicas: Sequence[int]

    throttle_time: int
    error_code: int
    error_message: str | None
    topics: Sequence[ListPartitionReassignmentsResponse.OngoingTopicReassignment]


class ListPartitionReassignmentsRequest(
    RequestMessage[ListPartitionReassignmentsResponse], kw_only=True
):
    """ListPartitionReassignments, v0."""

    API_KEY: ClassVar[ApiKey] = ApiKey.LIST_PARTITION_REASSIGNMENTS

    class Topics(MessageStruct, kw_only=True):
        """v0."""

        name: str
        partition_indexes: Sequence[int]

    timeout: int = 60000
    topics: Sequence[ListPartitionReassignmentsRequest.Topics] | None = None
