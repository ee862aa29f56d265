"""DescribeUserScramCredentials v0 and AlterUserScramCredentials v0 (KIP-554), where nobody logs in.

No user has credentials, so there are none to describe or to delete. Whoever sets some is told
that they would have no effect: nothing is stored (SKIPPED.md). Wrong requests are refused as the
original refuses them.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from barnabas.api.access import is_allowed_on_cluster
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.errors import TEXTS, ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

_ITERATIONS = {1: (4096, 16384), 2: (4096, 16384)}
"""Mechanism (1: SCRAM-SHA-256, 2: SCRAM-SHA-512) -> least and greatest number of iterations."""
_NO_NAME = "Username must not be empty"


def _result(user: str, error: ErrorCode, message: str) -> Message:
    return Message(user=user, error_code=error, error_message=message, credential_infos=[])


@serves(
    ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS, of_each((ResourceType.CLUSTER, AclOperation.DESCRIBE))
)
def handle_describe(services: Services, request: Request) -> Answer:
    """Nothing for all users; the reason for each that is named."""
    if not is_allowed_on_cluster(services, request, AclOperation.DESCRIBE):
        return _refusal(request)
    named = Counter(user.name for user in request.decode().users or ())
    results = [_described(name, times) for name, times in named.items()]
    return request.answer(
        Message(throttle_time=0, error_code=ErrorCode.NONE, error_message="", results=results)
    )


def _denied(user: str) -> Message:
    return Message(
        user=user,
        error_code=ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
        error_message=None,
        credential_infos=[],
    )


def _refusal(request: Request) -> Answer:
    """For each who was asked about one answer that does not name him. The original has none at all
    for all users; its client waits until it gives up."""
    refused = _denied("")
    return request.answer(
        Message(
            throttle_time=0,
            error_code=refused.error_code,
            error_message=None,
            results=[refused for _ in request.decode().users or ()],
        )
    )


def _described(name: str, times: int) -> Message:
    if not name:
        return _result(name, ErrorCode.RESOURCE_NOT_FOUND, _NO_NAME)
    if times > 1:
        return _result(
            name,
            ErrorCode.DUPLICATE_RESOURCE,
            "Cannot describe SCRAM credentials for the same user twice in a single request:"
            f" {name}",
        )
    return _result(
        name,
        ErrorCode.RESOURCE_NOT_FOUND,
        f"Attempt to describe a user credential that does not exist: {name}",
    )


@serves(ApiKey.ALTER_USER_SCRAM_CREDENTIALS, of_each((ResourceType.CLUSTER, AclOperation.ALTER)))
def handle_alter(services: Services, request: Request) -> Answer:
    """One refusal for each user."""
    decoded = request.decode()
    users = dict.fromkeys(entry.name for entry in (*decoded.deletions, *decoded.upsertions))
    if not services.controller.is_active:
        results = [
            _result(name, ErrorCode.NOT_CONTROLLER, TEXTS[ErrorCode.NOT_CONTROLLER])
            for name in users
        ]
    else:
        may = is_allowed_on_cluster(services, request, AclOperation.ALTER)
        results = [_refused(name, decoded) if may else _denied(name) for name in users]
    return request.answer(Message(throttle_time=0, results=results))


def _refused(name: str, decoded: Any) -> Message:
    deletions = [d for d in decoded.deletions if d.name == name]
    upsertions = [u for u in decoded.upsertions if u.name == name]
    if not name:
        return _result(name, ErrorCode.UNACCEPTABLE_CREDENTIAL, _NO_NAME)
    if any(entry.mechanism not in _ITERATIONS for entry in (*deletions, *upsertions)):
        return _result(name, ErrorCode.UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism")
    for entry in upsertions:
        least, greatest = _ITERATIONS[entry.mechanism]
        if not least <= entry.iterations <= greatest:
            amount = "few" if entry.iterations < least else "many"
            return _result(name, ErrorCode.UNACCEPTABLE_CREDENTIAL, f"Too {amount} iterations")
    mechanisms = Counter(entry.mechanism for entry in (*deletions, *upsertions))
    if any(times > 1 for times in mechanisms.values()):
        return _result(
            name,
            ErrorCode.DUPLICATE_RESOURCE,
            "A user credential cannot be altered twice in the same request",
        )
    if deletions:
        return _result(
            name,
            ErrorCode.RESOURCE_NOT_FOUND,
            "Attempt to delete a user credential that does not exist",
        )
    return _result(
        name, ErrorCode.UNSUPPORTED_VERSION, "This broker does not support SCRAM credentials."
    )
