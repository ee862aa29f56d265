"""Fetch: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from msgspec import field

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class FetchResponse(ResponseMessage, kw_only=True):
    """Fetch, v0-17."""

    API_KEY: ClassVar[ApiKey] = ApiKey.FETCH

    class FetchableTopicResponse(MessageStruct, kw_only=True):
        """v0-17."""

        topic: str = ""  # v0-12
        partitions: Sequence[FetchResponse.PartitionData]
        topic_id: UUID | None = None  # v13-17

    class PartitionData(MessageStruct, kw_only=True):
        """v0-17."""

        partition_index: int
        error_code: int
        high_watermark: int
        records: bytes | None
        last_stable_offset: int = -1  # v4-17
        aborted_transactions: Sequence[FetchResponse.AbortedTransaction] | None = None  # v4-17
        log_start_offset: int = -1  # v5-17
        preferred_read_replica: int = -1  # v11-17
        diverging_epoch: FetchResponse.EpochEndOffset = field(
            default_factory=lambda: FetchResponse.EpochEndOffset()
        )  # v12-17
        current_leader: FetchResponse.LeaderIdAndEpoch = field(
            default_factory=lambda: FetchResponse.LeaderIdAndEpoch()
        )  # v12-17
        snapshot_id: FetchResponse.SnapshotId = field(
            default_factory=lambda: FetchResponse.SnapshotId()
        )  # v12-17

    class AbortedTransaction(MessageStruct, kw_only=True):
        """v4-17."""

        producer_id: int
        first_offset: int

    class EpochEndOffset(MessageStruct, kw_only=True):
        """v12-17."""

        epoch: int = -1
        end_offset: int = -1

    class LeaderIdAndEpoch(MessageStruct, kw_only=True):
        """v12-17."""

        leader_id: int = -1
        leader_epoch: int = -1

    class SnapshotId(MessageStruct, kw_only=True):
        """v12-17."""

        end_offset: int = -1
        epoch: int = -1

    class NodeEndpoint(MessageStruct, kw_only=True):
        """v16-17."""

        node_id: int
        host: str
        port: int
        rack: str | None = None

    responses: Sequence[FetchResponse.FetchableTopicResponse]
    throttle_time: int = 0  # v1-17
    error_code: int = 0  # v7-17
    session_id: int = 0  # v7-17
    node_endpoints: Sequence[FetchResponse.NodeEndpoint] = ()  # v16-17


class FetchRequest(RequestMessage[FetchResponse], kw_only=True):
    """Fetch, v0-17."""

    API_KEY: ClassVar[ApiKey] = ApiKey.FETCH

    class Topic(MessageStruct, kw_only=True):
        """v0-17."""

        topic: str = ""  # v0-12
        partitions: Sequence[FetchRequest.Partition]
        topic_id: UUID | None = None  # v13-17

    class Partition(MessageStruct, kw_only=True):
        """v0-17."""

        partition: int
        fetch_offset: int
        partition_max_bytes: int
        log_start_offset: int = -1  # v5-17
        current_leader_epoch: int = -1  # v9-17
        last_fetched_epoch: int = -1  # v12-17
        replica_directory_id: UUID | None = None  # v17

    class ForgottenTopic(MessageStruct, kw_only=True):
        """v7-17."""

        topic: str = ""  # v7-12
        partitions: Sequence[int]
        topic_id: UUID | None = None  # v13-17

    class ReplicaState(MessageStruct, kw_only=True):
        """v15-17."""

        replica_id: int = -1
        replica_epoch: int = -1

    replica_id: int = -1  # v0-14
    max_wait: int
    min_bytes: int
    topics: Sequence[FetchRequest.Topic]
    max_bytes: int = 2147483647  # v3-17
    isolation_level: int = 0  # v4-17
    session_id: int = 0  # v7-17
    session_epoch: int = -1  # v7-17
    forgotten_topics_data: Sequence[FetchRequest.ForgottenTopic] = ()  # v7-17
    rack_id: str = ""  # v11-17
    cluster_id: str | None = None  # v12-17
    replica_state: FetchRequest.ReplicaState = field(
        default_factory=lambda: FetchRequest.ReplicaState()
    )  # v15-17
