"""ListTransactions v0-1: lists the transactional ids that this broker coordinates (KIP-664). They
can be filtered by state, by producer and, from v1, by how long the transaction is open."""

from __future__ import annotations

from barnabas.api.access import allowed
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.coordinator.transaction.states import BY_LABEL, TransactionState
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.list_transactions import (
    ListTransactionsRequest,
    ListTransactionsResponse,
)

NO_DURATION = -1


@serves(ApiKey.LIST_TRANSACTIONS, of_each((ResourceType.TRANSACTIONAL_ID, AclOperation.DESCRIBE)))
def handle(services: Services, request: Request) -> Answer:
    """Answers at once."""
    decoded = request.decode(ListTransactionsRequest)
    wanted = [name for name in decoded.state_filters if name in BY_LABEL]
    unknown = [name for name in decoded.state_filters if name not in BY_LABEL]
    duration_ms = decoded.duration_filter
    now_ms = services.env.clock.wall_ms()
    try:
        everything = list(services.transactions.all())
    except KafkaError as error:
        return request.answer(
            ListTransactionsResponse(
                throttle_time=0,
                error_code=error.code,
                unknown_state_filters=[],
                transaction_states=[],
            )
        )
    described = allowed(
        services, request, AclOperation.DESCRIBE, ResourceType.TRANSACTIONAL_ID, quiet=True
    )
    found = [
        ListTransactionsResponse.TransactionState(
            transactional_id=transaction.id,
            producer_id=transaction.value.producer_id,
            transaction_state=transaction.state.label,
        )
        for transaction in everything
        if transaction.pending is not TransactionState.DEAD
        and (not decoded.state_filters or transaction.state.label in wanted)
        and (
            not decoded.producer_id_filters
            or transaction.value.producer_id in decoded.producer_id_filters
        )
        and transaction.id in described
        and (duration_ms < 0 or now_ms - transaction.value.start_ms > duration_ms)
    ]
    return request.answer(
        ListTransactionsResponse(
            throttle_time=0,
            error_code=ErrorCode.NONE,
            unknown_state_filters=unknown,
            transaction_states=found,
        )
    )
