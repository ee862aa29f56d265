"""Which function answers which API, and what its sender must be allowed: each handler's module says
so for itself.

A handler is one file of this room, named after its API: ``@serves(ApiKey.X, needs)`` above its
``handle(services, request)``, helpers below. ``handler_of`` finds the module by that name and
imports it when somebody asks for the API: a broker serves 63 of them, and most never come.
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
"""Makes the answer to whom a request is not allowed. None: its connection is closed."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What the sender of a request must be allowed, if there is an authorizer."""

    cluster: AclOperation | None = None
    """With the cluster: asked before the handler is called."""
    each: tuple[Need, ...] = ()
    """With what the request names, or in some cases with the cluster: the handler asks
    (``access.py``), since others of its resources may be allowed."""
    refuse: Refusal | None = None
    """For ``cluster``, where the usual answer (``unexpected.py``) is not the original's."""


def on_cluster(operation: AclOperation, refuse: Refusal | None = None) -> Needs:
    """The whole request needs an operation on the cluster."""
    return Needs(cluster=operation, refuse=refuse)


def of_each(*needs: Need) -> Needs:
    """The handler asks for each resource that the request names."""
    return Needs(each=needs)


ANYBODY = Needs()
"""Whoever can connect may ask."""

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
"""APIs whose handlers stand in one file with others'."""

_served: dict[int, tuple[Handler, Needs]] = {}
"""What has been imported so far."""


def serves(api: ApiKey, needs: Needs) -> Callable[[Handler], Handler]:
    """Declare that the function below answers ``api``, in every version of the API table."""

    def register(handler: Handler) -> Handler:
        if api in _served:
            raise ValueError(f"{api.name} has two handlers")
        _served[api] = handler, needs
        return handler

    return register


def handler_of(api: int) -> tuple[Handler, Needs]:
    """The handler of an API of the table, and what its sender must be allowed."""
    if api not in _served:
        key = API_TABLE[api].key
        import_module(f"barnabas.api.{_SHARED.get(key, key.name.lower())}")
    return _served[api]
