"""AuthHelper: asks the authorizer whether the sender of a request may do something.

Handlers call it for the resources that a request names. Without an authorizer everything is
allowed. Each handler declares where it registers what it may ask for (``registry.py``).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from barnabas.api.request import Pieces, Request
from barnabas.api.services import Services
from barnabas.api.unexpected import error_answer, short_answer
from barnabas.authorizer.acl import (
    CLUSTER_NAME,
    OPERATIONS_OF,
    AclOperation,
    ResourceType,
)
from barnabas.errors import TEXTS, ErrorCode, KafkaError

if TYPE_CHECKING:
    from barnabas.authorizer.asking import RequestAuthorizer

NOT_ASKED: Final = -(2**31)
"""The value for allowed operations if the client did not ask for them."""


class _All:
    """Contains every name."""

    def __contains__(self, name: object) -> bool:
        return True


EVERYTHING: Final[Container[str]] = _All()


class _Allowed:
    """The names of one type of resource that allow an operation. The authorizer is asked for a name
    when it is looked up first, so this work is part of the handler's own steps."""

    __slots__ = ("_answers", "_authorizer", "_operation", "_quiet", "_request", "_type")

    def __init__(
        self,
        authorizer: RequestAuthorizer,
        request: Request,
        operation: AclOperation,
        resource_type: ResourceType,
        *,
        quiet: bool,
    ) -> None:
        self._authorizer = authorizer
        self._request = request
        self._operation = operation
        self._type = resource_type
        self._quiet = quiet
        self._answers: dict[str, bool] = {}

    def __contains__(self, name: object) -> bool:
        assert isinstance(name, str)
        known = self._answers.get(name)
        if known is None:
            known = self._answers[name] = _ask(
                self._authorizer, self._request, self._operation, self._type, name, self._quiet
            )
        return known


def allowed(
    services: Services,
    request: Request,
    operation: AclOperation,
    resource_type: ResourceType,
    *,
    quiet: bool = False,
) -> Container[str]:
    """The names of this type with which the sender may do this. ``quiet``: denials are not written
    to the audit log, for cases in which they only shorten a list."""
    if services.authorizer is None:
        return EVERYTHING
    return _Allowed(services.authorizer, request, operation, resource_type, quiet=quiet)


def denied_of(
    services: Services,
    request: Request,
    operation: AclOperation,
    resource_type: ResourceType,
    names: Iterable[str],
    *,
    quiet: bool = False,
) -> Sequence[str]:
    """The names with which the sender may not do this. As ``is_allowed``, with fewer calls for each
    name: a producer sends thousands of requests a second."""
    authorizer = services.authorizer
    if authorizer is None:
        return ()
    denied = []
    who, host, api = request.principal, request.client_host, request.api_key
    for name in names:
        asked = (who, host, operation, resource_type, name)
        if (quiet and not authorizer.decide(asked).allowed) or not authorizer.allows(asked, api):
            denied.append(name)
    return denied


def is_allowed(
    services: Services,
    request: Request,
    operation: AclOperation,
    resource_type: ResourceType,
    name: str | None,
    *,
    quiet: bool = False,
) -> bool:
    """Whether the sender may do this with one resource; ``name`` None: with any of the type."""
    if services.authorizer is None:
        return True
    return _ask(services.authorizer, request, operation, resource_type, name, quiet)


def is_allowed_on_cluster(
    services: Services, request: Request, operation: AclOperation, *, quiet: bool = False
) -> bool:
    """``is_allowed`` for the cluster, which is a resource too."""
    return is_allowed(services, request, operation, ResourceType.CLUSTER, CLUSTER_NAME, quiet=quiet)


def _ask(
    authorizer: RequestAuthorizer,
    request: Request,
    operation: AclOperation,
    resource_type: ResourceType,
    name: str | None,
    quiet: bool,
) -> bool:
    asked = (request.principal, request.client_host, operation, resource_type, name)
    if quiet and not authorizer.decide(asked).allowed:
        return False
    return authorizer.allows(asked, request.api_key)


def operations(services: Services, request: Request, resource_type: ResourceType, name: str) -> int:
    """What the sender may do with a resource, as bits: 1 << operation."""
    if services.authorizer is None:
        return sum(1 << operation for operation in OPERATIONS_OF[resource_type])
    return services.authorizer.operations(
        request.principal, request.client_host, resource_type, name
    )


def cluster_operations(services: Services, request: Request) -> int:
    """The same for the cluster; 0 if the sender may not describe the cluster."""
    if not is_allowed_on_cluster(services, request, AclOperation.DESCRIBE):
        return 0
    return operations(services, request, ResourceType.CLUSTER, CLUSTER_NAME)


def denied(error: ErrorCode) -> KafkaError:
    """An authorization error with Kafka's text."""
    return KafkaError(error, TEXTS.get(error, error.name))


def refuse_without_items(services: Services, request: Request) -> Pieces:
    """The answer of APIs that do not list the items of a request that is denied."""
    refused = denied(ErrorCode.CLUSTER_AUTHORIZATION_FAILED)
    return short_answer(request, refused.code, refused.message)


def refuse_as_a_whole(services: Services, request: Request) -> Pieces | None:
    """The usual answer to a request that needs a right on the cluster, if it is denied."""
    error = ErrorCode.CLUSTER_AUTHORIZATION_FAILED
    return error_answer(request, error, TEXTS.get(error, error.name))
