"""The endpoints of the leaders that an answer names (KIP-951)."""

from __future__ import annotations

from collections.abc import Iterable

from barnabas.api.request import Request
from barnabas.api.services import Services
from barnabas.protocol.produce import NodeEndpoint


def node_endpoints(
    services: Services, request: Request, leaders: Iterable[tuple[int, int] | None]
) -> tuple[NodeEndpoint, ...]:
    """The endpoint on the request's listener of each leader that is known, once each."""
    ids = dict.fromkeys(leader[0] for leader in leaders if leader is not None)
    found = []
    for broker_id in ids:
        broker = services.metadata.brokers.get(broker_id)
        endpoint = None if broker is None else broker.endpoint(request.listener)
        if broker is not None and endpoint is not None:
            found.append(NodeEndpoint(broker_id, endpoint.host, endpoint.port, broker.rack))
    return tuple(found)
