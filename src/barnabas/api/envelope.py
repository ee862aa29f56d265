"""Envelope v0 (KIP-590): requests that a broker passes on to the controller. No broker of a
cluster in ZooKeeper mode does so; the original closes the connection of whoever tries."""

from __future__ import annotations

from barnabas.api.registry import ANYBODY, serves
from barnabas.api.request import Answer, Request
from barnabas.api.services import Services
from barnabas.errors import InvalidRequest
from barnabas.protocol.api import ApiKey


@serves(ApiKey.ENVELOPE, ANYBODY)
def handle(services: Services, request: Request) -> Answer:
    """Raises InvalidRequest, which closes the connection."""
    raise InvalidRequest("an Envelope, although requests are not passed on here")
