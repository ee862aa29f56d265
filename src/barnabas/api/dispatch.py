"""KafkaApis: calls the handler of a request, and refuses requests that are not served."""

from __future__ import annotations

from barnabas.api import fetch, leader_and_isr, metadata, produce, update_metadata
from barnabas.api.access import is_allowed_on_cluster, refuse_as_a_whole
from barnabas.api.listener_rules import MAY_BE_MISPLACED, is_misplaced
from barnabas.api.registry import Handler, Needs, handler_of
from barnabas.api.request import Answer, Request, api_name
from barnabas.api.services import Services
from barnabas.api.throttling import metered
from barnabas.api.unexpected import error_answer
from barnabas.authorizer.acl import AclOperation
from barnabas.errors import ErrorCode, InvalidRequest
from barnabas.protocol.api import API_TABLE, ApiKey

AT_ONCE = (fetch, leader_and_isr, metadata, produce, update_metadata)
"""The handlers that every broker needs. Others are imported at their first request
(``registry.py``)."""


def _guard(handler: Handler, key: int, operation: AclOperation, needs: Needs) -> Handler:
    """The handler, called only if the sender has the right on the cluster that it needs."""
    refuse = needs.refuse or refuse_as_a_whole

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


def _at_its_place(handler: Handler) -> Handler:
    """The handler, called only if the request came through a listener that accepts it."""

    def placed(services: Services, request: Request) -> Answer:
        if is_misplaced(services.config, request):
            return error_answer(
                request,
                ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
                f"Listener {request.listener} is not for requests of brokers.",
            )
        return handler(services, request)

    return placed


class Dispatcher:
    """Routes the requests of one broker."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._handlers: dict[tuple[int, int], Handler] = {}
        """The handlers used so far, by API and version."""

    def handle(self, request: Request) -> Answer:
        """The answer of the request's handler. Raises InvalidRequest as ``check`` does."""
        handler = self._handlers.get((request.api_key, request.api_version))
        if handler is None:
            handler = self._find(request)
        if self.services.quotas.in_force and request.line is not None:
            return metered(self.services, request, handler)
        return handler(self.services, request)

    def _find(self, request: Request) -> Handler:
        self.check(request)
        handler, needs = handler_of(request.api_key)
        if self.services.authorizer is None:
            if request.api_key in MAY_BE_MISPLACED:
                handler = _at_its_place(handler)
        elif needs.cluster is not None:
            handler = _guard(handler, request.api_key, needs.cluster, needs)
        if API_TABLE[request.api_key].serves(request.api_version):  # a client may send any number
            self._handlers[request.api_key, request.api_version] = handler
        return handler

    def check(self, request: Request) -> None:
        """Raise InvalidRequest for an API or version that is not served: no answer would be in a
        format that the sender can read (reference 9)."""
        if request.api_key not in API_TABLE:
            raise InvalidRequest(f"unsupported {api_name(request.api_key)}")
        api = API_TABLE[request.api_key]
        if not api.serves(request.api_version) and api.key is not ApiKey.API_VERSIONS:
            raise InvalidRequest(f"unsupported {api.name} version {request.api_version}")
