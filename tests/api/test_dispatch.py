from __future__ import annotations

import pytest

from barnabas.api.registry import ANYBODY, HANDLERS, serves
from barnabas.protocol.api import API_TABLE, ApiKey


def test_every_api_of_the_table_has_a_handler() -> None:
    assert set(HANDLERS) == set(API_TABLE)


def test_no_api_has_two_handlers() -> None:
    with pytest.raises(ValueError, match="METADATA has two handlers"):
        serves(ApiKey.METADATA, ANYBODY)(HANDLERS[ApiKey.FETCH])
