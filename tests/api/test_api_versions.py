"""ApiVersions: the table, the way down for newer clients, the feature epoch, silly names."""

from __future__ import annotations

import struct
from typing import Any

from tests.api import kit
from tests.api.consumer_group_kit import SETTINGS
from tests.protocol import recorded

from barnabas.errors import ErrorCode
from barnabas.protocol import codec
from barnabas.protocol.api import API_TABLE, ApiKey
from barnabas.protocol.message import Message

API_VERSIONS = ApiKey.API_VERSIONS


def _table(answer: Any) -> dict[int, tuple[int, int]]:
    return {row.api_key: (row.min_version, row.max_version) for row in answer.api_keys}


ME = Message(client_software_name="apache-kafka-java", client_software_version="3.9.1")
ABOVE_THEIRS = {ApiKey.CONSUMER_GROUP_HEARTBEAT: 0, ApiKey.CONSUMER_GROUP_DESCRIBE: 0}
"""What is told of an API of which a later version is served, where the protocol is off."""
NOT_THEIRS = {int(ApiKey.DESCRIBE_TOPIC_PARTITIONS): (0, 0)}


def _of_the_original(version: int) -> Any:
    """Its answer, as recorded."""
    rows = recorded.of(API_VERSIONS, is_request=False)
    row = next(row for row in rows if row.version == version)
    return codec.decode_response(row.api, row.version, row.frame, 4)


def test_the_list_is_that_of_the_original() -> None:
    """Key by key, with its versions."""
    theirs = _table(_of_the_original(3))

    async def scenario(client: kit.Client) -> None:
        for version in kit.versions(API_VERSIONS):
            answer = await client.ask(API_VERSIONS, version, ME)
            assert _table(answer) == {**theirs, **NOT_THEIRS}
            if version >= 3:
                for name in ("supported_features", "finalized_features", "zk_migration_ready"):
                    assert getattr(answer, name) == getattr(_of_the_original(3), name)

    kit.run(scenario)


def test_later_versions_of_the_group_protocol_are_told_of_where_it_is_on() -> None:
    async def scenario(client: kit.Client) -> None:
        table = _table(await client.ask(API_VERSIONS, 3, ME))
        assert table[ApiKey.CONSUMER_GROUP_HEARTBEAT] == (0, 1)
        assert table[ApiKey.CONSUMER_GROUP_DESCRIBE] == (0, 1)

    kit.run(scenario, settings={"group.coordinator.rebalance.protocols": "classic,consumer"})


def test_every_version_lists_what_is_served() -> None:
    async def scenario(client: kit.Client) -> None:
        for version in kit.versions(API_VERSIONS):
            answer = await client.ask(API_VERSIONS, version, ME)
            assert answer.error_code == 0
            table = _table(answer)
            assert list(table) == sorted(API_TABLE)
            assert table[ApiKey.PRODUCE] == (0, 11)
            assert table[ApiKey.FETCH] == (0, 17)
            for key in table:
                greatest = ABOVE_THEIRS.get(ApiKey(key), API_TABLE[key].max_version)
                assert table[key][1] == greatest
            if version >= 3:
                assert answer.finalized_features_epoch == 0  # the version of /feature

    kit.run(scenario)


def test_a_version_from_the_future_is_answered_in_the_form_of_v0() -> None:
    async def scenario(client: kit.Client) -> None:
        connection = await client.connection()
        frame = struct.pack(">hhihb", API_VERSIONS, 9, 5, -1, 0) + b"\x01\x02\x03"
        future = connection.send_frame(struct.pack(">i", len(frame)) + frame)
        answer = await connection.wait(future, 5000)
        body: Any = codec.decode_response(API_VERSIONS, 0, answer, 4)
        assert body.error_code == ErrorCode.UNSUPPORTED_VERSION
        assert _table(body) == {API_VERSIONS: (0, 4)}

    kit.run(scenario)


def test_names_that_no_client_has() -> None:
    async def scenario(client: kit.Client) -> None:
        for name, number in (("", "1"), ("-x", "1"), ("x", "1 0")):
            me = Message(client_software_name=name, client_software_version=number)
            answer = await client.ask(API_VERSIONS, 3, me)
            assert answer.error_code == ErrorCode.INVALID_REQUEST
            assert answer.api_keys == ()

    kit.run(scenario)


def test_with_the_setting_clients_are_told() -> None:
    async def scenario(client: kit.Client) -> None:
        me = Message(client_software_name="x", client_software_version="1")
        rows = (await client.ask(ApiKey.API_VERSIONS, 4, me)).api_keys
        versions = {row.api_key: (row.min_version, row.max_version) for row in rows}
        assert (
            versions[ApiKey.CONSUMER_GROUP_HEARTBEAT]
            == versions[ApiKey.CONSUMER_GROUP_DESCRIBE]
            == (0, 1)
        )

    kit.run(scenario, settings=SETTINGS)
