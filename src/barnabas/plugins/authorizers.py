"""Authorizer, Action, AuthorizableRequestContext: a class that decides on rights (KIP-504)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from barnabas.authorizer.acl import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    ResourcePattern,
    ResourceType,
)
from barnabas.authorizer.decision import AclIndex, Policy, Question
from barnabas.errors import ErrorCode, KafkaError
from barnabas.plugins.base import Plugin
from barnabas.security.principal import KafkaPrincipal
from barnabas.types import Endpoint


class AuthorizationResult(Enum):
    """The answer to one action."""

    ALLOWED = "ALLOWED"
    DENIED = "DENIED"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizableRequestContext:
    """Who asks."""

    principal: KafkaPrincipal
    client_address: str
    """The address of the client, as text."""
    request_type: int
    """The API key of the request; -1 where a list is shortened to what its reader may see."""


class Action(NamedTuple):
    """What somebody wants to do."""

    operation: AclOperation
    resource_pattern: ResourcePattern
    """A LITERAL pattern: the resource itself."""
    log_if_allowed: bool = True
    """Whether it is worth a line in an audit log if it is allowed."""
    log_if_denied: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizerServerInfo:
    """The broker that asks."""

    cluster_id: str
    broker_id: int
    endpoints: tuple[Endpoint, ...]
    """(listener, security_protocol, host, port) of each listener, as it is advertised."""
    inter_broker_endpoint: Endpoint


NO_ACLS = "This authorizer keeps no ACLs"


class Authorizer(Plugin, ABC):
    """``authorizer.class.name``: decides what clients, and other brokers, may do.

    It takes the place of Kafka's ``AclAuthorizer``. ``super.users`` and
    ``allow.everyone.if.no.acl.found`` are among the settings, and mean what it makes of them.
    Brokers ask each other too: their principal needs CLUSTER_ACTION on the cluster.

    Whatever it raises, and whatever it returns but ALLOWED, denies.
    """

    def start(self, server_info: AuthorizerServerInfo) -> None:
        """Called once, after ``configure`` and before the broker listens. If it raises, the broker
        does not start. When it returns, the authorizer must be ready to decide."""
        return

    @abstractmethod
    def authorize(
        self, context: AuthorizableRequestContext, actions: Sequence[Action]
    ) -> Sequence[AuthorizationResult]:
        """The result of each action, in their order. It is called for nearly every request, several
        times if a request names several resources: answer from memory, in microseconds."""

    def authorize_by_resource_type(
        self,
        context: AuthorizableRequestContext,
        operation: AclOperation,
        resource_type: ResourceType,
    ) -> AuthorizationResult:
        """Whether the operation is allowed with any resource of a type (KIP-679). It is asked for
        producers without transactions that are idempotent. As in Kafka this looks at ``acls``;
        somebody who may do it with a resource of any name, as super users, needs none."""
        anything = ResourcePattern(resource_type, "hardcode")
        action = Action(operation, anything, log_if_denied=False)
        results = self.authorize(context, (action,))
        if isinstance(results, list | tuple) and list(results) == [AuthorizationResult.ALLOWED]:
            return AuthorizationResult.ALLOWED
        index, found = AclIndex(), dict[ResourcePattern, list[AclBinding]]()
        for binding in self.acls(AclBindingFilter(resource_type=resource_type)):
            found.setdefault(binding.pattern, []).append(binding)
        for pattern, bindings in found.items():
            index.put(pattern, [binding.entry for binding in bindings])
        asked = Question(context.principal, context.client_address, operation, resource_type, None)
        allowed = index.decide(Policy(), asked).allowed
        return AuthorizationResult.ALLOWED if allowed else AuthorizationResult.DENIED

    def acls(self, filter: AclBindingFilter) -> Iterable[AclBinding]:  # noqa: A002 - Kafka's name
        """The ACLs that match, for DescribeAcls. None, unless it is overridden."""
        return ()

    def create_acls(
        self, context: AuthorizableRequestContext, bindings: Sequence[AclBinding]
    ) -> Sequence[KafkaError | None]:
        """Add ACLs, for CreateAcls; the sender may ALTER the cluster. Returns for each its error,
        or None. An authorizer without ACLs raises KafkaError, as this does."""
        raise KafkaError(ErrorCode.INVALID_REQUEST, NO_ACLS)

    def delete_acls(
        self, context: AuthorizableRequestContext, filters: Sequence[AclBindingFilter]
    ) -> Sequence[Sequence[AclBinding]]:
        """Delete the ACLs that match, for DeleteAcls. Returns for each filter those that it
        deleted. An authorizer without ACLs raises KafkaError, as this does."""
        raise KafkaError(ErrorCode.INVALID_REQUEST, NO_ACLS)
