"""Old versions, against the messages that kafka-python wrote by hand while they were new."""

from __future__ import annotations

import importlib
import pkgutil
import random
import warnings
from typing import Any

import pytest
from tests.protocol import generated

from barnabas.protocol import codec
from barnabas.protocol.api import API_TABLE

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # how it reads its own descriptions
    old = importlib.import_module("kafka.protocol.old")
    _MODULES = [
        importlib.import_module(f"{old.__name__}.{m.name}")
        for m in pkgutil.iter_modules(old.__path__)
    ]
_OTHERWISE = {
    *(f"ApiVersionsResponse_v{version}" for version in (1, 2, 3, 4)),  # reads errors as v0
    *("DescribeAclsRequest_v2", "DescribeAclsResponse_v2"),  # has them without compact lengths
    "DescribeLogDirsRequest_v0",  # has one partition where the message has an array of them
}
"""What kafka-python does not write as Kafka does."""
_WRITTEN: list[Any] = sorted(
    {
        one
        for module in _MODULES
        for name, one in vars(module).items()
        if isinstance(one, type)
        and name.partition("_v")[2].isdigit()
        and hasattr(one, "API_KEY")
        and name not in _OTHERWISE
    },
    key=lambda one: str(one.__name__),
)


@pytest.mark.parametrize("theirs", _WRITTEN, ids=lambda one: str(one.__name__))
def test_a_message_is_what_kafka_python_writes(theirs: Any) -> None:
    key, version = theirs.API_KEY, theirs.API_VERSION
    response = "Response" in theirs.__name__
    chance = random.Random(f"{key} {version}")
    schema = codec.message_schema(key, version, response=response)
    for _ in range(10):
        message = generated.message(schema, chance)
        body = codec.encode_body(key, version, message, response=response)
        assert theirs.decode(body).encode() == body


def test_most_old_versions_are_among_them() -> None:
    found = {(one.API_KEY, one.API_VERSION) for one in _WRITTEN}
    assert len(found) > 100
    assert {key for key, _ in found} <= {int(key) for key in API_TABLE}
