"""DescribeTransactions: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class DescribeTransactionsResponse(ResponseMessage, kw_only=True):
    """DescribeTransactions, v0."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DESCRIBE_TRANSACTIONS

    class TransactionState(MessageStruct, kw_only=True):
        """v0."""

        error_code: int
        transactional_id: str
        transaction_state: str
        transaction_timeout: int
        transaction_start_time: int
        producer_id: int
        producer_epoch: int
        topics: Sequence[DescribeTransactionsResponse.TopicData]

    class TopicData(MessageStruct, kw_only=True):
        """v0."""

        topic: str
        partitions: Sequence[int]

    throttle_time: int
    transaction_states: Sequence[DescribeTransactionsResponse.TransactionState]


class DescribeTransactionsRequest(RequestMessage[DescribeTransactionsResponse], kw_only=True):
    """DescribeTransactions, v0."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DESCRIBE_TRANSACTIONS

    transactional_ids: Sequence[str]
