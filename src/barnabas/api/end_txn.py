"""EndTxn v0-4: commits or aborts a transaction. It answers once the decision is replicated; the
markers are written later."""

from __future__ import annotations

from barnabas.api.access import is_allowed
from barnabas.api.fenced import fenced
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.api.when import when
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.end_txn import EndTxnRequest, EndTxnResponse


@serves(ApiKey.END_TXN, of_each((ResourceType.TRANSACTIONAL_ID, AclOperation.WRITE)))
def handle(services: Services, request: Request) -> Answer:
    """Waits for the in-sync replicas of the transactional id's partition."""
    decoded = request.decode(EndTxnRequest)
    kind, name = ResourceType.TRANSACTIONAL_ID, decoded.transactional_id
    if not is_allowed(services, request, AclOperation.WRITE, kind, name):
        refused = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        return request.answer(EndTxnResponse(throttle_time=0, error_code=refused))
    result = services.transactions.end(
        decoded.transactional_id,
        decoded.producer_id,
        decoded.producer_epoch,
        commit=decoded.committed,
    )

    def answer(error: ErrorCode) -> Pieces:
        return request.answer(EndTxnResponse(throttle_time=0, error_code=fenced(request, error)))

    return when(result, answer)
