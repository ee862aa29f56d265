"""KafkaApis: from a request to its handler, and what becomes of requests that nobody serves."""

from __future__ import annotations

import importlib
import pkgutil

import barnabas.api
from barnabas.api.access import is_allowed_on_cluster, refuse_as_a_whole
from barnabas.api.listener_rules import is_misplaced
from barnabas.api.registry import HANDLERS, NEEDS, Handler
from barnabas.api.request import Answer, Request, api_name
from barnabas.api.services import Services
from barnabas.api.throttling import metered
from barnabas.api.unexpected import error_answer
from barnabas.authorizer.acl import AclOperation
from barnabas.errors import ErrorCode, InvalidRequest
from barnabas.protocol.api import API_TABLE, ApiKey

for _module in pkgutil.iter_modules(barnabas.api.__path__):
    importlib.import_module(f"barnabas.api.{_module.name}")  # its handlers register themselves


_ANY_VERSION = (ApiKey.API_VERSIONS, ApiKey.PRODUCE)
"""ApiVersions answers every version, and Produce the old ones; both look for themselves."""


def _guarded() -> dict[int, Handler]:
    """The handlers, behind the question whether the whole request is allowed."""
    return {
        key: handler
        if (operation := NEEDS[key].cluster) is None
        else _guard(handler, key, operation)
        for key, handler in HANDLERS.items()
    }


def _guard(handler: Handler, key: int, operation: AclOperation) -> Handler:
    refuse = NEEDS[key].refuse or refuse_as_a_whole

    def guard(services: Services, request: Request) -> Answer:
        if is_allowed_on_cluster(services, request, operation):
            return handler(services, request)
        if request.meter is not None:
            request.meter.is_exempt = False
        refused = refuse(services, request)
        if refused is None:
            raise InvalidRequest(f"{api_name(key)} is not allowed to {request.principal}")
        return refused

    return guard


class Dispatcher:
    """Routes the requests of one broker."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._handlers = HANDLERS if services.authorizer is None else _guarded()
        self._served: dict[tuple[int, int], Handler] = {
            (key, version): handler
            for key, handler in self._handlers.items()
            if key not in _ANY_VERSION
            for version in range(API_TABLE[key].min_version, API_TABLE[key].max_version + 1)
        }

    def handle(self, request: Request) -> Answer:
        """The answer of the request's handler. Raises InvalidRequest as ``check`` does."""
        handler = self._served.get((request.api_key, request.api_version))
        if handler is None:
            self.check(request)
            handler = self._handlers[request.api_key]
        if self.services.authorizer is None and is_misplaced(self.services.config, request):
            return error_answer(
                request,
                ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
                f"Listener {request.listener} is not for requests of brokers.",
            )
        if self.services.quotas.in_force and request.line is not None:
            return metered(self.services, request, handler)
        return handler(self.services, request)

    def check(self, request: Request) -> None:
        """Raises InvalidRequest for an API or version that is not served: such a request cannot be
        answered in a form its sender could read (reference 9).
        """
        if request.api_key not in HANDLERS:
            raise InvalidRequest(f"unsupported {api_name(request.api_key)}")
        if request.api_key not in _ANY_VERSION:
            api = API_TABLE[ApiKey(request.api_key)]
            if not api.min_version <= request.api_version <= api.max_version:
                raise InvalidRequest(f"unsupported {api.name} version {request.api_version}")
