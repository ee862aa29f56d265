"""Whole brokers in the simulator whose clients are whom they say they are.

Nothing authenticates there: the client id ``as alice`` makes a connection ``User:alice``. Everybody
else, brokers among them, is anonymous.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from barnabas.api.request import Request
from barnabas.broker.exchange import Exchange
from barnabas.security.principal import KafkaPrincipal

SETTINGS = {
    "authorizer.class.name": "kafka.security.authorizer.AclAuthorizer",
    "super.users": "User:ANONYMOUS;User:admin",
    "offsets.topic.num.partitions": "3",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "3",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "true",
    "delegation.token.secret.key": "token-secret",
}


@contextmanager
def principals_by_client_id() -> Iterator[None]:
    """While it lasts, listeners believe client ids."""
    read = Exchange._read

    def believing(self: Any, frame: memoryview) -> Request:
        request = read(self, frame)
        name = (request.client_id or "").removeprefix("as ")
        if name != request.client_id:
            request.principal = KafkaPrincipal("User", name)
            request.security_protocol = "SASL_PLAINTEXT"
        return request

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Exchange, "_read", believing)
        yield
