"""ElectLeaders: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class ElectLeadersResponse(ResponseMessage, kw_only=True):
    """ElectLeaders, v0-2."""

    API_KEY: ClassVar[ApiKey] = ApiKey.ELECT_LEADERS

    class ReplicaElectionResult(MessageStruct, kw_only=True):
        """v0-2."""

        topic: str
        partition_result: Sequence[ElectLeadersResponse.PartitionResult]

    class PartitionResult(MessageStruct, kw_only=True):
        """v0-2."""

        partition_id: int
        error_code: int
        error_message: str | None

    throttle_time: int
    replica_election_results: Sequence[ElectLeadersResponse.ReplicaElectionResult]
    error_code: int = 0  # v1-2


class ElectLeadersRequest(RequestMessage[ElectLeadersResponse], kw_only=True):
    """ElectLeaders, v0-2."""

    API_KEY: ClassVar[ApiKey] = ApiKey.ELECT_LEADERS

    class TopicPartitions(MessageStruct, kw_only=True):
        """v0-2."""

        topic: str
        partitions: Sequence[int]

    topic_partitions: Sequence[ElectLeadersRequest.TopicPartitions] | None
    timeout: int = 60000
    election_type: int = 0  # v1-2
