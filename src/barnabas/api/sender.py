"""Which controller sends an order, and over which of its connections."""

from __future__ import annotations

from barnabas.api.request import Request
from barnabas.replication.orders import Sender


def sender_of(request: Request) -> Sender:
    """The sender of a controller's request."""
    return Sender(request.client_id or "", request.connection)
