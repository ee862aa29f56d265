"""Which function answers which API, and what its sender must be allowed: each handler's module says
so for itself.

A handler is one file of this room: ``@serves(ApiKey.X, needs)`` above its
``handle(services, request)``, helpers below. That line is all: ``dispatch.py`` finds the module,
ApiVersions tells clients of the API, with the versions that ``protocol/api.py`` lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.protocol.api import ApiKey

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

_handlers: dict[int, Handler] = {}
_needs: dict[int, Needs] = {}
HANDLERS: Mapping[int, Handler] = MappingProxyType(_handlers)
"""The handler of each API that is served. Complete once ``dispatch.py`` has been imported."""
NEEDS: Mapping[int, Needs] = MappingProxyType(_needs)
"""What each of them needs."""


def serves(api: ApiKey, needs: Needs) -> Callable[[Handler], Handler]:
    """Declare that the function below answers ``api``, in every version of the API table."""

    def register(handler: Handler) -> Handler:
        if api in _handlers:
            raise ValueError(f"{api.name} has two handlers")
        _handlers[api], _needs[api] = handler, needs
        return handler

    return register
