from __future__ import annotations

from barnabas.api.dispatch import HANDLERS
from barnabas.protocol.api import CONSUMER_PROTOCOL_APIS, SERVED


def test_what_is_advertised_is_what_has_a_handler() -> None:
    assert set(HANDLERS) == {*SERVED, *CONSUMER_PROTOCOL_APIS}
