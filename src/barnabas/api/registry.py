"""Which function answers which API: each handler's module says so for itself.

A handler is one file of this room: ``@serves(ApiKey.X)`` above its ``handle(services, request)``,
helpers below. That one line is all: ``dispatch.py`` finds the module, ApiVersions tells clients of
the API, with the versions that ``protocol/api.py`` lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from barnabas.api.request import Answer, Request
from barnabas.api.services import Services
from barnabas.protocol.api import ApiKey

Handler: TypeAlias = Callable[[Services, Request], Answer]

_handlers: dict[int, Handler] = {}
HANDLERS: Mapping[int, Handler] = MappingProxyType(_handlers)
"""The handler of each API that is served. Complete once ``dispatch.py`` has been imported."""


def serves(api: ApiKey) -> Callable[[Handler], Handler]:
    """Declare that the function below answers ``api``, in every version of the API table."""

    def register(handler: Handler) -> Handler:
        if api in _handlers:
            raise ValueError(f"{api.name} has two handlers")
        _handlers[api] = handler
        return handler

    return register
