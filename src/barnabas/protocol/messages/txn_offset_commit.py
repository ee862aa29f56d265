"""TxnOffsetCommit: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class TxnOffsetCommitResponse(ResponseMessage, kw_only=True):
    """TxnOffsetCommit, v0-4."""

    API_KEY: ClassVar[ApiKey] = ApiKey.TXN_OFFSET_COMMIT

    class Topic(MessageStruct, kw_only=True):
        """v0-4."""

        name: str
        partitions: Sequence[TxnOffsetCommitResponse.Partition]

    class Partition(MessageStruct, kw_only=True):
        """v0-4."""

        partition_index: int
        error_code: int

    throttle_time: int
    topics: Sequence[TxnOffsetCommitResponse.Topic]


class TxnOffsetCommitRequest(RequestMessage[TxnOffsetCommitResponse], kw_only=True):
    """TxnOffsetCommit, v0-4."""

    API_KEY: ClassVar[ApiKey] = ApiKey.TXN_OFFSET_COMMIT

    class Topic(MessageStruct, kw_only=True):
        """v0-4."""

        name: str
        partitions: Sequence[TxnOffsetCommitRequest.Partition]

    class Partition(MessageStruct, kw_only=True):
        """v0-4."""

        partition_index: int
        committed_offset: int
        committed_metadata: str | None
        committed_leader_epoch: int = -1  # v2-4

    transactional_id: str
    group_id: str
    producer_id: int
    producer_epoch: int
    topics: Sequence[TxnOffsetCommitRequest.Topic]
    generation_id: int = -1  # v3-4
    member_id: str = ""  # v3-4
    group_instance_id: str | None = None  # v3-4
