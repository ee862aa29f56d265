"""What APIs need of an authorizer: Kafka's ``AclAuthorizer``, or a plug-in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from barnabas.authorizer.acl import AclBinding, AclBindingFilter, ResourceType
from barnabas.authorizer.decision import Asked, Decision
from barnabas.errors import KafkaError
from barnabas.security.principal import KafkaPrincipal


class RequestAuthorizer(Protocol):
    """Decides about requests."""

    @property
    def generation(self) -> int:
        """A number that differs after each change. A decision made with another one may be
        outdated."""
        ...

    def decide(self, asked: Asked) -> Decision:
        """The decision, without a line in the audit log."""
        ...

    def allows(self, asked: Asked, api_key: int) -> bool:
        """Decide, and write the audit log. ``api_key``: the API of the request."""
        ...

    def operations(
        self, principal: KafkaPrincipal, host: str, resource_type: ResourceType, name: str
    ) -> int:
        """The operations that a principal may do with a resource, as bits: 1 << operation."""
        ...


class PluggedAcls(Protocol):
    """The ACLs of an authorizer that is a plug-in. ``who``: the sender of the request, his
    address."""

    def described(self, wanted: AclBindingFilter) -> list[AclBinding]:
        """Raises KafkaError."""
        ...

    def created(
        self, who: tuple[KafkaPrincipal, str], bindings: Sequence[AclBinding]
    ) -> list[KafkaError | None]:
        """The error of each."""
        ...

    def deleted(
        self, who: tuple[KafkaPrincipal, str], filters: Sequence[AclBindingFilter]
    ) -> list[Mapping[AclBinding, KafkaError | None]]:
        """Those that each filter deleted. Raises KafkaError."""
        ...


class PluggedAuthorizer(RequestAuthorizer, PluggedAcls, Protocol):
    """An authorizer that is a plug-in."""
