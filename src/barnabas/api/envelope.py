"""Envelope v0 (KIP-590): a request that a broker forwards to the controller. No broker does so in
ZooKeeper mode, so the connection is closed, as by Kafka."""

from __future__ import annotations

from barnabas.api.registry import ANYBODY, serves
from barnabas.api.request import Answer, Request
from barnabas.api.services import Services
from barnabas.errors import InvalidRequest
from barnabas.protocol.api import ApiKey


@serves(ApiKey.ENVELOPE, ANYBODY)
def handle(services: Services, request: Request) -> Answer:
    """Raises InvalidRequest, which closes the connection."""
    raise InvalidRequest("an Envelope, although requests are not forwarded here")
