"""The table against the descriptions, kio's index and the original's own ApiVersions answer."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from kio.schema.index import api_key_map, schema_name_map
from kio.static.constants import EntityType
from tests.protocol import recorded

from barnabas.protocol import codec, description
from barnabas.protocol.api import API_TABLE, CONTROLLER_APIS, ApiKey


def test_versions_are_those_of_the_descriptions() -> None:
    for key, api in API_TABLE.items():
        module = import_module(f"barnabas.protocol.descriptions.{api.key.name.lower()}")
        for table in (module.REQUEST, module.RESPONSE):
            (_, versions, flexible), _ = description.rows(table)[0]
            assert description.has(versions, 0), api.name
            assert description.has(versions, api.max_version), api.name
            for version in range(api.max_version + 1):
                assert description.has(flexible, version) == api.is_flexible(version), key


def test_later_versions_are_what_kio_describes() -> None:
    """kio follows Kafka 4, which has fewer versions."""
    for key, api in API_TABLE.items():
        if key in CONTROLLER_APIS:
            continue
        versions = schema_name_map[api_key_map[key]]
        described = {version for version in versions if EntityType.request in versions[version]}
        assert set(range(min(described), api.max_version + 1)) <= described, api.name


def test_versions_are_what_the_original_advertises() -> None:
    rows = recorded.of(ApiKey.API_VERSIONS, is_request=False)
    row = next(row for row in rows if row.version == 3)
    answer: Any = codec.decode_response(row.api, row.version, row.frame, 4)
    assert {key.min_version for key in answer.api_keys} == {0}
    theirs = {int(key.api_key): int(key.max_version) for key in answer.api_keys}
    ours = {int(key): api.max_version for key, api in API_TABLE.items()}
    # ConsumerGroupHeartbeat and ConsumerGroupDescribe v1 are Kafka 4's: new clients need them.
    assert ours == {**theirs, 68: 1, 69: 1, 75: 0}


def test_names_and_versions() -> None:
    assert API_TABLE[ApiKey.LEADER_AND_ISR].name == "LeaderAndIsr"
    assert API_TABLE[ApiKey.PRODUCE].serves(0)
    assert not API_TABLE[ApiKey.PRODUCE].serves(-1)
    assert not API_TABLE[ApiKey.PRODUCE].serves(12)
