"""Finds the handler of an API, and what its sender must be allowed. Each handler registers itself.

A handler is one file of this package, named after its API. It has ``@serves(ApiKey.X, needs)``
above ``handle(services, request)``, and helpers below. ``handler_of`` finds the module by its name
and imports it at the first request: a broker serves 63 APIs, most of which are never used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Final, TypeAlias

from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.protocol.api import API_TABLE, ApiKey

Handler: TypeAlias = Callable[[Services, Request], Answer]
Need: TypeAlias = tuple[ResourceType, AclOperation]
Refusal: TypeAlias = Callable[[Services, Request], Pieces | None]
"""Makes the answer to a request that is denied. None closes the connection."""


@dataclass(frozen=True, slots=True)
class Needs:
    """The rights that the sender of a request needs, if there is an authorizer."""

    cluster: AclOperation | None = None
    """An operation on the cluster. It is checked before the handler is called."""
    each: tuple[Need, ...] = ()
    """Operations on each resource that the request names, or in some cases on the cluster. The
    handler checks them (``access.py``), since only some resources may be denied."""
    refuse: Refusal | None = None
    """Makes the answer if ``cluster`` is denied, where Kafka's is not the usual one
    (``unexpected.py``)."""


def on_cluster(operation: AclOperation, refuse: Refusal | None = None) -> Needs:
    """The whole request needs this operation on the cluster."""
    return Needs(cluster=operation, refuse=refuse)


def of_each(*needs: Need) -> Needs:
    """The handler checks these rights for each resource that the request names."""
    return Needs(each=needs)


ANYBODY = Needs()
"""No right is needed: every client that can connect may send the request."""

_SHARED: Final[Mapping[ApiKey, str]] = {
    ApiKey.SASL_HANDSHAKE: "sasl",
    ApiKey.SASL_AUTHENTICATE: "sasl",
    ApiKey.DESCRIBE_ACLS: "acls",
    ApiKey.CREATE_ACLS: "acls",
    ApiKey.DELETE_ACLS: "acls",
    ApiKey.CREATE_DELEGATION_TOKEN: "delegation_tokens",
    ApiKey.RENEW_DELEGATION_TOKEN: "delegation_tokens",
    ApiKey.EXPIRE_DELEGATION_TOKEN: "delegation_tokens",
    ApiKey.DESCRIBE_DELEGATION_TOKEN: "delegation_tokens",
    ApiKey.DESCRIBE_CLIENT_QUOTAS: "client_quotas",
    ApiKey.ALTER_CLIENT_QUOTAS: "client_quotas",
    ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS: "user_scram_credentials",
    ApiKey.ALTER_USER_SCRAM_CREDENTIALS: "user_scram_credentials",
}
"""The APIs whose handlers share a file with others, and these files."""

_served: dict[int, tuple[Handler, Needs]] = {}
"""The handlers that are imported so far."""


def serves(api: ApiKey, needs: Needs) -> Callable[[Handler], Handler]:
    """Registers the function below as the handler of ``api``, for all versions of the table."""

    def register(handler: Handler) -> Handler:
        if api in _served:
            raise ValueError(f"{api.name} has two handlers")
        _served[api] = handler, needs
        return handler

    return register


def handler_of(api: int) -> tuple[Handler, Needs]:
    """The handler of an API of the table, and the rights that its sender needs."""
    if api not in _served:
        key = API_TABLE[api].key
        import_module(f"barnabas.api.{_SHARED.get(key, key.name.lower())}")
    return _served[api]
