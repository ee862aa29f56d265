"""The table against kio's index and the original's own ApiVersions answer."""

from __future__ import annotations

from typing import Any

from kio.schema.index import api_key_map, schema_name_map
from kio.static.constants import EntityType
from tests.protocol import recorded

from barnabas.protocol import codec
from barnabas.protocol.api import API_TABLE, CONTROLLER_APIS, ApiKey


def test_minima_are_what_kio_describes() -> None:
    for key, api in API_TABLE.items():
        if key in CONTROLLER_APIS:
            assert api.min_version == 0
            continue
        versions = schema_name_map[api_key_map[key]]
        described = [version for version in versions if EntityType.request in versions[version]]
        assert api.min_version == min(described), api.name
        assert api.max_version in described


def test_maxima_are_what_the_original_advertises() -> None:
    rows = recorded.of(ApiKey.API_VERSIONS, is_request=False)
    row = next(row for row in rows if row.version == 3)
    answer: Any = codec.decode_response(row.api, row.version, row.frame, 4)
    theirs = {int(key.api_key): int(key.max_version) for key in answer.api_keys}
    ours = {int(key): api.max_version for key, api in API_TABLE.items()}
    # ConsumerGroupHeartbeat and ConsumerGroupDescribe v1 are Kafka 4's: new clients need them.
    assert ours == {**theirs, 68: 1, 69: 1, 75: 0}


def test_names_and_versions() -> None:
    assert API_TABLE[ApiKey.LEADER_AND_ISR].name == "LeaderAndIsr"
    assert not API_TABLE[ApiKey.PRODUCE].serves(2)
    assert API_TABLE[ApiKey.PRODUCE].advertised_min == 0
    assert API_TABLE[ApiKey.FETCH].advertised_min == 4
