"""The tables of ``protocol/descriptions``, how they are made and read."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from tools import describe_messages

from barnabas.protocol import description
from barnabas.protocol.api import API_TABLE
from barnabas.protocol.schema import Field, Struct

_JSON = """
// A comment.
{
  "apiKey": 9, "type": "request", "name": "ThingRequest",
  // Another.
  "validVersions": "0-3", "flexibleVersions": "2+",
  "fields": [
    { "name": "MaxWaitMs", "type": "int32", "versions": "1+", "default": "0x10" },
    { "name": "ErrorMs", "type": "int16", "versions": "0+" },
    { "name": "isKRaftController", "type": "bool", "versions": "3+", "default": "true" },
    { "name": "Name", "type": "string", "versions": "0+", "nullableVersions": "2+",
      "default": "null", "taggedVersions": "3+", "tag": 4 },
    { "name": "Inner", "type": "[]ThingPart", "versions": "1-2", "fields": [
      { "name": "ISRNodes", "type": "[]int32", "versions": "0+" },
      { "name": "Shared", "type": "Both", "versions": "2+" }
    ]},
    { "name": "Data", "type": "records", "versions": "0+", "nullableVersions": "0+" }
  ],
  "commonStructs": [
    { "name": "Both", "versions": "0+", "fields": [
      { "name": "Id", "type": "uuid", "versions": "0+" }
    ]}
  ]
}
"""
_TABLE = """
ThingRequest 0-3 2+
  max_wait int32 1+ =16
  error_ms int16 0+
  is_kraft_controller bool 3+ =true
  name string 0+ ?2+ #4:3+ =null
  inner []ThingPart 1-2
    isr_nodes []int32 0+
    shared Both 2+
  data bytes 0+ ?0+
Both
  id uuid 0+
"""


def test_a_description_as_a_table() -> None:
    assert describe_messages.table(describe_messages.parse(_JSON)) == _TABLE.strip()


def test_a_table_in_its_versions() -> None:
    first = description.read(_TABLE, 0)
    assert [field.name for field in first.fields] == ["error_ms", "name", "data"]
    assert not first.flexible
    assert first.fields[1] == Field(name="name", kind="string", default="")
    assert first.fields[2] == Field(
        name="data", kind="bytes", nullable=True, default=None, required=True
    )
    second = description.read(_TABLE, 2)
    inner = second.fields[3]
    assert (inner.kind, inner.array, inner.required) == ("struct", True, True)
    both = Struct(
        name="Both", flexible=True, fields=(Field(name="id", kind="uuid", required=True),)
    )
    assert inner.struct is not None
    assert inner.struct.fields[1].struct == both
    last = {field.name: field for field in description.read(_TABLE, 3).fields}
    assert "inner" not in last
    assert last["max_wait"].default == 16
    assert last["is_kraft_controller"].default is True
    assert (last["name"].tag, last["name"].nullable) == (4, True)


@pytest.mark.parametrize("text", ["2+", "1-4", "3"])
def test_versions(text: str) -> None:
    assert description.has(text, 3)
    assert not description.has(text, 0)
    assert not description.has("none", 0)


def test_the_tables_are_what_later_descriptions_say() -> None:
    """kafka-python has Kafka 4's: fewer versions of fewer messages. Those are the same."""
    compared = 0
    package = find_spec("kafka")
    assert package
    assert package.submodule_search_locations
    folder = Path(package.submodule_search_locations[0], "protocol", "schemas", "resources")
    for file in folder.iterdir():
        if not file.name.endswith(("Request.json", "Response.json")):
            continue
        theirs = describe_messages.parse(file.read_text())
        api = API_TABLE.get(theirs["apiKey"])
        if api is None:
            continue
        module = import_module(f"barnabas.protocol.descriptions.{api.key.name.lower()}")
        ours = module.REQUEST if theirs["type"] == "request" else module.RESPONSE
        table = describe_messages.table(theirs)
        for version in range(api.max_version + 1):
            if description.has(theirs["validVersions"], version):
                assert description.read(table, version) == description.read(ours, version)
                compared += 1
    assert compared > 250
