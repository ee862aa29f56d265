"""DescribeAcls, CreateAcls, DeleteAcls v0-3. Any broker serves them.

Without an authorizer the answer is SECURITY_DISABLED. As in Kafka, the number 0 (UNKNOWN) closes
the connection, and any other unknown number is refused with its ACL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
from barnabas.authorizer.asking import PluggedAuthorizer
from barnabas.authorizer.authorizer import AclAuthorizer, Entries
from barnabas.authorizer.decision import AclIndex
from barnabas.authorizer.requests import create, delete, problem
from barnabas.errors import ErrorCode, InvalidRequest, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.create_acls import CreateAclsRequest, CreateAclsResponse
from barnabas.protocol.messages.delete_acls import DeleteAclsRequest, DeleteAclsResponse
from barnabas.protocol.messages.describe_acls import DescribeAclsRequest, DescribeAclsResponse

NO_AUTHORIZER = "No Authorizer is configured"
T = TypeVar("T", ResourceType, PatternType, AclOperation, AclPermissionType)


@serves(ApiKey.DESCRIBE_ACLS, on_cluster(AclOperation.DESCRIBE))
def handle_describe(services: Services, request: Request) -> Answer:
    """The ACLs as of the last notification."""
    decoded = request.decode(DescribeAclsRequest)
    if services.authorizer is None:
        return request.answer(
            DescribeAclsResponse(
                throttle_time=0,
                error_code=ErrorCode.SECURITY_DISABLED,
                error_message=f"{NO_AUTHORIZER} on the broker",
                resources=[],
            )
        )
    wanted = _filter(decoded)
    if not isinstance(services.authorizer, AclAuthorizer):
        try:
            index = _index(services.authorizer.described(wanted))
        except KafkaError as refused:
            code, text = _outcome(refused, None)
            return request.answer(
                DescribeAclsResponse(
                    throttle_time=0, error_code=code, error_message=text, resources=[]
                )
            )
        return _describe(index, request, wanted)
    return _describe(services.authorizer.index, request, wanted)


def _index(bindings: Iterable[AclBinding]) -> AclIndex:
    by_pattern: dict[ResourcePattern, list[AccessControlEntry]] = {}
    for pattern, entry in bindings:
        by_pattern.setdefault(pattern, []).append(entry)
    index = AclIndex()
    for pattern, entries in by_pattern.items():
        index.put(pattern, entries)
    return index


def _describe(index: AclIndex, request: Request, wanted: AclBindingFilter) -> Steps[Pieces]:
    resources = []
    for pattern in list(index.patterns()):
        yield 1
        if not wanted.matches_pattern(pattern):
            continue
        found = [e for e in index.get(pattern) if wanted.matches_entry(e)]
        if found:
            resources.append(
                DescribeAclsResponse.Resource(
                    resource_type=int(pattern.resource_type),
                    resource_name=pattern.name,
                    pattern_type=int(pattern.pattern_type),
                    acls=list(map(_entry, found)),
                )
            )
    message = DescribeAclsResponse(
        throttle_time=0, error_code=ErrorCode.NONE, error_message="", resources=resources
    )
    return (yield from request.answer_in_steps(message))


@serves(ApiKey.CREATE_ACLS, on_cluster(AclOperation.ALTER))
def handle_create(services: Services, request: Request) -> Answer:
    """One result for each ACL. All ACLs of one resource have the same result."""
    decoded = request.decode(CreateAclsRequest)
    if services.authorizer is None:
        results = [
            CreateAclsResponse.AclCreationResult(
                error_code=ErrorCode.SECURITY_DISABLED, error_message=f"{NO_AUTHORIZER}."
            )
            for _ in decoded.creations
        ]
        return request.answer(CreateAclsResponse(throttle_time=0, results=results))
    return _create(services, services.authorizer, request, decoded)


async def _create(
    services: Services,
    authorizer: AclAuthorizer | PluggedAuthorizer,
    request: Request,
    decoded: CreateAclsRequest,
) -> Pieces:
    bindings = _bindings(decoded)
    if bindings is None:
        errors: list[KafkaError | None] = [
            KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR) for _ in decoded.creations
        ]
    elif isinstance(authorizer, AclAuthorizer):
        errors = await create(_update(services, authorizer), bindings)
    else:
        errors = [problem(binding) for binding in bindings]
        sound = [binding for binding in bindings if problem(binding) is None]
        created = iter(authorizer.created((request.principal, request.client_host), sound))
        errors = [next(created) if each is None else each for each in errors]
    results = [
        CreateAclsResponse.AclCreationResult(error_code=code, error_message=text)
        for code, text in (_outcome(error, "") for error in errors)
    ]
    return request.answer(CreateAclsResponse(throttle_time=0, results=results))


@serves(ApiKey.DELETE_ACLS, on_cluster(AclOperation.ALTER))
def handle_delete(services: Services, request: Request) -> Answer:
    """For each filter the ACLs that it deleted. An ACL that two filters match is listed with the
    first."""
    decoded = request.decode(DeleteAclsRequest)
    if services.authorizer is None:
        refused = [
            DeleteAclsResponse.FilterResult(
                error_code=ErrorCode.SECURITY_DISABLED,
                error_message=f"{NO_AUTHORIZER}.",
                matching_acls=[],
            )
            for _ in decoded.filters
        ]
        return request.answer(DeleteAclsResponse(throttle_time=0, filter_results=refused))
    return _delete(services, services.authorizer, request, decoded)


async def _delete(
    services: Services,
    authorizer: AclAuthorizer | PluggedAuthorizer,
    request: Request,
    decoded: DeleteAclsRequest,
) -> Pieces:
    filters = [_filter(wanted) for wanted in decoded.filters]
    if isinstance(authorizer, AclAuthorizer):
        found = await delete(_update(services, authorizer), authorizer, filters)
    else:
        try:
            found = authorizer.deleted((request.principal, request.client_host), filters)
        except KafkaError as refused:
            return _refused(request, len(filters), refused)
    results = []
    for bindings in found:
        matching = []
        for binding, error in bindings.items():
            code, text = _outcome(error, None)
            pattern, entry = binding
            matching.append(
                DeleteAclsResponse.MatchingAcl(
                    error_code=code,
                    error_message=text,
                    resource_type=int(pattern.resource_type),
                    resource_name=pattern.name,
                    pattern_type=int(pattern.pattern_type),
                    principal=entry.principal,
                    host=entry.host,
                    operation=int(entry.operation),
                    permission_type=int(entry.permission),
                )
            )
        results.append(
            DeleteAclsResponse.FilterResult(
                error_code=ErrorCode.NONE, error_message=None, matching_acls=matching
            )
        )
    message = DeleteAclsResponse(throttle_time=0, filter_results=results)
    return await request.in_turns_if_long(request.answer_in_steps(message))


def _refused(request: Request, filters: int, error: KafkaError) -> Pieces:
    code, text = _outcome(error, None)
    refused = DeleteAclsResponse.FilterResult(error_code=code, error_message=text, matching_acls=[])
    return request.answer(DeleteAclsResponse(throttle_time=0, filter_results=[refused] * filters))


def _update(services: Services, authorizer: AclAuthorizer) -> Callable[..., Any]:
    async def update(
        pattern: ResourcePattern, change: Callable[[Entries], Entries | None]
    ) -> tuple[Entries, Entries]:
        return await services.in_zookeeper(authorizer.update(pattern, change))

    return update


def _outcome(error: KafkaError | None, success: str | None) -> tuple[ErrorCode, str | None]:
    if error is None:
        return ErrorCode.NONE, success
    return error.code, error.message or None


def _known(kind: type[T], number: int) -> T:
    """The member for a number; UNKNOWN for an unknown number."""
    try:
        return kind(number)
    except ValueError:
        return kind(0)


def _filter(wanted: DescribeAclsRequest | DeleteAclsRequest.Filter) -> AclBindingFilter:
    """The filter of a request. Raises InvalidRequest for UNKNOWN."""
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


def _bindings(decoded: CreateAclsRequest) -> list[AclBinding] | None:
    """The ACLs of a request; None if one has a value that is for filters only, since then none is
    written. Raises InvalidRequest for UNKNOWN."""
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


def _entry(entry: AccessControlEntry) -> DescribeAclsResponse.AclDescription:
    return DescribeAclsResponse.AclDescription(
        principal=entry.principal,
        host=entry.host,
        operation=int(entry.operation),
        permission_type=int(entry.permission),
    )
