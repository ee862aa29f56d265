"""The error code for a fenced producer, by version."""

from __future__ import annotations

from barnabas.api.request import Request
from barnabas.errors import ErrorCode

FENCED_FROM = 2


def fenced(request: Request, error: ErrorCode) -> ErrorCode:
    """An error of AddPartitionsToTxn, AddOffsetsToTxn or EndTxn for the request's version: below v2
    there is no PRODUCER_FENCED."""
    if error == ErrorCode.PRODUCER_FENCED and request.api_version < FENCED_FROM:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    return error
