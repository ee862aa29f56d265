"""DescribeAcls, CreateAcls, DeleteAcls v1-3. Any broker serves them.

Without an authorizer the answer is SECURITY_DISABLED. A number that stands for nothing closes the
connection where it is 0, and is refused with the ACL elsewhere, as in the original.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from barnabas.api.registry import on_cluster, serves
from barnabas.api.request import Answer, Pieces, Request, Steps
from barnabas.api.services import Services
from barnabas.authorizer.acl import (
    AccessControlEntry,
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    PatternType,
    ResourcePattern,
    ResourceType,
)
from barnabas.authorizer.authorizer import AclAuthorizer, Entries
from barnabas.authorizer.requests import create, delete
from barnabas.errors import ErrorCode, InvalidRequest, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

NO_AUTHORIZER = "No Authorizer is configured"
T = TypeVar("T", ResourceType, PatternType, AclOperation, AclPermissionType)


def _disabled(where: str = "", **others: object) -> Message:
    message = f"{NO_AUTHORIZER}{where}"
    return Message(error_code=ErrorCode.SECURITY_DISABLED, error_message=message, **others)


@serves(ApiKey.DESCRIBE_ACLS, on_cluster(AclOperation.DESCRIBE))
def handle_describe(services: Services, request: Request) -> Answer:
    """As of the last notification."""
    decoded = request.decode()
    if services.authorizer is None:
        return request.answer(_disabled(" on the broker", throttle_time=0, resources=[]))
    return _describe(services.authorizer, request, _filter(decoded))


def _describe(
    authorizer: AclAuthorizer, request: Request, wanted: AclBindingFilter
) -> Steps[Pieces]:
    resources = []
    for pattern in list(authorizer.index.patterns()):
        yield 1
        if not wanted.matches_pattern(pattern):
            continue
        found = [e for e in authorizer.index.get(pattern) if wanted.matches_entry(e)]
        if found:
            resources.append(Message(**_pattern_fields(pattern), acls=list(map(_entry, found))))
    message = Message(
        throttle_time=0, error_code=ErrorCode.NONE, error_message="", resources=resources
    )
    return (yield from request.answer_in_steps(message))


@serves(ApiKey.CREATE_ACLS, on_cluster(AclOperation.ALTER))
def handle_create(services: Services, request: Request) -> Answer:
    """One outcome for each ACL; those of one resource share theirs."""
    decoded = request.decode()
    if services.authorizer is None:
        results = [_disabled(".") for _ in decoded.creations]
        return request.answer(Message(throttle_time=0, results=results))
    return _create(services, services.authorizer, request, decoded)


async def _create(
    services: Services, authorizer: AclAuthorizer, request: Request, decoded: Any
) -> Pieces:
    bindings = _bindings(decoded)
    if bindings is None:
        errors: list[KafkaError | None] = [
            KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR) for _ in decoded.creations
        ]
    else:
        errors = await create(_update(services, authorizer), bindings)
    results = [_outcome(error, "") for error in errors]
    return request.answer(Message(throttle_time=0, results=results))


@serves(ApiKey.DELETE_ACLS, on_cluster(AclOperation.ALTER))
def handle_delete(services: Services, request: Request) -> Answer:
    """For each filter the ACLs that it deleted. What two filters match the first one has."""
    decoded = request.decode()
    if services.authorizer is None:
        refused = [_disabled(".", matching_acls=[]) for _ in decoded.filters]
        return request.answer(Message(throttle_time=0, filter_results=refused))
    return _delete(services, services.authorizer, request, decoded)


async def _delete(
    services: Services, authorizer: AclAuthorizer, request: Request, decoded: Any
) -> Pieces:
    filters = [_filter(wanted) for wanted in decoded.filters]
    found = await delete(_update(services, authorizer), authorizer, filters)
    results = []
    for bindings in found:
        matching = []
        for binding, error in bindings.items():
            outcome = _outcome(error, None)
            matching.append(
                Message(
                    error_code=outcome.error_code,
                    error_message=outcome.error_message,
                    **_pattern_fields(binding.pattern),
                    **_entry_fields(binding.entry),
                )
            )
        results.append(
            Message(error_code=ErrorCode.NONE, error_message=None, matching_acls=matching)
        )
    message = Message(throttle_time=0, filter_results=results)
    return await request.in_turns_if_long(request.answer_in_steps(message))


def _update(services: Services, authorizer: AclAuthorizer) -> Callable[..., Any]:
    async def update(
        pattern: ResourcePattern, change: Callable[[Entries], Entries | None]
    ) -> tuple[Entries, Entries]:
        return await services.in_zookeeper(authorizer.update(pattern, change))

    return update


def _outcome(error: KafkaError | None, success: str | None) -> Message:
    if error is None:
        return Message(error_code=ErrorCode.NONE, error_message=success)
    return Message(error_code=error.code, error_message=error.message or None)


def _known(kind: type[T], number: int) -> T:
    """Numbers that nobody knows mean UNKNOWN."""
    try:
        return kind(number)
    except ValueError:
        return kind(0)


def _filter(wanted: Any) -> AclBindingFilter:
    """Raises InvalidRequest for UNKNOWN."""
    numbers = (
        wanted.resource_type_filter,
        wanted.pattern_type_filter,
        wanted.operation,
        wanted.permission_type,
    )
    if 0 in numbers:
        raise InvalidRequest("a filter of ACLs with an UNKNOWN element")
    return AclBindingFilter(
        resource_type=_known(ResourceType, wanted.resource_type_filter),
        name=wanted.resource_name_filter,
        pattern_type=_known(PatternType, wanted.pattern_type_filter),
        principal=wanted.principal_filter,
        host=wanted.host_filter,
        operation=_known(AclOperation, wanted.operation),
        permission=_known(AclPermissionType, wanted.permission_type),
    )


def _bindings(decoded: Any) -> list[AclBinding] | None:
    """The ACLs of a request; None if one holds what is for filters only: then none is written.
    Raises InvalidRequest for UNKNOWN."""
    bindings = []
    for asked in decoded.creations:
        numbers = (
            asked.resource_type,
            asked.resource_pattern_type,
            asked.operation,
            asked.permission_type,
        )
        if 0 in numbers:
            raise InvalidRequest("an ACL with an UNKNOWN element")
        pattern = ResourcePattern(
            _known(ResourceType, asked.resource_type),
            asked.resource_name,
            _known(PatternType, asked.resource_pattern_type),
        )
        entry = AccessControlEntry(
            asked.principal,
            asked.host,
            _known(AclOperation, asked.operation),
            _known(AclPermissionType, asked.permission_type),
        )
        bindings.append(AclBinding(pattern, entry))
    for pattern, entry in bindings:
        if 1 in (pattern.resource_type, pattern.pattern_type, entry.operation, entry.permission):
            return None
        if pattern.pattern_type is PatternType.MATCH:
            return None
    return bindings


def _pattern_fields(pattern: ResourcePattern) -> dict[str, Any]:
    return {
        "resource_type": int(pattern.resource_type),
        "resource_name": pattern.name,
        "pattern_type": int(pattern.pattern_type),
    }


def _entry_fields(entry: AccessControlEntry) -> dict[str, Any]:
    return {
        "principal": entry.principal,
        "host": entry.host,
        "operation": int(entry.operation),
        "permission_type": int(entry.permission),
    }


def _entry(entry: AccessControlEntry) -> Message:
    return Message(**_entry_fields(entry))
