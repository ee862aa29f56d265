"""DescribeUserScramCredentials v0 and AlterUserScramCredentials v0 (KIP-554).

The client sends salted passwords, so a broker never sees a plain one. Only the controller serves
changes; those of one user are all made, or none. The answer is sent once they are in ZooKeeper and
this broker uses them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from barnabas.api.access import is_allowed_on_cluster
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.api.unexpected import TEXT
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse,
)
from barnabas.protocol.messages.describe_user_scram_credentials import (
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
)
from barnabas.security.sasl.mechanism import SCRAM_SHA_256, SCRAM_SHA_512
from barnabas.security.sasl.scram import ITERATIONS_MAX, ITERATIONS_MIN, credential_of
from barnabas.zk import paths
from barnabas.zk.admin import change_config
from barnabas.zk.scram import Credentials, read_users

MECHANISMS: Final[Mapping[int, str]] = {1: SCRAM_SHA_256, 2: SCRAM_SHA_512}
_NO_NAME = "Username must not be empty"
_NOT_THERE = "Attempt to delete a user credential that does not exist"


@serves(
    ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS, of_each((ResourceType.CLUSTER, AclOperation.DESCRIBE))
)
def handle_describe(services: Services, request: Request) -> Answer:
    """Answers the mechanisms and iterations of all users, or of those that are named."""
    if not is_allowed_on_cluster(services, request, AclOperation.DESCRIBE):
        return _refusal(request)
    return _describe(services, request)


async def _describe(services: Services, request: Request) -> Pieces:
    users = request.decode(DescribeUserScramCredentialsRequest).users
    named = Counter(user.name for user in users or ())
    error, text = ErrorCode.NONE, ""
    results: list[DescribeUserScramCredentialsResponse.Result] = []
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
        DescribeUserScramCredentialsResponse(
            throttle_time=0, error_code=error, error_message=text, results=results
        )
    )


def _refusal(request: Request) -> Answer:
    """The answer to a denied request: for each user asked about a result without the name. If all
    users were asked for, Kafka does not answer at all, and its client waits until its timeout."""
    code = ErrorCode.CLUSTER_AUTHORIZATION_FAILED
    refused = DescribeUserScramCredentialsResponse.Result(
        user="", error_code=code, error_message=None, credential_infos=[]
    )
    users = request.decode(DescribeUserScramCredentialsRequest).users or ()
    return request.answer(
        DescribeUserScramCredentialsResponse(
            throttle_time=0, error_code=code, error_message=None, results=[refused for _ in users]
        )
    )


def _described(
    name: str, times: int, found: Mapping[str, Credentials]
) -> DescribeUserScramCredentialsResponse.Result:
    error, text = ErrorCode.NONE, ""
    if not name:
        error, text = ErrorCode.RESOURCE_NOT_FOUND, _NO_NAME
    elif times > 1:
        error = ErrorCode.DUPLICATE_RESOURCE
        text = (
            f"Cannot describe SCRAM credentials for the same user twice in a single request: {name}"
        )
    elif name not in found:
        error = ErrorCode.RESOURCE_NOT_FOUND
        text = f"Attempt to describe a user credential that does not exist: {name}"
    result = DescribeUserScramCredentialsResponse.Result(
        user=name, error_code=error, error_message=text, credential_infos=[]
    )
    if error == ErrorCode.NONE:
        result.credential_infos = [
            DescribeUserScramCredentialsResponse.CredentialInfo(
                mechanism=number, iterations=found[name][mechanism].iterations
            )
            for number, mechanism in MECHANISMS.items()
            if mechanism in found[name]
        ]
    return result


def _once(found: Mapping[str, Credentials]) -> Iterable[tuple[str, int]]:
    return [(name, 1) for name in sorted(found)]


@serves(ApiKey.ALTER_USER_SCRAM_CREDENTIALS, of_each((ResourceType.CLUSTER, AclOperation.ALTER)))
def handle_alter(services: Services, request: Request) -> Answer:
    """One result for each user."""
    decoded = request.decode(AlterUserScramCredentialsRequest)
    users = dict.fromkeys(
        [*(d.name for d in decoded.deletions), *(u.name for u in decoded.upsertions)]
    )
    if not services.controller.is_active:
        results = [_result(name, ErrorCode.NOT_CONTROLLER, None) for name in users]
        return request.answer(AlterUserScramCredentialsResponse(throttle_time=0, results=results))
    if not is_allowed_on_cluster(services, request, AclOperation.ALTER):
        return request.answer(
            AlterUserScramCredentialsResponse(throttle_time=0, results=[_denied(n) for n in users])
        )
    return _altered(services, request, list(users), decoded)


def _result(
    user: str, error: ErrorCode, message: str | None
) -> AlterUserScramCredentialsResponse.Result:
    return AlterUserScramCredentialsResponse.Result(
        user=user, error_code=error, error_message=message
    )


def _denied(user: str) -> AlterUserScramCredentialsResponse.Result:
    return _result(user, ErrorCode.CLUSTER_AUTHORIZATION_FAILED, None)


async def _altered(
    services: Services,
    request: Request,
    users: list[str],
    decoded: AlterUserScramCredentialsRequest,
) -> Pieces:
    results = []
    for name in users:
        refusal = _refused(name, decoded)
        results.append(refusal or await _alter(services, name, decoded))
    return request.answer(AlterUserScramCredentialsResponse(throttle_time=0, results=results))


async def _alter(
    services: Services, name: str, decoded: AlterUserScramCredentialsRequest
) -> AlterUserScramCredentialsResponse.Result:
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


def _refused(
    name: str, decoded: AlterUserScramCredentialsRequest
) -> AlterUserScramCredentialsResponse.Result | None:
    """The error of invalid changes of one user, before they are tried; None if they are valid."""
    deletions = [d for d in decoded.deletions if d.name == name]
    upsertions = [u for u in decoded.upsertions if u.name == name]
    if not name:
        return _result(name, ErrorCode.UNACCEPTABLE_CREDENTIAL, _NO_NAME)
    mechanisms = Counter([*(d.mechanism for d in deletions), *(u.mechanism for u in upsertions)])
    if any(mechanism not in MECHANISMS for mechanism in mechanisms):
        return _result(name, ErrorCode.UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism")
    for entry in upsertions:
        if not ITERATIONS_MIN <= entry.iterations <= ITERATIONS_MAX:
            amount = "few" if entry.iterations < ITERATIONS_MIN else "many"
            return _result(name, ErrorCode.UNACCEPTABLE_CREDENTIAL, f"Too {amount} iterations")
    if any(times > 1 for times in mechanisms.values()):
        return _result(
            name,
            ErrorCode.DUPLICATE_RESOURCE,
            "A user credential cannot be altered twice in the same request",
        )
    if any(not bytes(entry.salted_password) for entry in upsertions):
        return _result(name, ErrorCode.UNKNOWN_SERVER_ERROR, TEXT)
    return None
