from __future__ import annotations

from barnabas.api.dispatch import HANDLERS
from barnabas.protocol.api import SERVED


def test_what_is_advertised_is_what_has_a_handler() -> None:
    assert set(HANDLERS) == set(SERVED)
