"""AddPartitionsToTxn: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class AddPartitionsToTxnResponse(ResponseMessage, kw_only=True):
    """AddPartitionsToTxn, v0-5."""

    API_KEY: ClassVar[ApiKey] = ApiKey.ADD_PARTITIONS_TO_TXN

    class TopicResult(MessageStruct, kw_only=True):
        """v0-5."""

        name: str
        results_by_partition: Sequence[AddPartitionsToTxnResponse.PartitionResult]

    class PartitionResult(MessageStruct, kw_only=True):
        """v0-5."""

        partition_index: int
        partition_error_code: int

    class Result(MessageStruct, kw_only=True):
        """v4-5."""

        transactional_id: str
        topic_results: Sequence[AddPartitionsToTxnResponse.TopicResult]

    throttle_time: int
    results_by_topic_v3_and_below: Sequence[AddPartitionsToTxnResponse.TopicResult] = ()  # v0-3
    error_code: int = 0  # v4-5
    results_by_transaction: Sequence[AddPartitionsToTxnResponse.Result] = ()  # v4-5


class AddPartitionsToTxnRequest(RequestMessage[AddPartitionsToTxnResponse], kw_only=True):
    """AddPartitionsToTxn, v0-5."""

    API_KEY: ClassVar[ApiKey] = ApiKey.ADD_PARTITIONS_TO_TXN

    class Topic(MessageStruct, kw_only=True):
        """v0-5."""

        name: str
        partitions: Sequence[int]

    class Transaction(MessageStruct, kw_only=True):
        """v4-5."""

        transactional_id: str
        producer_id: int
        producer_epoch: int
        verify_only: bool = False
        topics: Sequence[AddPartitionsToTxnRequest.Topic]

    v3_and_below_transactional_id: str = ""  # v0-3
    v3_and_below_producer_id: int = 0  # v0-3
    v3_and_below_producer_epoch: int = 0  # v0-3
    v3_and_below_topics: Sequence[AddPartitionsToTxnRequest.Topic] = ()  # v0-3
    transactions: Sequence[AddPartitionsToTxnRequest.Transaction] = ()  # v4-5
