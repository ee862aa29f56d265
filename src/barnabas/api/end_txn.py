"""EndTxn v0-4: commit or abort, answered once the decision is replicated; the markers follow."""

from __future__ import annotations

from barnabas.api.fenced import fenced
from barnabas.api.registry import serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.api.when import when
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


@serves(ApiKey.END_TXN)
def handle(services: Services, request: Request) -> Answer:
    """Waits for the in-sync replicas of the transactional id's partition."""
    decoded = request.decode()
    result = services.transactions.end(
        decoded.transactional_id,
        decoded.producer_id,
        decoded.producer_epoch,
        commit=decoded.committed,
    )

    def answer(error: ErrorCode) -> Pieces:
        return request.answer(Message(throttle_time=0, error_code=fenced(request, error)))

    return when(result, answer)
