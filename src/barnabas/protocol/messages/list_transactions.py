"""ListTransactions: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class ListTransactionsResponse(ResponseMessage, kw_only=True):
    """ListTransactions, v0-1."""

    API_KEY: ClassVar[ApiKey] = ApiKey.LIST_TRANSACTIONS

    class TransactionState(MessageStruct, kw_only=True):
        """v0-1."""

        transactional_id: str
        producer_id: int
        transaction_state: str

    throttle_time: int
    error_code: int
    unknown_state_filters: Sequence[str]
    transaction_states: Sequence[ListTransactionsResponse.TransactionState]


class ListTransactionsRequest(RequestMessage[ListTransactionsResponse], kw_only=True):
    """ListTransactions, v0-1."""

    API_KEY: ClassVar[ApiKey] = ApiKey.LIST_TRANSACTIONS

    state_filters: Sequence[str]
    producer_id_filters: Sequence[int]
    duration_filter: int = -1  # v1
