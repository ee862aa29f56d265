"""DescribeTransactions v0: the state of transactional ids, from their coordinator (KIP-664)."""

from __future__ import annotations

from collections.abc import Container

from barnabas.api.access import allowed
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request, Steps, each
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.coordinator.transaction.records import by_topic
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.describe_transactions import (
    DescribeTransactionsRequest,
    DescribeTransactionsResponse,
)


@serves(
    ApiKey.DESCRIBE_TRANSACTIONS,
    of_each(
        (ResourceType.TRANSACTIONAL_ID, AclOperation.DESCRIBE),
        (ResourceType.TOPIC, AclOperation.DESCRIBE),
    ),
)
def handle(services: Services, request: Request) -> Answer:
    """Describes each transactional id separately."""
    return request.in_steps_if_long(_answer(services, request))


def _answer(services: Services, request: Request) -> Steps[Pieces]:
    ids = request.decode(DescribeTransactionsRequest).transactional_ids
    described = allowed(services, request, AclOperation.DESCRIBE, ResourceType.TRANSACTIONAL_ID)
    shown = allowed(services, request, AclOperation.DESCRIBE, ResourceType.TOPIC, quiet=True)
    found = yield from each(ids, lambda name: _describe(services, name, described, shown))
    return (
        yield from request.answer_in_steps(
            DescribeTransactionsResponse(throttle_time=0, transaction_states=found)
        )
    )


def _describe(
    services: Services, transactional_id: str, described: Container[str], shown: Container[str]
) -> DescribeTransactionsResponse.TransactionState:
    try:
        if transactional_id not in described:
            raise KafkaError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
        value = services.transactions.describe(transactional_id)
    except KafkaError as error:
        return DescribeTransactionsResponse.TransactionState(
            error_code=error.code,
            transactional_id=transactional_id,
            transaction_state="",
            transaction_timeout=0,
            transaction_start_time=0,
            producer_id=0,
            producer_epoch=0,
            topics=[],
        )
    return DescribeTransactionsResponse.TransactionState(
        error_code=ErrorCode.NONE,
        transactional_id=transactional_id,
        transaction_state=value.state.label,
        transaction_timeout=value.timeout_ms,
        transaction_start_time=value.start_ms,
        producer_id=value.producer_id,
        producer_epoch=value.producer_epoch,
        topics=[
            DescribeTransactionsResponse.TopicData(topic=topic, partitions=numbers)
            for topic, numbers in by_topic(value.partitions).items()
            if topic in shown
        ],
    )
