"""DescribeAcls, CreateAcls, DeleteAcls v1-3, as the original answers them without an authorizer.

There is nothing that would enforce an ACL here (SKIPPED.md), so none is stored: SECURITY_DISABLED.
"""

from __future__ import annotations

from barnabas.api.registry import serves
from barnabas.api.request import Answer, Request
from barnabas.api.services import Services
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

NO_AUTHORIZER = "No Authorizer is configured"


def _refusal(where: str = "", **others: object) -> Message:
    message = f"{NO_AUTHORIZER}{where}"
    return Message(error_code=ErrorCode.SECURITY_DISABLED, error_message=message, **others)


@serves(ApiKey.DESCRIBE_ACLS)
def handle_describe(services: Services, request: Request) -> Answer:
    """One error for the whole request."""
    request.decode()
    return request.answer(_refusal(" on the broker", throttle_time=0, resources=[]))


@serves(ApiKey.CREATE_ACLS)
def handle_create(services: Services, request: Request) -> Answer:
    """The error for each ACL."""
    results = [_refusal(".") for _ in request.decode().creations]
    return request.answer(Message(throttle_time=0, results=results))


@serves(ApiKey.DELETE_ACLS)
def handle_delete(services: Services, request: Request) -> Answer:
    """The error for each filter."""
    results = [_refusal(".", matching_acls=[]) for _ in request.decode().filters]
    return request.answer(Message(throttle_time=0, filter_results=results))
