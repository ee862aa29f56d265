from __future__ import annotations

import pkgutil
from importlib import import_module

import pytest

import barnabas.api
from barnabas.api.registry import ANYBODY, _served, handler_of, serves
from barnabas.protocol.api import API_TABLE, ApiKey


@pytest.mark.parametrize("api", API_TABLE, ids=lambda api: ApiKey(api).name)
def test_every_api_of_the_table_has_a_handler_in_the_file_of_its_name(api: ApiKey) -> None:
    handler, _ = handler_of(api)
    assert handler.__module__.startswith("barnabas.api.")


def test_there_is_no_handler_besides() -> None:
    for module in pkgutil.iter_modules(barnabas.api.__path__):
        import_module(f"barnabas.api.{module.name}")
    assert set(_served) == set(API_TABLE)


def test_no_api_has_two_handlers() -> None:
    handler, _ = handler_of(ApiKey.METADATA)
    with pytest.raises(ValueError, match="METADATA has two handlers"):
        serves(ApiKey.METADATA, ANYBODY)(handler)
