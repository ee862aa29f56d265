"""DescribeUserScramCredentials v0 and AlterUserScramCredentials v0 (KIP-554).

The client sends salted passwords: no broker ever sees one that is not. The controller alone takes
changes; of one user all are made, or none. The answer comes once ZooKeeper has them and this broker
knows of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from barnabas.api.access import is_allowed_on_cluster
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.api.unexpected import TEXT
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.security.sasl.mechanism import SCRAM_SHA_256, SCRAM_SHA_512
from barnabas.security.sasl.scram import ITERATIONS_MAX, ITERATIONS_MIN, credential_of
from barnabas.zk import paths
from barnabas.zk.admin import change_config
from barnabas.zk.scram import Credentials, read_users

MECHANISMS: Final[Mapping[int, str]] = {1: SCRAM_SHA_256, 2: SCRAM_SHA_512}
_NO_NAME = "Username must not be empty"
_NOT_THERE = "Attempt to delete a user credential that does not exist"


def _result(user: str, error: ErrorCode, message: str | None) -> Message:
    return Message(user=user, error_code=error, error_message=message, credential_infos=[])


@serves(
    ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS, of_each((ResourceType.CLUSTER, AclOperation.DESCRIBE))
)
def handle_describe(services: Services, request: Request) -> Answer:
    """Mechanisms and iterations of all users, or of those that are named."""
    if not is_allowed_on_cluster(services, request, AclOperation.DESCRIBE):
        return _refusal(request)
    return _describe(services, request)


async def _describe(services: Services, request: Request) -> Pieces:
    users = request.decode().users
    named = Counter(user.name for user in users or ())
    error, text, results = ErrorCode.NONE, "", []
    try:
        found = await services.in_zookeeper(
            read_users(services.zookeeper, [n for n in named if n] if named else None)
        )
        results = [
            _described(name, times, found) for name, times in (named.items() or _once(found))
        ]
    except KafkaError as failure:
        error, text = failure.code, failure.message
    return request.answer(
        Message(throttle_time=0, error_code=error, error_message=text, results=results)
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


def _described(name: str, times: int, found: Mapping[str, Credentials]) -> Message:
    if not name:
        return _result(name, ErrorCode.RESOURCE_NOT_FOUND, _NO_NAME)
    if times > 1:
        return _result(
            name,
            ErrorCode.DUPLICATE_RESOURCE,
            "Cannot describe SCRAM credentials for the same user twice in a single request:"
            f" {name}",
        )
    if name not in found:
        return _result(
            name,
            ErrorCode.RESOURCE_NOT_FOUND,
            f"Attempt to describe a user credential that does not exist: {name}",
        )
    result = _result(name, ErrorCode.NONE, "")
    result.credential_infos = [
        Message(mechanism=number, iterations=found[name][mechanism].iterations)
        for number, mechanism in MECHANISMS.items()
        if mechanism in found[name]
    ]
    return result


def _once(found: Mapping[str, Credentials]) -> Iterable[tuple[str, int]]:
    return [(name, 1) for name in sorted(found)]


@serves(ApiKey.ALTER_USER_SCRAM_CREDENTIALS, of_each((ResourceType.CLUSTER, AclOperation.ALTER)))
def handle_alter(services: Services, request: Request) -> Answer:
    """One result for each user."""
    decoded = request.decode()
    users = dict.fromkeys(entry.name for entry in (*decoded.deletions, *decoded.upsertions))
    if not services.controller.is_active:
        results = [_result(name, ErrorCode.NOT_CONTROLLER, None) for name in users]
        return request.answer(Message(throttle_time=0, results=results))
    if not is_allowed_on_cluster(services, request, AclOperation.ALTER):
        return request.answer(Message(throttle_time=0, results=[_denied(n) for n in users]))
    return _altered(services, request, list(users), decoded)


async def _altered(services: Services, request: Request, users: list[str], decoded: Any) -> Pieces:
    results = []
    for name in users:
        refusal = _refused(name, decoded)
        results.append(refusal or await _alter(services, name, decoded))
    return request.answer(Message(throttle_time=0, results=results))


async def _alter(services: Services, name: str, decoded: Any) -> Message:
    deletions = [MECHANISMS[d.mechanism] for d in decoded.deletions if d.name == name]
    upsertions = {
        mechanism: credential_of(
            mechanism, bytes(u.salted_password), bytes(u.salt), u.iterations
        ).text()
        for u in decoded.upsertions
        if u.name == name
        for mechanism in (MECHANISMS[u.mechanism],)
    }

    def change(config: dict[str, str]) -> dict[str, str]:
        for mechanism in deletions:
            if config.pop(mechanism, None) is None:
                raise KafkaError(ErrorCode.RESOURCE_NOT_FOUND, _NOT_THERE)
        return {**config, **upsertions}

    entity = paths.user_entity(name)
    try:
        await services.in_zookeeper(change_config(services.zookeeper, entity, change))
        await services.in_zookeeper(services.users.refresh(name))
    except KafkaError as error:
        return _result(name, error.code, error.message)
    return _result(name, ErrorCode.NONE, "")


def _refused(name: str, decoded: Any) -> Message | None:
    """What speaks against the changes of one user, before they are tried."""
    deletions = [d for d in decoded.deletions if d.name == name]
    upsertions = [u for u in decoded.upsertions if u.name == name]
    if not name:
        return _result(name, ErrorCode.UNACCEPTABLE_CREDENTIAL, _NO_NAME)
    if any(entry.mechanism not in MECHANISMS for entry in (*deletions, *upsertions)):
        return _result(name, ErrorCode.UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism")
    for entry in upsertions:
        if not ITERATIONS_MIN <= entry.iterations <= ITERATIONS_MAX:
            amount = "few" if entry.iterations < ITERATIONS_MIN else "many"
            return _result(name, ErrorCode.UNACCEPTABLE_CREDENTIAL, f"Too {amount} iterations")
    mechanisms = Counter(entry.mechanism for entry in (*deletions, *upsertions))
    if any(times > 1 for times in mechanisms.values()):
        return _result(
            name,
            ErrorCode.DUPLICATE_RESOURCE,
            "A user credential cannot be altered twice in the same request",
        )
    if any(not bytes(entry.salted_password) for entry in upsertions):
        return _result(name, ErrorCode.UNKNOWN_SERVER_ERROR, TEXT)
    return None
